#include "agent/monitor/operation_run.h"

#include "core/text.h"

namespace dragnet {
namespace {

constexpr size_t kMaxDetailBytes = 1024;

}  // namespace

v1::OperationSummary NotRun(v1::Termination termination, std::string_view detail) {
  v1::OperationSummary summary;
  summary.set_outcome(v1::OUTCOME_INCOMPLETE);
  summary.set_termination(termination);
  summary.set_detail(Shorten(ToValidUtf8(detail), kMaxDetailBytes));
  return summary;
}

}  // namespace dragnet
