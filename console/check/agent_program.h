// The program that does the work, run as a child: bounded in time and in what it may
// print. Not thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/client/config.h"

namespace dragnet::console {

// $DRAGNET_AGENT_PROGRAM (for tests), else dragnet-agent beside this program, in PATH,
// /usr/sbin or /usr/local/sbin. NotFound says where it was looked for.
absl::StatusOr<std::string> FindAgentProgram(const Environment& environment);

// The directory of this program's own file; empty when it isn't known.
std::string OwnDirectory();

struct ProgramRun {
  std::string program;
  std::vector<std::string> arguments;
  // Its standard input.
  std::string_view input;
  absl::Duration timeout;
  // Of one line of its output; with a longer one it is ended.
  size_t max_line;
  size_t max_output;
  // For each line of its standard output, without the line's end.
  std::function<void(std::string_view line)> on_line;
  // Asked several times a second: true ends it.
  std::function<bool()> interrupted;
};

// How it ended, for people: empty when it ended by itself with one of the exit
// statuses 0, 1 and 3. With the first line of what it said on standard error.
absl::StatusOr<std::string> RunProgram(const ProgramRun& run);

}  // namespace dragnet::console
