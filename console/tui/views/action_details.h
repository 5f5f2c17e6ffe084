// What is below the list of actions: the selected one in words. Thread-safe: no state.
#pragma once

#include "absl/time/time.h"
#include "console/tui/screen/surface.h"
#include "console/tui/views/action_list.h"

namespace dragnet::console::tui {

inline constexpr int kActionDetailRows = 6;

// Counts, who signed, target, expiry, and how it goes. `pace` may be null;
// `steady_now` is what the pace was measured with.
void DrawActionDetails(const Canvas& canvas, const ActionRow& row, const ActionPace* pace,
                       absl::Time now, absl::Time steady_now);

}  // namespace dragnet::console::tui
