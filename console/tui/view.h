// A screen: what is between the bar at the top and the keys at the bottom. Views
// live on the loop's thread and know each other only through Shell (shell.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"

namespace dragnet::console::tui {

class View {
 public:
  virtual ~View() = default;

  // For the bar at the top; raw text.
  virtual std::string Title() const = 0;
  virtual void Draw(const Canvas& canvas) = 0;
  // False: the key means nothing here, and the shell may take it.
  virtual bool OnKey(const Key& key) = 0;
  // Where a cursor is to be shown, on the canvas that was drawn last.
  virtual std::optional<Point> Cursor() const { return std::nullopt; }
  // True while letters are typed into something: then digits and letters are not
  // the shell's keys.
  virtual bool TakesText() const { return false; }
  // What can be pressed here, the most useful first.
  virtual std::vector<KeyHint> Keys() const = 0;
  // For the help on "?": paragraphs; lines that start with a space are kept.
  virtual std::string Help() const = 0;
  // It is on top from now on (again), or no more: to stop what costs.
  virtual void OnShown() {}
  virtual void OnHidden() {}
};

}  // namespace dragnet::console::tui
