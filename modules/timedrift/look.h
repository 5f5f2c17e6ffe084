// One look at the clock from one side, as a row. Thread-safe: no state.
#pragma once

#include <optional>
#include <string>

#include "modules/ping/endpoint.h"
#include "modules/timedrift/params.h"
#include "modules/timedrift/timedrift.pb.h"

namespace dragnet::timedrift {

v1::TimedriftRow AskServer(const std::string& server, const Plan& plan);

// Nothing when no chrony answers there.
std::optional<v1::TimedriftRow> AskChrony(const ping::Endpoint& endpoint, const Plan& plan);

// By the marks that systemd-timesyncd leaves: `run_mark` since the host was
// started, `state_mark` over restarts. Nothing without any.
std::optional<v1::TimedriftRow> LookAtTimesyncd(const std::string& run_mark,
                                                const std::string& state_mark);

v1::TimedriftRow LocalClock();

}  // namespace dragnet::timedrift
