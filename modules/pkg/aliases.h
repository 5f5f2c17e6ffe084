// Directories directly beneath a root that are links to others: since /usr was
// merged, /bin/ls is /usr/bin/ls, and packages list the one or the other.
// Immutable and thread-safe once made.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "modules/pkg/root.h"

namespace dragnet::pkg {

class Aliases {
 public:
  explicit Aliases(const Root& root);

  // The path with such a directory in front replaced by where it leads.
  std::string Resolve(std::string_view path) const;

 private:
  std::vector<std::pair<std::string, std::string>> aliases_;
};

}  // namespace dragnet::pkg
