// Releases for the tests of upgrades. For tests only.
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "agent/monitor/upgrade/releases.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::testing {

// What the program `index` of a version is, in these tests.
inline std::string ProgramOf(std::string_view version, size_t index) {
  return StrCat("program ", index, " of ", version, std::string(100'000, '.'));
}

inline InstalledRelease ReleaseOf(std::string_view version) {
  InstalledRelease release;
  release.version = std::string(version);
  release.issued = absl::FromUnixSeconds(1'800'000'000);
  release.expires = release.issued + absl::Hours(24 * 90);
  for (size_t i = 0; i < release.files.size(); ++i) {
    const std::string content = ProgramOf(version, i);
    release.files[i] = {Sha256(content), content.size()};
  }
  return release;
}

inline void WriteTo(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

inline std::string ReadFrom(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

// A disk of a mebibyte at `path`, full when it is told. Only root can mount it.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& path) : path_(path) {
    std::filesystem::create_directory(path);
    mounted_ = ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=1m,mode=755") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }
  void Fill() const {
    const UniqueFd file(::open((path_ + "/ballast").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600));
    const std::string block(4096, 'x');
    while (::write(file.get(), block.data(), block.size()) > 0) continue;
  }

 private:
  std::string path_;
  bool mounted_ = false;
};

// A directory of its own, with a release directory to be made in it.
class ReleasesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/dragnet-releases-XXXXXX";
    directory_ = ::mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/releases"; }
  // Where a blob would be.
  UniqueFd Blob(std::string_view content) const {
    WriteTo(directory_ + "/blob", content);
    return UniqueFd(::open((directory_ + "/blob").c_str(), O_RDONLY | O_CLOEXEC));
  }
  absl::Status Stage(ReleaseDirectory& releases, const InstalledRelease& release) const {
    for (size_t i = 0; i < release.files.size(); ++i) {
      const UniqueFd blob = Blob(ProgramOf(release.version, i));
      if (auto staged = releases.StageFile(release, i, blob.get()); !staged.ok()) return staged;
    }
    return releases.FinishStaging(release);
  }
  static UpgradeReport Report(std::string_view to) {
    return {.action_id = "01980000-0000-7000-8000-000000000001",
            .occurrence = 7,
            .operation = 1,
            .from = "1.0.0",
            .to = std::string(to),
            .trial_milliseconds = 42};
  }
  // As installed by a package of version 1.0.0.
  ReleaseState Base() const { return ReleaseState().OverBase("1.0.0", directory_ + "/base"); }

  std::string directory_;
};

}  // namespace dragnet::testing
