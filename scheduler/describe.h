// The scheduler's command line as data, for its manual page and its shells' completion.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "core/manual/program.h"

namespace CLI {
class App;
}

namespace dragnet::scheduler {

// Every command that isn't hidden.
manual::Program Describe(const CLI::App& app);

// dragnet-scheduler.8 and completion scripts, below `directory` (core/manual/files.h).
absl::Status WriteManual(const CLI::App& app, const std::string& directory);

}  // namespace dragnet::scheduler
