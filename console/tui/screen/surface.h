// A screenful of characters in memory. Views draw on it, through a Canvas, and
// Terminal brings what changed to the real screen; tests read it as text.
//
// This is the one way of text to the full screen, and it makes text safe: what
// could be obeyed by a terminal is spelled out (core/text.h), wide characters
// take two cells or none, combining ones are kept to two for each cell, and
// nothing is drawn outside of its canvas. So text from hosts can be given as it is.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "console/tui/screen/style.h"

namespace dragnet::console::tui {

struct Rect {
  int x = 0;
  int y = 0;
  int width = 0;
  int height = 0;

  friend bool operator==(const Rect&, const Rect&) = default;
};

struct Point {
  int x = 0;
  int y = 0;
};

struct GridCell {
  static constexpr int kMostCombining = 2;
  // 0: the right half of a wide character.
  char32_t character = U' ';
  char32_t combining[kMostCombining] = {0, 0};
  Style style;

  friend bool operator==(const GridCell&, const GridCell&) = default;
};

class Surface {
 public:
  Surface(int width, int height);

  int width() const { return width_; }
  int height() const { return height_; }
  const GridCell& At(int x, int y) const { return cells_[Index(x, y)]; }
  void Clear();

  // For tests and screen dumps: a line each, without spaces at the end.
  std::string ToText() const;

 private:
  friend class Canvas;
  size_t Index(int x, int y) const {
    return static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(x);
  }
  // A cell that was half of a wide character leaves no other half behind.
  void Set(int x, int y, const GridCell& cell);

  int width_;
  int height_;
  std::vector<GridCell> cells_;
};

// A part of a surface with its own origin. Cheap to copy; must not outlive the surface.
class Canvas {
 public:
  explicit Canvas(Surface* surface)
      : surface_(surface), rect_{0, 0, surface->width(), surface->height()} {}

  int width() const { return rect_.width; }
  int height() const { return rect_.height; }

  // Cut to what is here; empty when nothing is.
  Canvas Part(Rect rect) const;
  // The first `rows` rows, and what is below them.
  Canvas Top(int rows) const { return Part({0, 0, width(), rows}); }
  Canvas Below(int rows) const { return Part({0, rows, width(), height() - rows}); }
  Canvas Bottom(int rows) const { return Part({0, height() - rows, width(), rows}); }
  Canvas Above(int rows_from_bottom) const {
    return Part({0, 0, width(), height() - rows_from_bottom});
  }

  // Draws `text` from (x, y) on, at most `max_width` columns (and never outside);
  // if it doesn't fit, its last column is "…". Gives the columns that were taken.
  int Put(int x, int y, std::string_view text, Style style = kNormal,
          int max_width = 1 << 20) const;
  // Ends at column x + width.
  void PutRight(int x, int y, int width, std::string_view text, Style style = kNormal) const;
  void Fill(Style style, char32_t character = U' ') const;
  // A whole row: `text` and blanks in its style.
  void PutLine(int y, std::string_view text, Style style = kNormal) const;
  // A frame of lines around the canvas, with a title.
  void Frame(std::string_view title, Style style = kNormal) const;
  // What is inside of a frame.
  Canvas Inside() const { return Part({1, 1, width() - 2, height() - 2}); }
  // Where this canvas's (x, y) is on the surface.
  Point OnSurface(Point point) const { return {rect_.x + point.x, rect_.y + point.y}; }

 private:
  Canvas(Surface* surface, Rect rect) : surface_(surface), rect_(rect) {}

  Surface* surface_;
  Rect rect_;
};

// Columns that `raw` takes when it is drawn.
int WidthOnScreen(std::string_view raw);

}  // namespace dragnet::console::tui
