// How an investigation ended, in words: what was looked at, and above all what
// was not. Text from hosts goes through ForTerminal. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

// Why an agent's answer isn't whole, in one line of raw text: "2 not looked at:
// Permission denied (/root/a, /root/b); stopped at the wall time limit". Empty
// for one that looked at everything.
std::string NotLookedAt(const v1::Action& action, const v1::AgentState& state);

// The kinds of reasons alone, without counts, examples and which operation, so
// that agents can be counted by them: "Permission denied". Raw text.
std::vector<std::string> ReasonWords(const v1::AgentState& state);

// "paused", "open"; empty for one that isn't known.
std::string PhaseWord(v1::DispatchPhase phase);

// What a person who waits must know of it: "paused by ida: lunch", "stopped:
// canary web1 failed (dragnet resume …)". Empty while it simply goes on.
std::string PhaseNotice(const v1::ActionInfo& info);

// A line of counts, then a line for each of `states` (those incomplete and
// refused; the first 20), then what to do about agents that are still to come.
// `elapsed` zero is not shown.
std::string SummaryText(const v1::Action& action, const v1::Progress& progress,
                        const std::vector<v1::AgentState>& states, absl::Duration elapsed);

}  // namespace dragnet::console
