// A text over everything else, to be read and searched: a whole row, a host's
// answer. Esc goes back. On the loop's thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "console/tui/shell.h"
#include "console/tui/view.h"

namespace dragnet::console::tui {

// A key that does more than read; the view goes before `act` is called.
struct ReadingAction {
  char32_t key = 0;
  std::string what;
  std::function<void()> act;
};

std::unique_ptr<View> NewReadingView(Shell& shell, std::string title, std::string text,
                                     std::vector<ReadingAction> actions = {});

}  // namespace dragnet::console::tui
