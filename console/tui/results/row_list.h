// The rows that are shown, in the order in which they are shown: those that a
// filter lets through, sorted, or only the marked ones. Filtering and sorting run
// in the background, some rows at a time; what is found is there at once, and rows
// that land meanwhile are taken in.
//
//   memory: 4 bytes for each row that a filter lets through, 4 for each that is
//   sorted (8 for a moment, when a new order takes the old one's place)
//
// On the loop's thread only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "console/output/cell.h"
#include "console/tui/loop/background.h"
#include "console/tui/loop/event_loop.h"
#include "console/tui/results/filter_scan.h"
#include "console/tui/results/result_set.h"
#include "console/tui/results/row_sorter.h"

namespace dragnet::console::tui {

class RowList {
 public:
  // `loop` and `background` must outlive it. `on_change`: there is more to show,
  // or it is shown in another order.
  RowList(EventLoop& loop, Background& background, std::shared_ptr<const ResultSet> results,
          uint32_t operation, const Module& module, std::function<void()> on_change);
  ~RowList();
  RowList(const RowList&) = delete;
  RowList& operator=(const RowList&) = delete;

  // Rows may have come.
  void Update();

  // ---- what is shown
  size_t size() const;
  uint32_t At(size_t index) const;
  // Where a row is; nothing when it isn't shown.
  std::optional<size_t> IndexOf(uint32_t row) const;
  // Where a row is or would be, among rows that are not sorted.
  size_t IndexNear(uint32_t row) const;

  // ---- filter
  // InvalidArgument: the expression; the old filter stays. Empty: no filter.
  absl::Status SetFilter(const std::string& expression);
  const std::string& filter() const { return expression_; }
  // Of how many rows it is known whether they match, and how many do.
  uint32_t looked_at() const { return looked_at_; }
  size_t matches() const { return matches_.size(); }
  uint32_t total() const { return total_; }
  // Rows about which the filter could not be asked: "3 rows: …". Empty: none.
  std::string Failures() const;

  // ---- order
  struct Order {
    // Nothing: by the agent's name.
    std::optional<Column> column;
    bool descending = false;
  };
  // Nothing: as they came.
  void SetOrder(std::optional<Order> order);
  void Reverse();
  const std::optional<Order>& order() const { return order_; }

  // ---- marks
  void ToggleMark(uint32_t row);
  bool marked(uint32_t row) const { return marks_.contains(row); }
  size_t marks() const { return marks_.size(); }
  // Only the marked ones are shown, in the order in which they came, whatever the
  // filter.
  void ShowOnlyMarked(bool only);
  bool only_marked() const { return only_marked_; }

  // "filtering 43 %", "sorting 12 %"; empty when all is done.
  std::string Working() const;
  // Why there is no more: the scratch file failed.
  const absl::Status& problem() const { return problem_; }

 private:
  struct Sort;

  size_t source_size() const { return scan_ == nullptr ? total_ : matches_.size(); }
  uint32_t Source(size_t index) const {
    return scan_ == nullptr ? static_cast<uint32_t>(index) : matches_[index];
  }
  bool ShowsSorted() const;
  void ScanOn();
  void SortOn();
  void Merge();
  void Restart();
  void Fail(const absl::Status& status);

  EventLoop& loop_;
  Background& background_;
  const std::shared_ptr<const ResultSet> results_;
  const uint32_t operation_;
  const Module& module_;
  const std::function<void()> on_change_;
  uint32_t total_ = 0;

  std::string expression_;
  // Shared with the work in the background, which nothing else touches it then.
  std::shared_ptr<FilterScan> scan_;
  bool scanning_ = false;
  uint32_t looked_at_ = 0;
  std::vector<uint32_t> matches_;
  uint64_t failed_ = 0;
  std::string failure_;

  std::optional<Order> order_;
  std::shared_ptr<Sort> sort_;

  std::set<uint32_t> marks_;
  std::vector<uint32_t> shown_marks_;
  bool only_marked_ = false;
  absl::Status problem_;
  Lifetime lifetime_;
};

}  // namespace dragnet::console::tui
