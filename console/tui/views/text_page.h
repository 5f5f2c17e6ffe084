// A text over the whole screen, to be read: scrolls, searches on "/". Not
// thread-safe.
#pragma once

#include <memory>
#include <string>

#include "console/tui/shell.h"
#include "console/tui/view.h"

namespace dragnet::console::tui {

// To be pushed; Escape goes back.
std::unique_ptr<View> NewTextPage(Shell& shell, std::string title, std::string text);

}  // namespace dragnet::console::tui
