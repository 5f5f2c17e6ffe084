// The Actions screen: what runs and what ran, newest first. On the loop's thread only.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "console/tui/shell.h"
#include "console/tui/view.h"
#include "console/tui/views/action_list.h"
#include "console/tui/views/action_pages.h"
#include "console/tui/views/ages.h"
#include "console/tui/widgets/table_view.h"
#include "console/tui/widgets/text_input.h"
#include "dragnet/v1/order.pb.h"

namespace dragnet::console::tui {

class ActionsView : public View {
 public:
  explicit ActionsView(Shell& shell);

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
  enum class ActionColumn {
    kTime,
    kSigned,
    kModules,
    kName,
    kPhase,
    kBar,
    kPercent,
    kRows,
    kRate,
    kEnd
  };

  // ---- what is listed
  void OnActivity(const v1::Activity& activity);
  void FetchIfStale();
  void OnNews(absl::StatusOr<ActionNews> news);
  void FetchOlder();
  void Changed();
  std::string SelectedId() const;

  // ---- keys
  bool OnTypingKey(const Key& key);
  void Order(v1::Order::Kind kind);
  void Again();

  // ---- drawing
  void ChooseColumns(int width);
  TableCell CellAt(size_t row, size_t column) const;
  void DrawState(const Canvas& canvas) const;

  Shell& shell_;
  ActionList list_;
  TableView table_;
  std::vector<ActionColumn> columns_;

  std::shared_ptr<const TrustPolicy> policy_;
  // The policy is another one than what is listed was verified with.
  bool verify_anew_ = false;
  bool page_stale_ = true;
  std::set<std::string> stale_ids_;
  bool loaded_ = false;
  bool fetching_ = false;
  bool fetching_older_ = false;
  bool waiting_ = false;
  bool shown_ = false;
  // Of the page after the last one here; empty: there is none.
  std::string older_token_;
  bool at_end_ = false;
  absl::Status problem_;
  absl::Time fetched_at_ = absl::InfinitePast();
  absl::Duration took_;
  // Owns calls about pages: a new one forgets those that run.
  std::shared_ptr<void> generation_ = std::make_shared<char>();

  TextInput filter_;
  bool typing_ = false;
  Ticker ticker_;
  Lifetime lifetime_;
};

}  // namespace dragnet::console::tui
