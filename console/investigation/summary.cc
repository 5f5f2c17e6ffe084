#include "console/investigation/summary.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "console/output/cell.h"
#include "console/output/text_width.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr size_t kMostAgentsTold = 20;

std::string TerminationText(const v1::OperationSummary& summary) {
  std::string text;
  switch (summary.termination()) {
    case v1::TERMINATION_COMPLETED:
    case v1::TERMINATION_UNSPECIFIED:
      return "";
    case v1::TERMINATION_CRASHED:
      text = "the module crashed";
      break;
    case v1::TERMINATION_WALL_TIME_LIMIT:
      text = "stopped at the wall time limit";
      break;
    case v1::TERMINATION_CPU_TIME_LIMIT:
      text = "stopped at the CPU time limit";
      break;
    case v1::TERMINATION_MEMORY_LIMIT:
      text = "stopped at the memory limit";
      break;
    case v1::TERMINATION_ROW_LIMIT:
      text = "stopped at the row limit";
      break;
    case v1::TERMINATION_RESULT_SIZE_LIMIT:
      text = "stopped at the result size limit";
      break;
    case v1::TERMINATION_PROTOCOL_VIOLATION:
      text = "the worker wrote rubbish";
      break;
    case v1::TERMINATION_INTERRUPTED:
      text = "interrupted: the agent was stopped or killed meanwhile";
      break;
    case v1::TERMINATION_NOT_STARTED:
      text = "the worker could not be started";
      break;
    case v1::TERMINATION_INVALID_PARAMETERS:
      text = "the module refused its parameters";
      break;
    case v1::TERMINATION_PRIVACY_MODE:
      text = "refused: the host is in privacy mode";
      break;
    case v1::TERMINATION_MODULE_ERROR:
      text = "the module failed";
      break;
    case v1::TERMINATION_CANCELLED:
      // The detail says who, and why.
      if (!summary.detail().empty()) return summary.detail();
      text = "cancelled";
      break;
    default:
      text = StrCat("ended for a reason that this version doesn't know (",
                    static_cast<int>(summary.termination()), ")");
  }
  if (!summary.detail().empty()) StrAppend(&text, ": ", summary.detail());
  return text;
}

std::vector<std::string> ReasonsOf(const v1::OperationSummary& summary) {
  std::vector<std::string> reasons;
  if (std::string text = TerminationText(summary); !text.empty()) reasons.push_back(text);
  for (const v1::Unexamined& unexamined : summary.module().unexamined()) {
    std::string text = StrCat(unexamined.count(), " not looked at: ", unexamined.reason());
    if (unexamined.examples_size() > 0) {
      const bool more = unexamined.count() > static_cast<uint64_t>(unexamined.examples_size());
      StrAppend(&text, " (", absl::StrJoin(unexamined.examples(), ", "), more ? ", …" : "", ")");
    }
    reasons.push_back(std::move(text));
  }
  for (const std::string& limit : summary.module().limits_hit()) {
    reasons.push_back(StrCat("cut short: ", limit));
  }
  return reasons;
}

std::string Counts(const v1::Progress& progress, absl::Duration elapsed) {
  if (progress.targeted() == 0) return "No agent was reached: the target matches none.\n";
  std::vector<std::string> parts;
  const auto add = [&](uint64_t count, std::string_view word) {
    if (count > 0) parts.push_back(StrCat(count, " ", word));
  };
  add(progress.found(), "found");
  add(progress.clean(), "clean");
  add(progress.incomplete(), "incomplete");
  add(progress.refused(), "refused");
  add(progress.running(), "running");
  add(progress.sent(), "sent to, not heard from yet");
  const uint64_t held_back = std::min(progress.held_back(), progress.waiting());
  add(held_back, "held back");
  add(progress.waiting() - held_back, "not reached yet");
  add(progress.never_sent(), "never reached");
  return StrCat(progress.targeted(),
                progress.targeted() == 1 ? " agent: " : " agents: ", absl::StrJoin(parts, ", "),
                "; ", progress.rows(), progress.rows() == 1 ? " row" : " rows",
                elapsed > absl::ZeroDuration()
                    ? absl::StrFormat(" in %.2f s\n", absl::ToDoubleSeconds(elapsed))
                    : "\n");
}

std::string WhatToDo(const v1::Action& action, const v1::Progress& progress) {
  const uint64_t pending = progress.waiting() + progress.sent() + progress.running();
  if (pending == 0) return "";
  const absl::StatusOr<absl::Time> expires = ToTime(action.expires());
  return StrCat(pending, pending == 1 ? " agent has" : " agents have", " not answered yet (",
                progress.offline(), " offline); the action is valid until ",
                expires.ok() ? LocalTime(*expires) : "?", ": dragnet results ", action.id(),
                " --follow\n");
}

}  // namespace

std::string NotLookedAt(const v1::Action& action, const v1::AgentState& state) {
  if (state.has_refusal()) {
    const auto* reason =
        v1::Refusal::Reason_descriptor()->FindValueByNumber(state.refusal().reason());
    return StrCat(reason == nullptr ? StrCat(static_cast<int>(state.refusal().reason()))
                                    : absl::StrReplaceAll(EnumWord(reason), {{"-", " "}}),
                  state.refusal().detail().empty() ? "" : ": ", state.refusal().detail());
  }
  std::vector<std::string> parts;
  for (int i = 0; i < state.summaries_size(); ++i) {
    std::vector<std::string> reasons = ReasonsOf(state.summaries(i));
    if (state.summaries(i).outcome() == v1::OUTCOME_INCOMPLETE && reasons.empty()) {
      reasons.push_back("incomplete, without a reason given");
    }
    if (reasons.empty()) continue;
    const std::string prefix =
        action.operations_size() > 1 ? StrCat("operation ", i + 1, ": ") : "";
    parts.push_back(StrCat(prefix, absl::StrJoin(reasons, "; ")));
  }
  if (!state.detail().empty()) parts.push_back(state.detail());
  return absl::StrJoin(parts, "; ");
}

std::string PhaseWord(v1::DispatchPhase phase) {
  const auto* value = v1::DispatchPhase_descriptor()->FindValueByNumber(phase);
  if (value == nullptr || phase == v1::DISPATCH_PHASE_UNSPECIFIED) return "";
  return EnumWord(value);
}

std::string PhaseNotice(const v1::ActionInfo& info) {
  const std::string& reason = info.phase_reason();
  switch (info.phase()) {
    case v1::DISPATCH_PHASE_CANARY:
      return StrCat("canary: ", reason);
    case v1::DISPATCH_PHASE_PAUSED:
      return StrCat(reason.empty() ? "paused" : reason, " (to go on: dragnet resume ",
                    info.action_id(), ")");
    case v1::DISPATCH_PHASE_STOPPED:
      return StrCat("stopped, it goes to no further agent: ", reason, " (to go on: dragnet resume ",
                    info.action_id(), ")");
    case v1::DISPATCH_PHASE_CANCELLED:
      return reason.empty() ? "cancelled" : reason;
    case v1::DISPATCH_PHASE_PROPOSED:
      return StrCat("waits for signatures (dragnet approve ", info.action_id(), ")");
    case v1::DISPATCH_PHASE_REFUSED:
      return StrCat("never launched: ", reason.empty() ? "refused" : reason);
    default:
      return "";
  }
}

std::string SummaryText(const v1::Action& action, const v1::Progress& progress,
                        const std::vector<v1::AgentState>& states, absl::Duration elapsed) {
  std::string text = Counts(progress, elapsed);
  for (size_t i = 0; i < states.size() && i < kMostAgentsTold; ++i) {
    const bool refused = states[i].state() == v1::DISPATCH_STATE_REFUSED;
    StrAppend(&text, refused ? "refused     " : "incomplete  ", ForTerminal(states[i].agent_name()),
              ": ", ForTerminal(NotLookedAt(action, states[i])), "\n");
  }
  if (states.size() > kMostAgentsTold) {
    StrAppend(&text, "… and ", states.size() - kMostAgentsTold, " more: dragnet results ",
              action.id(), " --hosts all\n");
  }
  return text + WhatToDo(action, progress);
}

}  // namespace dragnet::console
