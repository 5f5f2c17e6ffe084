// One agent's page: its facts, what it was asked lately, what it refused. On the
// loop's thread only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "console/tui/shell.h"
#include "console/tui/view.h"
#include "console/tui/views/ages.h"
#include "console/tui/widgets/fact_list.h"
#include "console/tui/widgets/table_view.h"

namespace dragnet::console::tui {

class AgentView : public View {
 public:
  AgentView(Shell& shell, std::string agent_id);

  std::string Title() const override;
  void Draw(const Canvas& canvas) override;
  bool OnKey(const Key& key) override;
  std::vector<KeyHint> Keys() const override;
  std::string Help() const override;
  void OnShown() override;
  void OnHidden() override;

 private:
  enum class Section { kFacts, kActions, kRefusals };
  static constexpr int kSections = 3;

  // Everything of one look at it. A part that couldn't be had says why.
  struct Page {
    absl::StatusOr<v1::AgentInfo> agent = absl::UnknownError("");
    absl::StatusOr<v1::ListAgentActionsResponse> actions = absl::UnknownError("");
    absl::StatusOr<v1::ListRefusalsResponse> refusals = absl::UnknownError("");
  };
  static Page FetchPage(Client& client, const std::string& agent_id);
  void FetchIfStale();
  void OnPage(Page page);

  uint64_t NewestPolicy() const;
  std::string SectionName(Section section) const;
  void DrawHead(const Canvas& canvas) const;
  void DrawTabs(const Canvas& canvas) const;
  void DrawSection(const Canvas& canvas, Section section);
  void DrawTable(const Canvas& canvas, TableView& table, const absl::Status& status,
                 std::string_view none);
  void DrawDetail(const Canvas& canvas) const;
  TableCell ActionCell(size_t row, size_t column) const;
  TableCell RefusalCell(size_t row, size_t column) const;
  void OpenSelected();
  void Turn(int by);

  Shell& shell_;
  const std::string agent_id_;
  Section section_ = Section::kFacts;
  FactList facts_;
  TableView actions_table_;
  TableView refusals_table_;

  // The last good look at it; `problem_` is why there is no newer one.
  std::optional<v1::AgentInfo> agent_;
  absl::Status problem_;
  absl::StatusOr<v1::ListAgentActionsResponse> actions_;
  absl::StatusOr<v1::ListRefusalsResponse> refusals_;

  bool shown_ = false;
  bool stale_ = true;
  bool fetching_ = false;
  bool waiting_ = false;
  absl::Time fetched_at_ = absl::InfinitePast();
  Ticker ticker_;
  Lifetime lifetime_;
};

}  // namespace dragnet::console::tui
