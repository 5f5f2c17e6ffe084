// The Hosts of an action: who found, who did not, who could not look and why. On
// the loop's thread only.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "console/tui/results/filter_scan.h"
#include "console/tui/views/action_pane.h"
#include "console/tui/widgets/table_view.h"
#include "console/tui/widgets/text_input.h"

namespace dragnet::console::tui {

class HostsPane : public ActionPane {
 public:
  explicit HostsPane(ActionContext& context);

  std::string Name() const override;
  void Draw(const Canvas& canvas) override;
  bool OnKey(const Key& key) override;
  std::optional<Point> Cursor() const override;
  bool TakesText() const override { return typing_; }
  std::vector<KeyHint> Keys() const override;
  std::string Help() const override;
  void OnNews() override;
  void OnShown() override {
    visible_ = true;
    Rebuild();
  }
  void OnHidden() override { visible_ = false; }
  void OnOperation() override { ShowAll(); }

  // Only those with a row for which the expression is true.
  void ShowOnlyWith(const std::string& filter);

 private:
  enum class Sort { kName, kState, kRows };
  struct Line {
    uint32_t number;
    std::string name;
    v1::DispatchState state;
    uint64_t rows;
  };

  void ShowAll();
  void ScanOn();
  void Rebuild();
  bool Wanted(v1::DispatchState state) const;
  TableCell CellAt(size_t row, size_t column);
  void DrawStates(const Canvas& canvas);
  void Search(bool backwards);
  void ShowHost(uint32_t number);

  ActionContext& context_;
  TableView table_;
  std::vector<Line> lines_;
  size_t state_ = 0;
  Sort sort_ = Sort::kName;
  bool visible_ = false;
  uint64_t built_for_ = 0;
  absl::Time build_again_at_ = absl::InfinitePast();  // steady
  bool timer_ = false;
  std::optional<uint32_t> selected_;

  bool typing_ = false;
  TextInput input_;
  std::string words_;
  std::string says_;

  // Of ShowOnlyWith.
  std::string with_;
  std::shared_ptr<FilterScan> scan_;
  bool scanning_ = false;
  uint32_t looked_at_ = 0;
  std::set<uint32_t> having_;
  Lifetime lifetime_;
};

}  // namespace dragnet::console::tui
