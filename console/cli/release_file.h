// Releases as commands take them: a bundle, or the release.dnr of one alone.
// Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "console/cli/document_file.h"
#include "console/release/bundle.h"

namespace dragnet::console {

struct ReleaseFile {
  // Of the envelope.
  std::string path;
  // Empty when a file was given, and no bundle.
  std::string bundle;
  DocumentFile file;

  const v1::Release& release() const { return *file.document.release(); }
};

// Refuses what is no release, by name. The programs of a bundle aren't looked at.
absl::StatusOr<ReleaseFile> ReadReleaseFile(const std::string& word, Session& session);

// All of a bundle, each program held against the release.
absl::StatusOr<std::vector<AgentPrograms>> ReadPrograms(const ReleaseFile& release);

// For people: whether the programs are those of the release, a line for each platform.
// `whole`: false if one isn't, or isn't there.
std::string DescribePrograms(const ReleaseFile& release, bool* whole);

}  // namespace dragnet::console
