// This program's command line as data, for its help, its manual pages and its shells'
// completion. Thread-safe: no state.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "console/cli/command.h"
#include "console/cli/help.h"
#include "core/manual/program.h"

namespace dragnet::console {

inline constexpr std::string_view kProgramSummary = "ask every host of a fleet, now";
inline constexpr std::string_view kConfigHelp =
    "Configuration (default: $DRAGNET_CONFIG, else ~/.config/dragnet/console.toml).";
inline constexpr std::string_view kVersionHelp = "Print the version.";
inline constexpr std::string_view kHelpHelp = "This, or the flags of a command.";
inline constexpr std::string_view kHelpCommandHelp =
    "Everything about one command or module: dragnet help file";

std::string_view GroupTitle(CommandGroup group);
std::vector<HelpEntry> ExitStatuses();

// Every command that isn't hidden.
absl::StatusOr<manual::Program> DescribeProgram(const ModuleCatalog& modules);

}  // namespace dragnet::console
