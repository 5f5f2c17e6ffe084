// One line per event: to systemd's journal with fields of its own where standard
// error goes there, else on standard error. A burst over the bound is cut, and says
// how much was: what a hostile link or worker causes must not drown the rest. Not
// thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/journal.h"

namespace dragnet {

// From here on lines go to `journal`, if there is one. What it doesn't take goes to
// standard error.
void SetLogJournal(std::optional<Journal> journal);
// This agent's id, the field DRAGNET_AGENT of all lines from here on.
void SetLogAgent(std::string agent_id);

// Text from hosts and networks may be in `message`: it is made safe for terminals.
// `action_id`: of the action that the line is about, the field DRAGNET_ACTION; what
// isn't a UUID becomes none.
void LogInfo(std::string_view message, std::string_view action_id = {});
void LogWarning(std::string_view message, std::string_view action_id = {});

}  // namespace dragnet
