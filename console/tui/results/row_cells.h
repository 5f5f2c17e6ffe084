// The text of rows as a table shows it. Rows may be large: each is read and
// formatted once while it is on the screen, and of each value only its beginning
// is kept. On the loop's thread only.
//
//   memory: kMostRows rows of at most kMostCellBytes for each column
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "console/output/cell.h"
#include "console/tui/results/row_parser.h"

namespace dragnet::console::tui {

class RowCells {
 public:
  static constexpr size_t kMostRows = 256;
  // More than a screen's width.
  static constexpr size_t kMostCellBytes = 600;

  RowCells(std::shared_ptr<const ResultSet> results, uint32_t operation, const Module& module);

  const std::vector<Column>& columns() const { return columns_; }
  struct Line {
    std::string agent;
    // Parallel to columns().
    std::vector<std::string> cells;
    // What the scratch file says, or that it isn't a row; in place of the cells.
    std::string problem;
  };
  // Good until the next call.
  const Line& At(uint32_t row);

 private:
  RowParser parser_;
  const std::vector<Column> columns_;
  // Newest first.
  std::list<std::pair<uint32_t, Line>> lines_;
  std::unordered_map<uint32_t, std::list<std::pair<uint32_t, Line>>::iterator> places_;
};

}  // namespace dragnet::console::tui
