// One line per event on standard error, where systemd's journal picks it up.
// Thread-safe.
#pragma once

#include <string_view>

namespace dragnet {

// Text from hosts and networks may be in `message`: it is made safe for terminals.
void LogInfo(std::string_view message);
void LogWarning(std::string_view message);

}  // namespace dragnet
