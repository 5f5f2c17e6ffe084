// Where one is in a list of lines that is longer than the screen: keys, wheel and
// the bar at the right. Not thread-safe.
#pragma once

#include <cstddef>

#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"

namespace dragnet::console::tui {

class LineScroll {
 public:
  // The first line on the screen.
  size_t top() const { return top_; }
  void GoTo(size_t line) { top_ = line; }

  // Before lines are drawn: so many there are, on this canvas. Draws the bar, into
  // its last column, if they don't fit.
  void Fit(const Canvas& canvas, size_t lines);
  // Arrows, Page Up/Down, Home, End, j, k, g, G, space, wheel.
  bool OnKey(const Key& key);

 private:
  void Up(size_t by);

  size_t top_ = 0;
  size_t lines_ = 0;
  size_t page_ = 1;
};

}  // namespace dragnet::console::tui
