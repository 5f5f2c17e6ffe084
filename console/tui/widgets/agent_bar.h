// How the agents of an action stand, as one bar and as words. Thread-safe: no state.
#pragma once

#include <string>

#include "console/tui/screen/surface.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::tui {

// One row of `width` columns: a part for each state, in the order found, clean,
// incomplete, refused, running, sent, waiting; every state that someone is in has
// at least one column. Each has a sign of its own, for screens without colours.
void DrawAgentBar(const Canvas& canvas, int x, int y, int width, const v1::Progress& progress);

// What each sign means, with its count: "█ 12 found  ▓ 3 clean …". Cut to the canvas.
void DrawAgentLegend(const Canvas& canvas, int x, int y, const v1::Progress& progress);

Style StyleOf(v1::DispatchState state);
// "found", "never sent".
std::string WordOf(v1::DispatchState state);

// Of those that it reaches, how many have ended, in per cent; 100 for none.
int PercentEnded(const v1::Progress& progress);

}  // namespace dragnet::console::tui
