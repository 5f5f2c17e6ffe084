#include "console/check/pack_names.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_join.h"
#include "console/check/agent_program.h"
#include "console/packs/problems.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

constexpr std::string_view kSuffix = ".yaml";

bool Exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

}  // namespace

absl::StatusOr<std::string> ShippedPackDirectory(const Environment& environment) {
  if (environment != nullptr) {
    if (const auto given = environment("DRAGNET_PACKS"); given.has_value()) return *given;
  }
  const std::string own = OwnDirectory();
  const std::string installed = StrCat(own, "/../share/dragnet/packs");
  if (Exists(installed)) return std::filesystem::path(installed).lexically_normal().string();
  // Programs are in build/bin, and build is within the sources.
  const std::string sources = StrCat(own, "/../../packs");
  if (Exists(StrCat(own, "/../CMakeCache.txt")) && Exists(sources)) {
    return std::filesystem::path(sources).lexically_normal().string();
  }
  return absl::NotFoundError(
      StrCat("the packs that come with Dragnet are not installed: no ", installed));
}

absl::StatusOr<std::vector<std::string>> ShippedPacks(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.size() > kSuffix.size() && name.ends_with(kSuffix) && name.front() != '.') {
      names.push_back(name.substr(0, name.size() - kSuffix.size()));
    }
  }
  if (error) return absl::NotFoundError(StrCat("read ", directory, ": ", error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> PackPath(const std::string& word, const Environment& environment) {
  if (word.empty() || word.find('/') != std::string::npos || word.ends_with(kSuffix) ||
      word.ends_with(".yml")) {
    return word;
  }
  DRAGNET_ASSIGN_OR_RETURN(const std::string directory, ShippedPackDirectory(environment));
  const std::string path = StrCat(directory, "/", word, kSuffix);
  if (Exists(path)) return path;
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> names, ShippedPacks(directory));
  const std::string meant = DidYouMean(word, names);
  return absl::NotFoundError(
      StrCat("no pack \"", word, "\"",
             meant.empty() ? StrCat(" (there are: ", absl::StrJoin(names, ", "), ")") : meant,
             "; a file of your own is written ./", word, kSuffix));
}

}  // namespace dragnet::console
