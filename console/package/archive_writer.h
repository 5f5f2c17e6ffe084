// Archives that come out the same for the same files: sorted, without the time of writing,
// owners by name. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "console/package/archive.h"

namespace dragnet::console {

enum class Compression { kGzip, kXz };

// GNU tar. Directories above files that aren't listed are made: root's, 0755, `modified`.
// `prefix` is put in front of every path ("./" as dpkg has it).
absl::StatusOr<std::string> WriteTar(std::vector<PackageFile> files, std::string_view prefix,
                                     Compression compression, int64_t modified);

// ar(5) as a .deb is one. Names of at most 15 characters.
std::string WriteAr(const std::vector<std::pair<std::string, std::string>>& members,
                    int64_t modified);

// `files` with those of `site` instead of theirs of the same path, sorted by path.
std::vector<PackageFile> Merge(std::vector<PackageFile> files,
                               const std::vector<PackageFile>& site);

}  // namespace dragnet::console
