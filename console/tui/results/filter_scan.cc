#include "console/tui/results/filter_scan.h"

#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr uint32_t kRowsBetweenLooks = 64;

}  // namespace

absl::StatusOr<std::unique_ptr<FilterScan>> FilterScan::Create(
    std::shared_ptr<const ResultSet> results, uint32_t operation, const Module& module,
    std::string_view expression) {
  RowParser parser(std::move(results), operation, module);
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<RowFilter> filter,
                           RowFilter::Create(parser.type(), expression));
  return std::unique_ptr<FilterScan>(new FilterScan(std::move(filter), std::move(parser)));
}

absl::StatusOr<FilterScan::Step> FilterScan::Run(uint32_t from, uint32_t until,
                                                 absl::Duration budget) {
  const absl::Time end = SteadyNow() + budget;
  Step step;
  for (step.next = from; step.next < until; ++step.next) {
    if ((step.next - from) % kRowsBetweenLooks == kRowsBetweenLooks - 1 && SteadyNow() >= end)
      break;
    DRAGNET_RETURN_IF_ERROR(parser_.Read(step.next));
    if (!parser_.readable()) {
      if (step.failed++ == 0) step.failure = "not a row of this module";
      continue;
    }
    const absl::StatusOr<bool> matches =
        filter_->Matches(parser_.agent_name(), parser_.agent_id(), parser_.message());
    if (!matches.ok()) {
      if (step.failed++ == 0) step.failure = std::string(matches.status().message());
    } else if (*matches) {
      step.matches.push_back(step.next);
      step.agents.push_back(parser_.agent());
    }
  }
  return step;
}

}  // namespace dragnet::console::tui
