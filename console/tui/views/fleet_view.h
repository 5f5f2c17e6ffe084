// The Fleet screen: all agents, or those that a target expression selects. On the
// loop's thread only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "console/tui/shell.h"
#include "console/tui/view.h"
#include "console/tui/views/agent_pages.h"
#include "console/tui/views/ages.h"
#include "console/tui/views/fleet_model.h"
#include "console/tui/views/target_field.h"
#include "console/tui/widgets/table_view.h"

namespace dragnet::console::tui {

class FleetView : public View {
 public:
  explicit FleetView(Shell& shell);

  std::string Title() const override;
  void Draw(const Canvas& canvas) override;
  bool OnKey(const Key& key) override;
  std::optional<Point> Cursor() const override;
  bool TakesText() const override { return typing_; }
  std::vector<KeyHint> Keys() const override;
  std::string Help() const override;
  void OnShown() override;
  void OnHidden() override;

 private:
  // ---- what is listed
  void List(const std::string& expression);
  void FetchIfStale();
  void OnRows(std::vector<FleetRow> rows, uint64_t total);
  void Sort(FleetColumn column, bool descending);
  bool AnyoneBehind() const;

  // ---- the filter
  void StartTyping();
  void StopTyping(bool take);
  bool OnTypingKey(const Key& key);
  void Filter(const std::string& typed);

  // ---- drawing
  void DrawCounts(const Canvas& canvas) const;
  void DrawTable(const Canvas& canvas);
  void ChooseColumns(int width);
  TableCell CellAt(size_t row, size_t column) const;
  void NextColumn();

  Shell& shell_;
  AgentPages pages_;
  FleetModel model_;
  TableView table_;
  // Of the table, from left to right.
  std::vector<FleetColumn> columns_;
  // As committed, and the expression that is listed now: another one while typing.
  std::string filter_;
  std::string listed_;
  bool loaded_ = false;
  uint64_t total_ = 0;
  // Of the whole fleet; 0: not known yet.
  uint64_t fleet_total_ = 0;
  absl::Status problem_;
  bool stale_ = true;
  bool shown_ = false;
  bool waiting_ = false;
  absl::Time fetched_at_ = absl::InfinitePast();
  TargetField field_;
  bool typing_ = false;
  Ticker ticker_;
  Lifetime lifetime_;
};

}  // namespace dragnet::console::tui
