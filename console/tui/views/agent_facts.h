// What is known of one agent, in groups, as its page shows it. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "console/tui/widgets/fact_list.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::tui {

// What someone should look at, one line each: a duplicate identity, a clock that
// is off, an old policy, missing walls. `newest_policy` 0: not known.
std::vector<std::string> AgentWarnings(const v1::AgentInfo& info, uint64_t newest_policy);

// "connected now", "for 2 h: since 14:03:09".
std::string StateWords(const v1::AgentInfo& info, absl::Time now);

std::vector<Fact> AgentFacts(const v1::AgentInfo& info, uint64_t newest_policy, absl::Time now);

}  // namespace dragnet::console::tui
