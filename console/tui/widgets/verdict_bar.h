// Verdicts as one bar, and scores over time as a spark line. Thread-safe: no state.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "console/tui/screen/surface.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::tui {

// One row: a part for each of passed, failed, unknown, not applicable; every one that
// there is has at least one column, and a sign of its own for screens without colours.
void DrawVerdictBar(const Canvas& canvas, const v1::VerdictCounts& counts);
// "█ 301 pass  x 8 fail  ! 1 unknown". Cut to the canvas.
void DrawVerdictLegend(const Canvas& canvas, int x, int y, const v1::VerdictCounts& counts);

Style StyleOfStatus(std::string_view status);

// A column for each score (in tenths of a percent, oldest first), the newest `width` of
// them; · where there is none. Between the lowest and the highest of what is shown, or
// flat on top when they are all the same.
std::string Sparkline(const std::vector<std::optional<int>>& scores, size_t width);

}  // namespace dragnet::console::tui
