// What this host is: the row that targets are evaluated over. Linux.
#pragma once

#include <map>
#include <string>

#include "dragnet/v1/facts.pb.h"

namespace dragnet {

// Reads the host as it is now. What can't be found out stays empty. Addresses
// are those of the calling process's network namespace.
v1::Facts CollectHostFacts();

// What random(4) says of this boot: a UUID, or "" if it says anything else.
std::string BootId();

// PRETTY_NAME="Debian …" lines of os-release(5), unquoted. For tests.
std::map<std::string, std::string> ParseOsRelease(std::string_view text);

}  // namespace dragnet
