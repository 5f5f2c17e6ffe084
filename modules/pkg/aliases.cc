#include "modules/pkg/aliases.h"

#include "core/strings.h"

namespace dragnet::pkg {

Aliases::Aliases(const Root& root) {
  for (const char* name : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/libo32"}) {
    std::string target;
    if (!root.ReadLink(name, &target)) continue;
    while (target.starts_with('/')) target.erase(0, 1);
    while (target.ends_with('/')) target.pop_back();
    if (!target.empty() && target.find("..") == std::string::npos)
      aliases_.emplace_back(StrCat(name, "/"), StrCat("/", target, "/"));
  }
}

std::string Aliases::Resolve(std::string_view path) const {
  for (const auto& [from, to] : aliases_)
    if (path.starts_with(from)) return StrCat(to, path.substr(from.size()));
  return std::string(path);
}

}  // namespace dragnet::pkg
