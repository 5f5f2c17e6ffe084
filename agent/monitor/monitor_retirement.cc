// What the monitor does about an action with the module `retire`: from its mark on
// nothing else runs, the answer goes to the scheduler, and when it has arrived the host
// is retired. docs/retirement.md says what a kill at each moment leaves.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "agent/monitor/log.h"
#include "agent/monitor/monitor.h"
#include "core/action.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/uuid.h"

namespace dragnet {
namespace {

using retire::v1::RetireParameters;
using retire::v1::RetireRow;

constexpr int kMaxAgents = 1000;
// A scheduler that can't be reached doesn't keep a key on a disk for ever: who retires a
// host may be about to give it away.
constexpr absl::Duration kLongestWait = absl::Hours(7 * 24);
// What else waits to be told, as the ends of what ran, has so long after the answer.
constexpr absl::Duration kForTheRest = absl::Seconds(30);

absl::StatusOr<RetireParameters> ParseParameters(const v1::Operation& operation) {
  RetireParameters parameters;
  DRAGNET_RETURN_IF_ERROR(
      Annotate(ParseStrict(operation.parameters(), kMaxParameterBytes, &parameters), "parameters"));
  const auto& ids = parameters.agent_ids();
  if (ids.empty() || ids.size() > kMaxAgents || !std::all_of(ids.begin(), ids.end(), IsUuid)) {
    return absl::InvalidArgumentError(
        StrCat("agent_ids: must be 1 to ", kMaxAgents, " ids of agents"));
  }
  return parameters;
}

}  // namespace

bool Monitor::Retires(const ActionRun& run) {
  return run.next_operation < run.action.operations_size() &&
         run.action.operations(run.next_operation).module() == kRetireModule;
}

absl::Status Monitor::CheckRetirement(const ActionRun& run) const {
  const v1::Operation& operation = run.action.operations(run.next_operation);
  DRAGNET_ASSIGN_OR_RETURN(const RetireParameters parameters, ParseParameters(operation));
  if (run.action.has_recurrence() || !operation.blobs().empty()) {
    return absl::InvalidArgumentError("a host is retired once, and by no blob");
  }
  const auto& ids = parameters.agent_ids();
  if (std::find(ids.begin(), ids.end(), environment_.facts.id()) == ids.end()) {
    return absl::FailedPreconditionError(
        StrCat("this agent (", environment_.facts.id(),
               ") is not among the ids that the action names; nothing was done"));
  }
  return absl::OkStatus();
}

void Monitor::Retire(ActionRun& run) {
  if (const absl::Status fits = CheckRetirement(run); !fits.ok()) {
    LogWarning(StrCat("action ", run.action.id(), " retires this host not: ", fits.message()));
    return EndOperation(run,
                        NotRun(absl::IsInvalidArgument(fits) ? v1::TERMINATION_INVALID_PARAMETERS
                                                             : v1::TERMINATION_MODULE_ERROR,
                               ToStd(fits.message())));
  }
  RetirementMark mark;
  mark.at = clock_.Now();
  mark.action_id = run.action.id();
  mark.operation = static_cast<uint32_t>(run.next_operation);
  mark.reason = run.action.description();
  const auto decision = AuthorizeAction(run.envelope, Authorization());
  if (const auto* authorized = std::get_if<AuthorizedAction>(&decision)) {
    mark.by = absl::StrJoin(authorized->signers, ", ");
  }
  // First, and durable: from here on it is gone through with.
  if (const absl::Status begun = BeginRetirement(environment_.config.state_directory, mark);
      !begun.ok()) {
    return EndOperation(run, NotRun(v1::TERMINATION_NOT_STARTED,
                                    StrCat("nothing was destroyed: ", begun.message())));
  }
  retiring_ = std::move(mark);
  LogWarning(StrCat("this host is being retired, by ", retiring_->by));
  TellRetirement(run);
}

// Rows and summary become durable together: what was told in part would be told twice.
void Monitor::TellRetirement(ActionRun& run) {
  const absl::Time started = clock_.Now();
  const absl::Time started_steady = SteadyNow();
  int failed = 0;
  v1::OperationSummary summary;
  v1::Rows rows;
  const std::vector<RetireRow> things = DestroyBelongings(PlacesOf(environment_.config));
  for (const RetireRow& thing : things) {
    if (thing.outcome() == "failed") {
      ++failed;
      LogWarning(StrCat("not destroyed: ", thing.detail()));
    }
    rows.add_rows(thing.SerializeAsString());
  }
  summary.set_outcome(v1::OUTCOME_FOUND);
  summary.set_termination(v1::TERMINATION_COMPLETED);
  if (failed > 0) summary.set_detail(StrCat("retired, but ", failed, " could not be destroyed"));
  summary.set_rows(things.size());
  summary.mutable_module()->set_items_examined(things.size());
  *summary.mutable_started() = ToTimestamp(started);
  *summary.mutable_wall_time() = ToProtoDuration(SteadyNow() - started_steady);
  AddRecord(run).mutable_rows()->Swap(&rows);
  EndOperation(run, summary);
}

bool Monitor::RetirementIsUntold() {
  // It revokes the identity when it has the answer: that may come before the
  // acknowledgement.
  if (refused_ || clock_.Now() >= retiring_->at + kLongestWait) return false;
  for (const auto& run : actions_) {
    if (!run->unwritten.empty() || run->worker != nullptr) return true;
  }
  const absl::StatusOr<bool> waits = store_->HoldsRecordsOf(retiring_->action_id);
  if (!waits.ok() || *waits) return true;
  if (!retirement_told_.has_value()) retirement_told_ = SteadyNow();
  return store_->spooled_bytes() > 0 && SteadyNow() < *retirement_told_ + kForTheRest;
}

void Monitor::AdvanceRetirement() {
  if (!retiring_.has_value() || retired_) return;
  for (auto& run : actions_) EndByOrder(*run, "this host is being retired");
  if (RetirementIsUntold()) return;
  if (const absl::Status status = CompleteRetirement(environment_.config.state_directory);
      !status.ok()) {
    LogWarning(StrCat("the mark of retirement: ", status.message()));
    disk_full_ = true;
    return;
  }
  retired_ = true;
}

}  // namespace dragnet
