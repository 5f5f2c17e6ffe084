// One line per event on standard error, where systemd's journal picks it up. A
// burst over the bound is cut, and says how much was: what a hostile link or
// worker causes must not drown the rest. Not thread-safe.
#pragma once

#include <string_view>

namespace dragnet {

// Text from hosts and networks may be in `message`: it is made safe for terminals.
void LogInfo(std::string_view message);
void LogWarning(std::string_view message);

}  // namespace dragnet
