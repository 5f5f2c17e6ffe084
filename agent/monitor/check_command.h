// `dragnet-agent check`: a pack of checks on this host or on an unpacked image, no
// fleet and no key needed, in the same sandboxed workers as in production.
#pragma once

#include <string>

#include "agent/monitor/check_worker.h"

namespace dragnet {

// Of a pack: a serialised CheckParameters.
inline constexpr size_t kMaxPackBytes = size_t{1} << 20;
inline constexpr int kMaxCheckWorkers = 64;

// JSON Lines on standard output, in the pack's order, each as soon as it and those
// before it have ended: {"verdict":{…}} (check.proto's Verdict in proto JSON form, with
// the fields' own names), and last
// {"summary":{"checks":3,"passed":1,"failed":1,"unknown":1,"not_applicable":0,"wall_time_ms":87}}.
// Returns the exit status: 0 all were run, whatever the verdicts; 2 not a pack; 3 they
// could not be run. Errors go to standard error.
int RunCheckCommand(const std::string& pack, const CheckSurroundings& surroundings, int workers);

// One line, safe to look at.
std::string VerdictJson(const check::v1::Verdict& verdict);

}  // namespace dragnet
