#include "modules/sysctl/configured.h"

#include <algorithm>

#include "modules/file/glob.h"
#include "modules/settings/formats.h"

namespace dragnet::sysctl {
namespace {

// Wildcards are compared with every setting: as many as anyone writes.
constexpr size_t kMaxWildcards = 1024;

void SwapSeparators(std::string* text) {
  for (char& byte : *text) {
    if (byte == '.') {
      byte = '/';
    } else if (byte == '/') {
      byte = '.';
    }
  }
}

std::string_view TakePart(std::string_view* path) {
  const size_t end = std::min(path->find('/'), path->size());
  const std::string_view part = path->substr(0, end);
  path->remove_prefix(std::min(end + 1, path->size()));
  return part;
}

}  // namespace

std::string PathOfName(std::string_view name) {
  std::string path(name);
  const size_t first = path.find_first_of("./");
  if (first != std::string::npos && path[first] == '.') SwapSeparators(&path);
  return path;
}

std::string NameOfPath(std::string_view path) {
  std::string name(path);
  SwapSeparators(&name);
  return name;
}

std::string Normalise(std::string_view value) {
  std::string text(value);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return settings::JoinWords(settings::SplitWords(text));
}

bool PathMatches(std::string_view pattern, std::string_view path, bool prefix) {
  while (!pattern.empty()) {
    if (path.empty() || !file::GlobNameMatches(TakePart(&pattern), TakePart(&path))) return false;
  }
  return prefix || path.empty();
}

Configured::Configured(const std::vector<settings::Setting>& lines) {
  for (const settings::Setting& line : lines) {
    std::string_view name = line.key;
    // In front: a failure to set it is no fault.
    const bool excludes = name.starts_with('-') && line.value.empty();
    if (name.starts_with('-')) name.remove_prefix(1);
    std::string path = PathOfName(name);
    if (!file::HasWildcard(path)) {
      // Without a value it takes the setting out of wildcards: null.
      if (excludes) {
        exact_.try_emplace(std::move(path), nullptr);
      } else {
        exact_[std::move(path)] = &line;
      }
    } else if (!excludes && wildcards_.size() < kMaxWildcards) {
      wildcards_.push_back({std::move(path), &line});
    }
  }
}

const settings::Setting* Configured::Find(const std::string& path) const {
  if (const auto found = exact_.find(path); found != exact_.end()) return found->second;
  const auto last = std::find_if(wildcards_.rbegin(), wildcards_.rend(), [&](const Wildcard& each) {
    return PathMatches(each.path, path, /*prefix=*/false);
  });
  return last == wildcards_.rend() ? nullptr : last->line;
}

}  // namespace dragnet::sysctl
