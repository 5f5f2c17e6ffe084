#include "console/release/bundle.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <utility>

#include "console/package/archive.h"
#include "console/release/elf.h"
#include "console/release/package.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/release.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

constexpr size_t kPrograms = std::size(kAgentPrograms);

std::string DirectoryOf(std::string_view os, std::string_view arch) {
  return StrCat(os, "-", arch);
}

absl::StatusOr<std::map<std::string, std::string>> ReadDirectory(const std::string& path) {
  std::map<std::string, std::string> programs;
  for (const std::string_view name : kAgentPrograms) {
    absl::StatusOr<std::string> content = ReadFile(StrCat(path, "/", name), kMaxReleaseFileBytes);
    // As built they are that large; packages have them stripped.
    if (absl::IsInvalidArgument(content.status())) {
      return absl::InvalidArgumentError(
          StrCat(content.status().message(), ": strip its debugging symbols"));
    }
    if (!content.ok()) return content.status();
    programs[std::string(name)] = *std::move(content);
  }
  return programs;
}

absl::StatusOr<AgentPrograms> Gather(std::map<std::string, std::string> found) {
  AgentPrograms programs;
  size_t total = 0;
  for (const std::string_view name : kAgentPrograms) {
    const auto program = found.find(std::string(name));
    if (program == found.end()) {
      return absl::InvalidArgumentError(StrCat("has no program ", name));
    }
    const absl::StatusOr<ProgramPlatform> platform = PlatformOfProgram(program->second);
    if (!platform.ok()) return Annotate(platform.status(), name);
    if (programs.contents.empty()) {
      programs.os = platform->os;
      programs.arch = platform->arch;
    } else if (*platform != ProgramPlatform{programs.os, programs.arch}) {
      return absl::InvalidArgumentError(
          StrCat(name, " is for ", PlatformName(platform->os, platform->arch), ", ",
                 kAgentPrograms[0], " for ", PlatformName(programs.os, programs.arch)));
    }
    total += program->second.size();
    programs.contents.push_back(std::move(program->second));
  }
  if (total > kMaxBlobBytesOfOperation) {
    return absl::InvalidArgumentError(StrCat("the programs have ", total,
                                             " bytes together; one action takes at most ",
                                             kMaxBlobBytesOfOperation, ": strip them"));
  }
  return programs;
}

}  // namespace

absl::StatusOr<AgentPrograms> ReadAgentPrograms(const std::string& path) {
  absl::StatusOr<std::map<std::string, std::string>> found;
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    // Its errors have the path in them.
    found = ReadDirectory(path);
    if (!found.ok()) return found.status();
  } else {
    DRAGNET_ASSIGN_OR_RETURN(const std::string package,
                             ReadFile(path, PackageLimits().package_bytes));
    found = ProgramsInPackage(package);
    if (!found.ok()) return Annotate(found.status(), path);
  }
  absl::StatusOr<AgentPrograms> programs = Gather(*std::move(found));
  if (!programs.ok()) return Annotate(programs.status(), path);
  return programs;
}

v1::Platform PlatformOf(const AgentPrograms& programs) {
  v1::Platform platform;
  platform.set_os(programs.os);
  platform.set_arch(programs.arch);
  for (size_t i = 0; i < kPrograms; ++i) {
    v1::ReleaseFile* file = platform.add_files();
    file->set_name(std::string(kAgentPrograms[i]));
    file->set_sha256(Sha256(programs.contents[i]));
    file->set_size(programs.contents[i].size());
  }
  return platform;
}

bool Mentions(const AgentPrograms& programs, std::string_view version) {
  // As C ends its texts: not the beginning of a longer version.
  return programs.contents[0].find(std::string(version) + '\0') != std::string::npos;
}

absl::StatusOr<AgentPrograms> ReadPlatform(const std::string& bundle,
                                           const v1::Platform& platform) {
  AgentPrograms programs{platform.os(), platform.arch(), std::vector<std::string>(kPrograms)};
  for (size_t i = 0; i < kPrograms; ++i) {
    const auto file =
        std::find_if(platform.files().begin(), platform.files().end(),
                     [&](const v1::ReleaseFile& one) { return one.name() == kAgentPrograms[i]; });
    if (file == platform.files().end()) {
      return absl::InvalidArgumentError(StrCat("the release has no ", kAgentPrograms[i]));
    }
    const std::string path =
        StrCat(bundle, "/", DirectoryOf(platform.os(), platform.arch()), "/", file->name());
    DRAGNET_ASSIGN_OR_RETURN(programs.contents[i], ReadFile(path, kMaxReleaseFileBytes));
    if (programs.contents[i].size() != file->size() ||
        Sha256(programs.contents[i]) != file->sha256()) {
      return absl::FailedPreconditionError(
          StrCat(path, ": this is not the program that the release names"));
    }
  }
  return programs;
}

// ---- NewBundle

NewBundle::NewBundle(std::string path, std::string temporary)
    : path_(std::move(path)), temporary_(std::move(temporary)) {}

NewBundle::NewBundle(NewBundle&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, "")) {}

NewBundle::~NewBundle() {
  if (temporary_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(temporary_, ignored);
}

absl::StatusOr<NewBundle> NewBundle::Create(const std::string& path) {
  std::string place = path;
  while (place.size() > 1 && place.back() == '/') place.pop_back();
  if (place.empty()) return absl::InvalidArgumentError("a bundle without a name");
  struct stat info;
  if (::lstat(place.c_str(), &info) == 0) {
    return absl::AlreadyExistsError(StrCat(place, ": is there already, nothing is overwritten"));
  }
  std::string temporary = place + ".new-XXXXXX";
  if (::mkdtemp(temporary.data()) == nullptr) return ErrnoStatus(StrCat("make ", temporary), errno);
  NewBundle bundle(std::move(place), std::move(temporary));
  if (::chmod(bundle.temporary_.c_str(), 0755) != 0) {
    return ErrnoStatus(StrCat("chmod ", bundle.temporary_), errno);
  }
  return bundle;
}

std::string NewBundle::release_path() const { return StrCat(temporary_, "/", kReleaseFileName); }

absl::Status NewBundle::Add(const AgentPrograms& programs) {
  const std::string directory = StrCat(temporary_, "/", DirectoryOf(programs.os, programs.arch));
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(directory, 0755));
  for (size_t i = 0; i < kPrograms; ++i) {
    DRAGNET_RETURN_IF_ERROR(
        WriteNewFile(StrCat(directory, "/", kAgentPrograms[i]), programs.contents[i], 0755));
  }
  return absl::OkStatus();
}

absl::Status NewBundle::Finish() {
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return ErrnoStatus(StrCat("rename ", temporary_, " to ", path_), errno);
  }
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace dragnet::console
