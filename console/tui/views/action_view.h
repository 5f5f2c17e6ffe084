// The screen of one action: its head (phase, who signed, progress), and the panes
// Stacks, Rows, Hosts and Document. Follows the action's stream, through lost
// schedulers, until everything has come. On the loop's thread only.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "console/tui/loop/stream_reader.h"
#include "console/tui/views/action_pace.h"
#include "console/tui/views/action_pane.h"
#include "console/tui/views/ages.h"
#include "console/tui/views/hosts_pane.h"
#include "console/tui/views/rows_pane.h"

namespace dragnet::console::tui {

class ActionView : public View {
 public:
  ActionView(Shell& shell, std::string action_id);

  std::string Title() const override;
  void Draw(const Canvas& canvas) override;
  bool OnKey(const Key& key) override;
  std::optional<Point> Cursor() const override;
  bool TakesText() const override;
  std::vector<KeyHint> Keys() const override;
  std::string Help() const override;
  void OnShown() override;
  void OnHidden() override;

 private:
  static constexpr size_t kPanes = 4;

  // ---- what the scheduler says of it
  void Fetch();
  void OnInfo(absl::StatusOr<v1::ActionInfo> info);
  void Begin();
  void Verify();

  // ---- the stream
  void Follow();
  void OnNews(const std::vector<ResultNews>& news);
  void OnStreamEnd(const absl::Status& status);
  void ReadAgain();
  void TellPanes();

  // ---- panes
  ActionPane& pane() const { return *panes_[static_cast<size_t>(tab_)]; }
  bool begun() const { return context_.results != nullptr; }
  void ShowPane(ActionTab tab);
  void SetOperation(uint32_t operation);
  bool OnViewKey(const Key& key);
  void Tick();

  // ---- the head
  void DrawHead(const Canvas& canvas);
  void DrawSigners(const Canvas& canvas, int x);
  void DrawTabs(const Canvas& canvas);
  std::string CountsLine() const;
  std::string LoadingText() const;

  Shell& shell_;
  const std::string action_id_;
  ActionContext context_;
  std::array<std::unique_ptr<ActionPane>, kPanes> panes_;
  RowsPane* rows_ = nullptr;
  HostsPane* hosts_ = nullptr;
  ActionTab tab_ = ActionTab::kStacks;

  bool fetching_ = false;
  bool fetch_again_ = false;
  // Why there is nothing to show.
  absl::Status info_status_;
  std::shared_ptr<const TrustPolicy> verifying_with_;

  std::unique_ptr<StreamReader<ResultNews>> reader_;
  // All has come.
  bool ended_ = false;
  // Why nothing comes; and whether it is tried again by itself.
  absl::Status stream_status_;
  bool retries_ = false;
  int attempts_ = 0;
  bool telling_ = false;
  bool shown_ = false;

  ActionPace pace_;
  Ticker ticker_;
  Lifetime lifetime_;
};

}  // namespace dragnet::console::tui
