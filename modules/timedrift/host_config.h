// The NTP servers that a host is configured with. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "modules/module.h"

namespace dragnet::timedrift {

// `server` and `pool` lines of ntp.conf and chrony.conf.
std::vector<std::string> ServersOfNtpConf(std::string_view text);
// NTP= and FallbackNTP= of timesyncd.conf.
std::vector<std::string> ServersOfTimesyncdConf(std::string_view text);

// Of the files of this host, without repetition, at most 16; what is no host name
// (reference clocks: 127.127.1.0) is left out. Files that are there and can't be
// read are noted in `context`.
std::vector<std::string> ConfiguredServers(RunContext& context);

}  // namespace dragnet::timedrift
