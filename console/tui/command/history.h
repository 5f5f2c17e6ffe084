// Commands typed earlier, in a file that all consoles of a person share.
// Thread-safe: no state. May block on the disk.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::console::tui {

inline constexpr size_t kMaxHistory = 1000;

// Oldest first; empty if there is no such file.
absl::StatusOr<std::vector<std::string>> LoadHistory(const std::string& directory);

// Adds `line` at the end, or moves it there, of what the file has by now, and gives
// that. The file is read and written by its owner only.
absl::StatusOr<std::vector<std::string>> AddToHistory(const std::string& directory,
                                                      std::string_view line);

}  // namespace dragnet::console::tui
