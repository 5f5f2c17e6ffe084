// What the files of sysctl.d(5) configure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modules/settings/setting.h"

namespace dragnet::sysctl {

// The path beneath /proc/sys that a name stands for (sysctl.d(5)): where the first
// separator is a dot, dots and slashes change places. net.ipv4.conf.eth0/100.rp_filter
// is net/ipv4/conf/eth0.100/rp_filter, and so is this itself.
std::string PathOfName(std::string_view name);
// The reverse, as sysctl(8) writes it.
std::string NameOfPath(std::string_view path);

// White space as one space each, none at the ends.
std::string Normalise(std::string_view value);

// Immutable and thread-safe once made. Keeps the lines by pointer: they must stay.
class Configured {
 public:
  // In the order in which the files are read: the last line of a setting counts,
  // one without wildcards before all that have some; -NAME alone takes a
  // setting out of the wildcards.
  explicit Configured(const std::vector<settings::Setting>& lines);

  // Null when nothing configures the setting at this path.
  const settings::Setting* Find(const std::string& path) const;
  // Paths that lines without wildcards name.
  const std::map<std::string, const settings::Setting*>& exact() const { return exact_; }

 private:
  struct Wildcard {
    std::string path;
    const settings::Setting* line;
  };

  std::map<std::string, const settings::Setting*> exact_;
  std::vector<Wildcard> wildcards_;
};

// Whether a path matches, part by part; a pattern of fewer parts matches what is beneath it
// if `prefix`.
bool PathMatches(std::string_view pattern, std::string_view path, bool prefix);

}  // namespace dragnet::sysctl
