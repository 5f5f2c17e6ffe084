#include "console/cli/release_file.h"

#include <filesystem>

#include "core/release.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {

absl::StatusOr<ReleaseFile> ReadReleaseFile(const std::string& word, Session& session) {
  ReleaseFile release;
  release.path = word;
  std::error_code error;
  if (std::filesystem::is_directory(word, error)) {
    release.bundle = word;
    release.path = StrCat(word, "/", kReleaseFileName);
  }
  DRAGNET_ASSIGN_OR_RETURN(release.file, ReadDocumentFile(release.path, session));
  if (release.file.document.release() != nullptr) return release;
  return absl::InvalidArgumentError(
      StrCat(release.path, ": this is ", release.file.document.kind(), ", not a release"));
}

absl::StatusOr<std::vector<AgentPrograms>> ReadPrograms(const ReleaseFile& release) {
  if (release.bundle.empty()) {
    return absl::InvalidArgumentError(StrCat(release.path,
                                             ": a release without its programs: give the "
                                             "directory that dragnet release new made"));
  }
  std::vector<AgentPrograms> all;
  for (const v1::Platform& platform : release.release().platforms()) {
    DRAGNET_ASSIGN_OR_RETURN(AgentPrograms programs, ReadPlatform(release.bundle, platform));
    all.push_back(std::move(programs));
  }
  return all;
}

std::string DescribePrograms(const ReleaseFile& release, bool* whole) {
  *whole = true;
  if (release.bundle.empty()) {
    return "Programs: not here, so they weren't compared (give the bundle's directory)\n";
  }
  std::string text = "Programs in the bundle\n";
  for (const v1::Platform& platform : release.release().platforms()) {
    const absl::Status status = ReadPlatform(release.bundle, platform).status();
    *whole = *whole && status.ok();
    StrAppend(&text, "  ", PlatformName(platform.os(), platform.arch()), ": ",
              status.ok() ? "those that the release names"
                          : StrCat("NOT THOSE: ", ForTerminal(ToStd(status.message()))),
              "\n");
  }
  return text;
}

}  // namespace dragnet::console
