// What RowsPane does with one row or one column: sorting by it, showing it whole.
#include <utility>

#include "console/form/describe.h"
#include "console/tui/views/reading_view.h"
#include "console/tui/views/rows_pane.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {

void RowsPane::ChooseSort() {
  std::vector<std::string> names = {"(as they came)", "agent"};
  size_t now = 0;
  if (list_->order().has_value()) now = sorted_column_.has_value() ? 0 : 1;
  for (const size_t column : shown_) {
    if (list_->order().has_value() && sorted_column_ == column) now = names.size();
    names.push_back(cells_->columns()[column].header);
  }
  chooser_ =
      std::make_unique<ColumnChooser>("sort by", std::move(names), std::vector<size_t>{now}, 1);
  choosing_ = Choosing::kSort;
}

void RowsPane::ChooseValue() {
  if (!SelectedRow().has_value()) return;
  std::vector<std::string> names = {"agent"};
  for (const Column& column : cells_->columns()) names.push_back(column.header);
  chooser_ = std::make_unique<ColumnChooser>("show the whole value of", std::move(names),
                                             std::vector<size_t>{}, 1);
  choosing_ = Choosing::kValue;
}

bool RowsPane::OnChooserKey(const Key& key) {
  const ColumnChooser::Outcome outcome = chooser_->OnKey(key);
  if (outcome == ColumnChooser::Outcome::kOpen) return true;
  const Choosing what = std::exchange(choosing_, Choosing::kNothing);
  if (outcome == ColumnChooser::Outcome::kCancelled) return true;
  const size_t chosen = chooser_->chosen().front();
  if (what == Choosing::kValue) {
    ShowValue(chosen);
    return true;
  }
  if (chosen == 0) {
    list_->SetOrder(std::nullopt);
  } else {
    std::optional<size_t> column;
    if (chosen >= kFront) column = shown_[chosen - kFront];
    if (list_->order().has_value() && sorted_column_ == column) {
      list_->Reverse();
    } else {
      sorted_column_ = column;
      std::optional<Column> by;
      if (column.has_value()) by = cells_->columns()[*column];
      list_->SetOrder(RowList::Order{std::move(by), false});
    }
  }
  Arrange();
  return true;
}

void RowsPane::ShowValue(size_t column) {
  const auto row = SelectedRow();
  if (!row.has_value()) return;
  RowParser parser(context_.results, context_.operation, *context_.module);
  if (const absl::Status status = parser.Read(*row); !status.ok())
    return context_.shell.SayError(status);
  const bool agent = column == 0;
  const std::string title = agent ? "agent" : cells_->columns()[column - 1].header;
  context_.shell.Push(NewReadingView(
      context_.shell, title,
      agent ? StrCat(ForTerminal(parser.agent_name()), "\n", ForTerminal(parser.agent_id()))
            : CellOf(parser.message(), cells_->columns()[column - 1], CellStyle::kTable).text));
}

void RowsPane::ShowRow() {
  const auto row = SelectedRow();
  if (!row.has_value()) return;
  RowParser parser(context_.results, context_.operation, *context_.module);
  if (const absl::Status status = parser.Read(*row); !status.ok())
    return context_.shell.SayError(status);
  std::string text =
      StrCat("Agent   ", ForTerminal(parser.agent_name()), "\nId      ",
             ForTerminal(parser.agent_id()), "\nRow     ", WithCommas(uint64_t{*row} + 1),
             ", as they came; ", WithCommas(parser.bytes().size()), " bytes\n\n");
  if (parser.readable()) {
    text.append(DescribeMessage(parser.message(), 0));
  } else {
    StrAppend(&text, "Not a row of module ", context_.module->manifest().name, "; in hex:\n",
              HexEncode(parser.bytes()), "\n");
  }
  context_.shell.Push(NewReadingView(
      context_.shell, StrCat("Row of ", parser.agent_name()), std::move(text),
      {{U'a', "Agent",
        [&shell = context_.shell, id = parser.agent_id()] { shell.OpenAgent(id); }}}));
}

}  // namespace dragnet::console::tui
