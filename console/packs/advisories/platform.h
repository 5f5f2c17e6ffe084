// Names of systems, as advisories have them and as module pkg's list does.
// Thread-safe: no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modules/pkg/vulnerable.h"

namespace dragnet::advisories {

// Of whom a package is, and where.
struct Platform {
  std::string type;
  bool source = false;
  bool binary = true;
  std::string system;
  std::string release;
};

// Of OSV's ecosystems ("Debian:12", "PyPI"). Nothing for one that isn't known.
std::optional<Platform> PlatformOfEcosystem(std::string_view ecosystem);

// Of OVAL's platforms ("Debian GNU/Linux 12", "Red Hat Enterprise Linux 9"), with
// type by the test. Nothing for one that isn't known.
std::optional<Platform> PlatformOfName(std::string_view name);

// An entry for each way to name the package there.
std::vector<pkg::VulnerableEntry> EntriesFor(const Platform& platform, std::string_view id,
                                             std::string_view name,
                                             const std::vector<pkg::VersionRange>& ranges);

}  // namespace dragnet::advisories
