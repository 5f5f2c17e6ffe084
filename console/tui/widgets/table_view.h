// A table of any length of which only what is seen is asked for: a million rows
// cost nothing here. Selection, scrolling both ways, a scroll bar. Not thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "console/tui/screen/key.h"
#include "console/tui/screen/surface.h"

namespace dragnet::console::tui {

struct TableColumn {
  std::string title;
  // Columns of the screen; what is left is shared by `weight`, and where there is
  // too little the table scrolls sideways.
  int width = 10;
  int weight = 0;
  bool right_aligned = false;
  // It has no text: a drawer fills its cells (set_drawer).
  bool drawn = false;
};

struct TableCell {
  // Raw text.
  std::string text;
  Style style = kNormal;
};

class TableView {
 public:
  // `cell` is asked for what is drawn; row < count.
  using CellSource = std::function<TableCell(size_t row, size_t column)>;

  void SetColumns(std::vector<TableColumn> columns) { columns_ = std::move(columns); }
  const std::vector<TableColumn>& columns() const { return columns_; }
  // So many columns stay where they are when the table scrolls sideways.
  void set_fixed(size_t columns) { fixed_ = columns; }
  void set_cells(CellSource cells) { cells_ = std::move(cells); }
  // For columns that are `drawn`: a bar, a spark line. `cell` is one row high.
  using CellDrawer = std::function<void(size_t row, size_t column, const Canvas& cell)>;
  void set_drawer(CellDrawer drawer) { drawer_ = std::move(drawer); }
  // Keeps the selection inside. A table whose end is selected stays at its end
  // when it grows, if `follow` was set.
  void SetCount(size_t count);
  size_t count() const { return count_; }
  void set_follow(bool follow) { follow_ = follow; }

  size_t selected() const { return selected_; }
  void Select(size_t row);
  // Column by which rows are sorted, shown in the header; -1: none.
  void SetSorted(int column, bool descending) {
    sorted_ = column;
    descending_ = descending;
  }

  // Header and rows.
  void Draw(const Canvas& canvas);
  // Arrows, Page Up/Down, Home, End, j, k, g, G, h, l, wheel and click. False:
  // not a key of a table.
  bool OnKey(const Key& key);

 private:
  // Columns that are drawn, from left to right.
  std::vector<size_t> Shown() const;
  // Of those, parallel.
  std::vector<int> Widths(const std::vector<size_t>& shown, int room) const;
  void Move(std::ptrdiff_t by);
  void Scroll(int columns);

  std::vector<TableColumn> columns_;
  CellSource cells_;
  CellDrawer drawer_;
  size_t count_ = 0;
  size_t selected_ = 0;
  size_t top_ = 0;
  size_t fixed_ = 0;
  // Columns behind the fixed ones that are scrolled away.
  int left_column_ = 0;
  bool follow_ = false;
  int sorted_ = -1;
  bool descending_ = false;
  // As drawn last.
  int page_ = 1;
  Point drawn_at_;
};

}  // namespace dragnet::console::tui
