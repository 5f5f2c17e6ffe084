#include "console/tui/results/row_cells.h"

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {

RowCells::RowCells(std::shared_ptr<const ResultSet> results, uint32_t operation,
                   const Module& module)
    : parser_(std::move(results), operation, module), columns_(ColumnsOf(parser_.type())) {}

const RowCells::Line& RowCells::At(uint32_t row) {
  if (const auto known = places_.find(row); known != places_.end()) {
    lines_.splice(lines_.begin(), lines_, known->second);
    return known->second->second;
  }
  Line line;
  const absl::Status status = parser_.Read(row);
  if (!status.ok()) {
    line.problem = std::string(status.message());
  } else {
    line.agent = parser_.agent_name();
    if (!parser_.readable()) line.problem = "(not a row of this module)";
  }
  if (line.problem.empty()) {
    for (const Column& column : columns_)
      line.cells.push_back(
          Shorten(CellOf(parser_.message(), column, CellStyle::kTable).text, kMostCellBytes));
  }
  if (lines_.size() >= kMostRows) {
    places_.erase(lines_.back().first);
    lines_.pop_back();
  }
  lines_.emplace_front(row, std::move(line));
  places_[row] = lines_.begin();
  return lines_.front().second;
}

}  // namespace dragnet::console::tui
