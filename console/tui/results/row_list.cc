#include "console/tui/results/row_list.h"

#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

// Short, so that what is found shows soon and what is no longer wanted ends soon.
constexpr absl::Duration kScanBudget = absl::Milliseconds(40);
constexpr size_t kRowsToSort = 8192;
// While rows keep coming a new order is made so often: it takes at most this part
// of the time.
constexpr absl::Duration kLeastPause = absl::Milliseconds(500);
constexpr int kPauseShare = 5;

std::string Percent(uint64_t done, uint64_t all) {
  return StrCat(all == 0 ? 100 : done * 100 / all, " %");
}

}  // namespace

// One order that was asked for. Another one is another object: what still runs for
// this one finds itself abandoned.
struct RowList::Sort {
  std::unique_ptr<RowSorter> sorter;
  std::atomic<bool> cancelled = false;
  // Something of it runs in the background.
  bool busy = false;
  // Of the source: how many the sorter has, and how many `order` has.
  size_t added = 0;
  bool shown = false;
  std::vector<uint32_t> order;
  absl::Time merge_again_at = absl::InfinitePast();  // steady
  bool timer = false;
};

RowList::RowList(EventLoop& loop, Background& background, std::shared_ptr<const ResultSet> results,
                 uint32_t operation, const Module& module, std::function<void()> on_change)
    : loop_(loop),
      background_(background),
      results_(std::move(results)),
      operation_(operation),
      module_(module),
      on_change_(std::move(on_change)) {}

RowList::~RowList() {
  if (sort_ != nullptr) sort_->cancelled.store(true);
}

void RowList::Update() {
  total_ = results_->rows[operation_]->size();
  ScanOn();
  SortOn();
}

// ---- what is shown

bool RowList::ShowsSorted() const { return sort_ != nullptr && sort_->shown; }

size_t RowList::size() const {
  if (only_marked_) return shown_marks_.size();
  return ShowsSorted() ? sort_->order.size() : source_size();
}

uint32_t RowList::At(size_t index) const {
  if (only_marked_) return shown_marks_[index];
  if (!ShowsSorted()) return Source(index);
  return order_->descending ? sort_->order[sort_->order.size() - 1 - index] : sort_->order[index];
}

std::optional<size_t> RowList::IndexOf(uint32_t row) const {
  if (!only_marked_ && ShowsSorted()) {
    const auto found = std::find(sort_->order.begin(), sort_->order.end(), row);
    if (found == sort_->order.end()) return std::nullopt;
    const auto index = static_cast<size_t>(found - sort_->order.begin());
    return order_->descending ? sort_->order.size() - 1 - index : index;
  }
  const size_t index = IndexNear(row);
  if (index >= size() || At(index) != row) return std::nullopt;
  return index;
}

size_t RowList::IndexNear(uint32_t row) const {
  const auto in = [&](const std::vector<uint32_t>& rows) {
    return static_cast<size_t>(std::lower_bound(rows.begin(), rows.end(), row) - rows.begin());
  };
  if (only_marked_) return in(shown_marks_);
  return scan_ == nullptr ? row : in(matches_);
}

// ---- filter

absl::Status RowList::SetFilter(const std::string& expression) {
  std::shared_ptr<FilterScan> scan;
  if (!expression.empty()) {
    absl::StatusOr<std::unique_ptr<FilterScan>> made =
        FilterScan::Create(results_, operation_, module_, expression);
    if (!made.ok()) return made.status();
    scan = *std::move(made);
  }
  expression_ = expression;
  scan_ = std::move(scan);
  scanning_ = false;
  looked_at_ = 0;
  std::vector<uint32_t>().swap(matches_);
  failed_ = 0;
  failure_.clear();
  Restart();
  return absl::OkStatus();
}

std::string RowList::Failures() const {
  if (failed_ == 0) return "";
  return StrCat(failed_, failed_ == 1 ? " row" : " rows", " could not be asked: ", failure_);
}

void RowList::ScanOn() {
  if (scan_ == nullptr || scanning_ || looked_at_ >= total_ || !problem_.ok()) return;
  scanning_ = true;
  background_.Run(
      lifetime_.token(),
      [scan = scan_, from = looked_at_, until = total_] {
        return scan->Run(from, until, kScanBudget);
      },
      // The pointer is held, so that no later scan has the same.
      [this, scan = scan_](absl::StatusOr<FilterScan::Step> step) {
        if (scan != scan_) return;
        scanning_ = false;
        if (!step.ok()) return Fail(step.status());
        looked_at_ = step->next;
        matches_.insert(matches_.end(), step->matches.begin(), step->matches.end());
        if (failed_ == 0) failure_ = step->failure;
        failed_ += step->failed;
        Update();
        on_change_();
      });
}

// ---- order

void RowList::SetOrder(std::optional<Order> order) {
  order_ = std::move(order);
  Restart();
}

void RowList::Reverse() {
  if (order_.has_value()) order_->descending = !order_->descending;
  on_change_();
}

void RowList::Restart() {
  problem_ = absl::OkStatus();
  if (sort_ != nullptr) sort_->cancelled.store(true);
  sort_ = nullptr;
  if (order_.has_value()) {
    sort_ = std::make_shared<Sort>();
    sort_->sorter = std::make_unique<RowSorter>(RowParser(results_, operation_, module_),
                                                order_->column, ScratchDirectory());
  }
  Update();
  on_change_();
}

void RowList::SortOn() {
  if (sort_ == nullptr || sort_->busy || !problem_.ok()) return;
  const size_t all = source_size();
  const bool rest_is_due = SteadyNow() >= sort_->merge_again_at;
  if (sort_->added > sort_->order.size() && sort_->shown && rest_is_due) return Merge();
  if (sort_->added >= all) {
    if (sort_->shown && sort_->added == sort_->order.size()) return;
    // The first order comes when there is nothing more to wait for.
    if (!sort_->shown) {
      if (scan_ == nullptr || looked_at_ >= total_) Merge();
      return;
    }
    if (sort_->timer) return;
    sort_->timer = true;
    loop_.After(sort_->merge_again_at - SteadyNow(), lifetime_.token(), [this, sort = sort_] {
      sort->timer = false;
      if (sort == sort_) SortOn();
    });
    return;
  }
  std::vector<uint32_t> rows;
  for (size_t i = sort_->added; i < all && rows.size() < kRowsToSort; ++i)
    rows.push_back(Source(i));
  sort_->busy = true;
  const size_t count = rows.size();
  background_.Run(
      lifetime_.token(),
      [sort = sort_, rows = std::move(rows)] {
        return sort->cancelled.load() ? absl::CancelledError("no longer wanted")
                                      : sort->sorter->Add(rows);
      },
      [this, sort = sort_, count](absl::Status status) {
        if (sort != sort_) return;
        sort->busy = false;
        if (!status.ok()) return Fail(status);
        sort->added += count;
        SortOn();
        on_change_();
      });
}

void RowList::Merge() {
  sort_->busy = true;
  const absl::Time begin = SteadyNow();
  background_.Run(
      lifetime_.token(), [sort = sort_] { return sort->sorter->Sorted(sort->cancelled); },
      [this, sort = sort_, begin](absl::StatusOr<std::vector<uint32_t>> order) {
        if (sort != sort_) return;
        sort->busy = false;
        if (!order.ok()) return Fail(order.status());
        sort->order = *std::move(order);
        sort->shown = true;
        const absl::Time now = SteadyNow();
        sort->merge_again_at = now + std::max(kPauseShare * (now - begin), kLeastPause);
        SortOn();
        on_change_();
      });
}

// ---- marks

void RowList::ToggleMark(uint32_t row) {
  if (!marks_.erase(row)) marks_.insert(row);
  if (only_marked_ && marks_.empty()) only_marked_ = false;
  shown_marks_.assign(marks_.begin(), marks_.end());
  on_change_();
}

void RowList::ShowOnlyMarked(bool only) {
  only_marked_ = only && !marks_.empty();
  on_change_();
}

// ---- state

std::string RowList::Working() const {
  if (!problem_.ok()) return "";
  if (scan_ != nullptr && looked_at_ < total_)
    return StrCat("filtering ", Percent(looked_at_, total_));
  if (sort_ != nullptr && sort_->order.size() < source_size())
    return StrCat("sorting ", Percent(sort_->added, source_size()));
  return "";
}

void RowList::Fail(const absl::Status& status) {
  problem_ = status;
  on_change_();
}

}  // namespace dragnet::console::tui
