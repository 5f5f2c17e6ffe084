// Names and what they are, in groups, wrapped and scrolled: a page about one
// thing. Not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"
#include "console/tui/widgets/line_scroll.h"

namespace dragnet::console::tui {

// Raw text. With a name and no text: the heading of a group. Without a name: a
// line of its own.
struct Fact {
  std::string name;
  std::string text;
  Style style = kNormal;
};

class FactList {
 public:
  // Keeps the position. What is the same as before costs nothing.
  void SetFacts(std::vector<Fact> facts);
  const std::vector<Fact>& facts() const { return facts_; }

  void Draw(const Canvas& canvas);
  // Arrows, Page Up/Down, Home, End, j, k, g, G, space, wheel.
  bool OnKey(const Key& key);

 private:
  struct Line {
    std::string name;
    std::string text;
    Style style;
  };
  void Layout(int width);

  std::vector<Fact> facts_;
  std::vector<Line> lines_;
  int laid_out_for_ = -1;
  int name_width_ = 0;
  LineScroll scroll_;
};

}  // namespace dragnet::console::tui
