// What this host is: the row that targets are evaluated over. Linux.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "dragnet/v1/facts.pb.h"

namespace dragnet {

// Reads the host as it is now. What can't be found out stays empty. Addresses
// are those of the calling process's network namespace.
v1::Facts CollectHostFacts();

// Of an unpacked image beneath `root`: its distribution, as it says itself, and this
// host's architecture; all that is of a running host stays empty. No link in the image
// leads out of it (openat2(2), Linux 5.6).
struct ImageFacts {
  v1::Facts facts;
  // Why its distribution is not known; OK when it is.
  absl::Status status;
};
ImageFacts CollectImageFacts(const std::string& root);

// Whether `root` holds one of etc, usr and bin, as whatever was unpacked does.
bool LooksLikeAnImage(const std::string& root);

// What random(4) says of this boot: a UUID, or "" if it says anything else.
std::string BootId();

// PRETTY_NAME="Debian …" lines of os-release(5), unquoted. For tests.
std::map<std::string, std::string> ParseOsRelease(std::string_view text);

}  // namespace dragnet
