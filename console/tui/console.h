// `dragnet console`: opens the terminal and runs until the person leaves.
#pragma once

#include "absl/status/status.h"
#include "console/tui/backend.h"
#include "console/tui/screen/terminal.h"

namespace dragnet::console::tui {

absl::Status RunConsole(Backend::Parts parts, const Terminal::Options& options);

}  // namespace dragnet::console::tui
