// One more run of a sweep, from the key that asks for it to the scheduler's answer: its
// document is looked at anew, the person reads what will be signed and says yes; it is
// launched, or proposed where the own weight is not enough. Nothing blocks. Call on the
// loop's thread.
#pragma once

#include <string>

#include "console/tui/shell.h"

namespace dragnet::console::tui {

// Says by itself what came of it. Goes on when the view that asked for it is gone. Of a
// sweep that no one in the trust policy signed nothing is signed.
void RunSweepOnce(Shell& shell, const std::string& sweep_id);

}  // namespace dragnet::console::tui
