// The Rows of one operation: live, filtered, sorted, searched, marked, written to
// files. On the loop's thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "console/tui/results/row_cells.h"
#include "console/tui/results/row_list.h"
#include "console/tui/views/action_pane.h"
#include "console/tui/views/column_chooser.h"
#include "console/tui/widgets/table_view.h"
#include "console/tui/widgets/text_input.h"

namespace dragnet::console::tui {

class RowsPane : public ActionPane {
 public:
  explicit RowsPane(ActionContext& context);

  std::string Name() const override;
  void Draw(const Canvas& canvas) override;
  bool OnKey(const Key& key) override;
  std::optional<Point> Cursor() const override;
  bool TakesText() const override { return typing_ != Typing::kNothing; }
  bool Busy() const override { return TakesText() || choosing_ != Choosing::kNothing; }
  std::vector<KeyHint> Keys() const override;
  std::string Help() const override;
  void OnNews() override;
  void OnShown() override { OnNews(); }
  void OnOperation() override;

  // An error is said, and the old filter stays.
  void SetFilter(const std::string& expression);

 private:
  // Columns of the table in front of those of the row: the mark and the agent.
  static constexpr size_t kFront = 2;

  enum class Typing { kNothing, kFilter, kSearch };
  enum class Choosing { kNothing, kSort, kValue };

  void OnListChange();
  void Arrange();
  void Widen();
  TableCell CellAt(size_t row, size_t column);
  void DrawStatus(const Canvas& canvas);
  void DrawFilter(const Canvas& canvas);
  std::string StatusText() const;
  bool OnTypingKey(const Key& key);
  void OnFilterTyped();
  bool OnChooserKey(const Key& key);
  void ChooseSort();
  void ChooseValue();
  void KeepSelection();
  std::optional<uint32_t> SelectedRow() const;
  void ShowRow();
  void ShowValue(size_t column);
  void Search(bool backwards);
  void SearchOn();
  void AskForFile();
  void Export(const std::string& path);
  void ExportOn();

  ActionContext& context_;
  std::unique_ptr<RowCells> cells_;
  std::unique_ptr<RowList> list_;
  TableView table_;
  // Index into cells_->columns(), of what the table has behind mark and agent.
  std::vector<size_t> shown_;
  bool with_details_ = false;
  // Of what was drawn, by column of the table: columns grow to it.
  std::vector<int> widest_;
  // What the keys are on; the table's index of it changes.
  std::optional<uint32_t> selected_;
  bool follow_ = false;

  Typing typing_ = Typing::kNothing;
  TextInput filter_input_;
  TextInput search_input_;
  // Of what is typed; the filter before it.
  absl::Status filter_status_;
  std::string filter_before_;
  uint64_t typed_ = 0;

  Choosing choosing_ = Choosing::kNothing;
  std::unique_ptr<ColumnChooser> chooser_;
  std::optional<size_t> sorted_column_;

  struct SearchState;
  std::shared_ptr<SearchState> search_;
  std::string search_words_;
  std::string search_says_;

  struct ExportState;
  std::shared_ptr<ExportState> export_;
  Lifetime lifetime_;
};

}  // namespace dragnet::console::tui
