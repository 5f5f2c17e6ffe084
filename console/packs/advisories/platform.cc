#include "console/packs/advisories/platform.h"

#include <algorithm>

namespace dragnet::advisories {
namespace {

bool IsRelease(std::string_view text) {
  return !text.empty() && text.size() <= 16 && text.front() != '.' && text.back() != '.' &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

// What follows `prefix` up to the next colon; nothing when `text` begins otherwise.
std::optional<std::string_view> After(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  return text.substr(prefix.size());
}

struct Distribution {
  // As the ecosystem and as OVAL's platform have it.
  std::string_view ecosystem;
  std::string_view platform;
  std::string_view type;
  std::string_view system;
  // By which packages its advisories name what they are about.
  bool source;
  bool binary;
};
// Rocky Linux names sources, most of which have a package of their name.
constexpr Distribution kDistributions[] = {
    {"Debian", "Debian GNU/Linux", "dpkg", "debian", true, false},
    {"Ubuntu", "Ubuntu", "dpkg", "ubuntu", true, false},
    {"Red Hat", "Red Hat Enterprise Linux", "rpm", "rhel", false, true},
    {"Rocky Linux", "Rocky Linux", "rpm", "rocky", true, true},
    {"AlmaLinux", "AlmaLinux", "rpm", "almalinux", false, true},
    {"Alpine", "Alpine Linux", "apk", "alpine", true, false},
    {"", "CentOS Linux", "rpm", "centos", false, true},
    {"", "Oracle Linux", "rpm", "ol", false, true},
};

}  // namespace

std::optional<Platform> PlatformOfEcosystem(std::string_view ecosystem) {
  Platform platform;
  for (const auto& [name, type] :
       {std::pair("PyPI", "python"), std::pair("npm", "node"), std::pair("Go", "go")}) {
    if (ecosystem != name) continue;
    platform.type = type;
    return platform;
  }
  const size_t colon = ecosystem.find(':');
  for (const Distribution& each : kDistributions) {
    if (each.ecosystem.empty() || ecosystem.substr(0, colon) != each.ecosystem) continue;
    platform.type = std::string(each.type);
    platform.system = std::string(each.system);
    platform.source = each.source;
    platform.binary = each.binary;
    if (colon == std::string_view::npos) return platform;
    std::string_view release = ecosystem.substr(colon + 1);
    if (each.system == "rhel") {
      // A CPE's parts: enterprise_linux:9::baseos. Other products are others' packages.
      const auto product = After(release, "enterprise_linux:");
      if (!product) return std::nullopt;
      release = product->substr(0, product->find(':'));
    }
    if (each.system == "alpine" && release.starts_with('v')) release.remove_prefix(1);
    if (each.system == "ubuntu" && release.ends_with(":LTS")) release.remove_suffix(4);
    if (!IsRelease(release)) return std::nullopt;
    platform.release = std::string(release);
    return platform;
  }
  return std::nullopt;
}

std::optional<Platform> PlatformOfName(std::string_view name) {
  for (const Distribution& each : kDistributions) {
    const auto rest = After(name, each.platform);
    if (!rest) continue;
    Platform platform;
    platform.type = std::string(each.type);
    platform.system = std::string(each.system);
    // Tests are of packages that are installed, but Debian's name sources.
    platform.source = each.type == "dpkg";
    platform.binary = true;
    std::string_view release = *rest;
    if (!release.empty() && release.front() != ' ') continue;
    while (release.starts_with(' ')) release.remove_prefix(1);
    if (release.ends_with(" LTS")) release.remove_suffix(4);
    if (!release.empty() && !IsRelease(release)) return std::nullopt;
    // 9.0 is 9 in its os-release.
    if (each.system == "debian") release = release.substr(0, release.find('.'));
    platform.release = std::string(release);
    return platform;
  }
  return std::nullopt;
}

std::vector<pkg::VulnerableEntry> EntriesFor(const Platform& platform, std::string_view id,
                                             std::string_view name,
                                             const std::vector<pkg::VersionRange>& ranges) {
  std::vector<pkg::VulnerableEntry> entries;
  for (bool source : {false, true}) {
    if (source ? !platform.source : !platform.binary) continue;
    pkg::VulnerableEntry entry;
    entry.id = std::string(id);
    entry.type = platform.type;
    entry.source = source;
    entry.system = platform.system;
    entry.release = platform.release;
    entry.name = std::string(name);
    entry.ranges = ranges;
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace dragnet::advisories
