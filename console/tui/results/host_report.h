// One host's answer to an action, whole, as a text. Thread-safe: no state.
#pragma once

#include <string>

#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::tui {

// What became of it, and for each operation: rows, what was examined, what was not
// and why with the examples, time, memory, limits. Safe to show.
std::string HostReport(const v1::Action& action, const v1::AgentState& state);

}  // namespace dragnet::console::tui
