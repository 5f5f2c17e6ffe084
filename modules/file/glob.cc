#include "modules/file/glob.h"

#include "absl/status/status.h"
#include "core/strings.h"

namespace dragnet::file {
namespace {

// Whether `byte` is in the set that begins after the [ at `at`, which is moved
// behind its ].
bool InSet(std::string_view pattern, size_t* at, char byte) {
  size_t i = *at;
  const bool inverted = pattern[i] == '!' || pattern[i] == '^';
  if (inverted) ++i;
  bool found = false;
  const auto next = [&] {
    if (pattern[i] == '\\') ++i;
    return static_cast<unsigned char>(pattern[i++]);
  };
  // A ] that comes first is one of the set.
  for (bool first = true; first || pattern[i] != ']'; first = false) {
    const unsigned char low = next();
    unsigned char high = low;
    if (pattern[i] == '-' && pattern[i + 1] != ']') {
      ++i;
      high = next();
    }
    const auto value = static_cast<unsigned char>(byte);
    if (low <= value && value <= high) found = true;
  }
  *at = i + 1;
  return found != inverted;
}

// One element of the pattern at `at`, not a *, against one byte.
bool ElementMatches(std::string_view pattern, size_t* at, char byte) {
  const char element = pattern[(*at)++];
  switch (element) {
    case '?':
      return true;
    case '[':
      return InSet(pattern, at, byte);
    case '\\':
      return pattern[(*at)++] == byte;
    default:
      return element == byte;
  }
}

}  // namespace

bool GlobNameMatches(std::string_view pattern, std::string_view name) {
  constexpr size_t kNone = std::string_view::npos;
  size_t at = 0, i = 0, star = kNone, star_i = 0;
  while (i < name.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = ++at;
      star_i = i;
      continue;
    }
    if (at < pattern.size() && ElementMatches(pattern, &at, name[i])) {
      ++i;
      continue;
    }
    if (star == kNone) return false;
    // The last * takes one byte more; what an earlier one takes need not change.
    at = star;
    i = ++star_i;
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

absl::Status CheckGlobName(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      if (++i == pattern.size())
        return absl::InvalidArgumentError("ends in a \\ that escapes nothing");
    } else if (pattern[i] == '[') {
      size_t at = i + 1;
      if (at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^')) ++at;
      for (bool first = true; at >= pattern.size() || first || pattern[at] != ']'; first = false) {
        if (at < pattern.size() && pattern[at] == '\\') ++at;
        if (at >= pattern.size())
          return absl::InvalidArgumentError("has a [ without its ]; write \\[ for the byte");
        ++at;
      }
      i = at;
    }
  }
  return absl::OkStatus();
}

bool HasWildcard(std::string_view path) {
  return path.find_first_of("*?[\\") != std::string_view::npos;
}

absl::StatusOr<Glob> Glob::Compile(std::string_view path) {
  Glob glob;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view name = path.substr(at, end - at);
    at = end + 1;
    if (name.empty() || name == ".") continue;
    if (glob.names_.empty() && !HasWildcard(name)) {
      glob.prefix_ += StrCat("/", name);
      continue;
    }
    if (absl::Status status = CheckGlobName(name); !status.ok()) return status;
    // ** after ** stands for no more than one does.
    if (name == "**" && !glob.names_.empty() && glob.names_.back() == "**") continue;
    glob.names_.emplace_back(name);
  }
  if (glob.names_.size() > kMaxNames) {
    return absl::InvalidArgumentError(
        StrCat("has more than ", kMaxNames, " names from the first wildcard on"));
  }
  if (glob.prefix_.empty()) glob.prefix_ = "/";
  return glob;
}

Glob::Progress Glob::Close(Progress progress) const {
  for (size_t i = 0; i < names_.size(); ++i)
    if ((progress >> i & 1) && names_[i] == "**") progress |= Progress{2} << i;
  return progress;
}

Glob::Progress Glob::Step(Progress progress, std::string_view name) const {
  Progress next = 0;
  for (size_t i = 0; i < names_.size(); ++i) {
    if (!(progress >> i & 1)) continue;
    if (names_[i] == "**") {
      next |= Progress{1} << i;
    } else if (GlobNameMatches(names_[i], name)) {
      next |= Progress{2} << i;
    }
  }
  return Close(next);
}

bool Glob::Matches(std::string_view path) const {
  if (prefix_ != "/") {
    if (!path.starts_with(prefix_)) return false;
    path.remove_prefix(prefix_.size());
    if (!path.empty() && path[0] != '/') return false;
  }
  Progress progress = Start();
  for (size_t at = 0; at < path.size() && progress != 0;) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (end > at) progress = Step(progress, path.substr(at, end - at));
    at = end + 1;
  }
  return IsMatch(progress);
}

}  // namespace dragnet::file
