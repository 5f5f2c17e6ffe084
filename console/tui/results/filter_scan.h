// Finds the rows for which an expression is true (analysis/row_filter.h), some at
// a time, for work in the background. Not thread-safe; may move between threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/tui/results/row_parser.h"
#include "modules/rows/row_filter.h"

namespace dragnet::console::tui {

class FilterScan {
 public:
  // InvalidArgument: the expression.
  static absl::StatusOr<std::unique_ptr<FilterScan>> Create(
      std::shared_ptr<const ResultSet> results, uint32_t operation, const Module& module,
      std::string_view expression);

  struct Step {
    // Rising.
    std::vector<uint32_t> matches;
    // Their agents, parallel.
    std::vector<uint32_t> agents;
    // The first row that wasn't looked at.
    uint32_t next = 0;
    // Rows about which the expression could not be asked, and the first reason.
    uint64_t failed = 0;
    std::string failure;
  };
  // Looks at rows from `from` to before `until`, for about as long as `budget`.
  absl::StatusOr<Step> Run(uint32_t from, uint32_t until, absl::Duration budget);

 private:
  FilterScan(std::unique_ptr<RowFilter> filter, RowParser parser)
      : filter_(std::move(filter)), parser_(std::move(parser)) {}

  const std::unique_ptr<RowFilter> filter_;
  RowParser parser_;
};

}  // namespace dragnet::console::tui
