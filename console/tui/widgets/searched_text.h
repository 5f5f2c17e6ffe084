// A TextView with its search line: "/" to type, n and N to go on. Not thread-safe.
#pragma once

#include <optional>
#include <string>

#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"
#include "console/tui/widgets/text_input.h"
#include "console/tui/widgets/text_view.h"

namespace dragnet::console::tui {

class SearchedText {
 public:
  void MarkContinued() { view_.MarkContinued(); }
  void SetText(std::string text) { view_.SetText(std::move(text)); }
  void Draw(const Canvas& canvas);
  bool OnKey(const Key& key);
  bool typing() const { return typing_; }
  std::optional<Point> Cursor() const;

 private:
  TextView view_;
  TextInput input_;
  bool typing_ = false;
  bool not_found_ = false;
};

}  // namespace dragnet::console::tui
