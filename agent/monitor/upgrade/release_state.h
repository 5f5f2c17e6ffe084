// Which version of the agent runs on this host, as release_dir/state says it
// (docs/store.md), and how that changes.
//
// The *base* is the program that the package manager installed. What was put over it by
// upgrades runs in its place for as long as the base is the one that it was put over:
// what the package manager installs last wins. The base reads this file, whatever
// version wrote it: its form changes with kStateForm only, and then the base runs.
//
// Thread-safe: values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/release.h"

namespace dragnet {

inline constexpr size_t kMaxReleaseStateBytes = 16 * 1024;

struct InstalledFile {
  std::string sha256;  // 32 bytes
  uint64_t size = 0;
  bool operator==(const InstalledFile&) const = default;
};

// A version that was put in place by an upgrade.
struct InstalledRelease {
  std::string version;
  absl::Time issued;
  absl::Time expires;
  // In the order of kAgentPrograms.
  std::array<InstalledFile, std::size(kAgentPrograms)> files;
  bool operator==(const InstalledRelease&) const = default;
};

// InvalidArgument if the platform isn't complete.
absl::StatusOr<InstalledRelease> InstalledReleaseOf(const AuthorizedRelease& authorized);

// The operation of which the end is still owed to its investigators.
struct UpgradeReport {
  std::string action_id;
  int64_t occurrence = 0;
  uint32_t operation = 0;
  // Versions.
  std::string from;
  std::string to;
  uint32_t trial_milliseconds = 0;
  // Why the agent went back; empty: it didn't. One line, at most 1 KiB.
  std::string went_back = {};
  bool operator==(const UpgradeReport&) const = default;
};

struct ReleaseState {
  // Of the program that the package manager installed, when `current` was put over it.
  std::string base_version;
  std::string base_program;  // absolute path
  // Of its programs (OwnProgram::sha256); empty: not known.
  std::string base_sha256 = {};
  // Of the newest release that was ever taken here.
  absl::Time last_issued = absl::InfinitePast();
  // Nothing: the base runs.
  std::optional<InstalledRelease> current;
  // Whether `current` has reached a scheduler as the agent of this host. True when the
  // base runs.
  bool confirmed = true;
  // What ran before `current`; nothing: the base.
  std::optional<InstalledRelease> former;
  std::optional<UpgradeReport> report;

  bool operator==(const ReleaseState&) const = default;

  // The version that is to run.
  const std::string& version() const { return current ? current->version : base_version; }

  // `next` runs from now on, unconfirmed.
  ReleaseState Switched(const InstalledRelease& next, const UpgradeReport& report) const;
  ReleaseState Confirmed() const;
  // The former version runs again. Why, is reported if a report is owed.
  ReleaseState WentBack(std::string_view why) const;
  // This base runs, and what was put over another one counts no more.
  ReleaseState OverBase(std::string_view version, std::string_view program,
                        std::string_view sha256 = {}) const;
  // Whether it was put over this very base. What isn't known of one is taken for the same.
  bool IsOver(std::string_view version, std::string_view sha256) const;
  // Nothing to go back to but the base.
  ReleaseState WithoutFormer() const;
};

std::string FormatReleaseState(const ReleaseState& state);
// DataLoss for everything that FormatReleaseState doesn't write, to the byte.
absl::StatusOr<ReleaseState> ParseReleaseState(std::string_view text);

}  // namespace dragnet
