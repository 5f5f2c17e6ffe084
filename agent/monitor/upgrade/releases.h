// The release directory: versions of the agent that upgrades put in place, and which of
// them runs. Root's alone; others may look, because workers and links start from it.
//
//   state              which version runs (release_state.h), replaced atomically
//   starts             a byte for each start that an unconfirmed version has left
//   VERSION/           dragnet-agent, dragnet-link, dragnet-worker
//   .staging-VERSION/  a version that isn't complete yet
//   .trial/            mode 0700: the copy of the agent's state that a trial works on
//   .snapshot/         mode 0700: the agent's state as it was before switches
//     agent-N.db       the newest one of schema N. Whole: replaced by a rename
//     agent.db.new     one that isn't complete
//     reserve          room on the disk for the time that one is needed (restore.h)
//
// Every change is durable when its call returns. A kill or a power cut at any moment
// leaves what was in place before, or all of what is now: state names a version only
// after its files are complete and synced. A full disk is an error by name and
// changes nothing that runs.
//
// Two upgrades at the same time would take each other's files away: UpgradeRun sees to
// that. Not thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/monitor/upgrade/release_state.h"

namespace dragnet {

// One SHA-256 of an agent's three programs: dragnet-agent at `agent`, the others in
// `directory`, where each may be missing. Empty when one can't be read.
std::string DigestOfPrograms(const std::string& agent, const std::string& directory);

class ReleaseDirectory {
 public:
  // Starts that an unconfirmed version has.
  static constexpr int kStarts = 3;

  // `before_step`, for tests: called with a name before each step that changes the disk.
  explicit ReleaseDirectory(std::string path,
                            std::function<void(std::string_view)> before_step = nullptr)
      : path_(std::move(path)), before_step_(std::move(before_step)) {}

  const std::string& path() const { return path_; }
  std::string ProgramDirectory(std::string_view version) const;
  // Of dragnet-agent.
  std::string Program(std::string_view version) const;
  std::string TrialDatabase() const { return path_ + "/.trial/agent.db"; }
  std::string TrialDirectory() const { return path_ + "/.trial"; }
  std::string SnapshotDirectory() const { return path_ + "/.snapshot"; }
  std::string SnapshotDatabase(int64_t schema) const;
  std::string NewSnapshot() const { return SnapshotDirectory() + "/agent.db.new"; }

  // Makes it if it isn't there. PermissionDenied when others than this user can change
  // it, or it isn't a directory.
  absl::Status Prepare();

  // Nothing when there was never an upgrade. DataLoss: damaged. PermissionDenied: others
  // can change it.
  absl::StatusOr<std::optional<ReleaseState>> Load() const;
  absl::Status Save(const ReleaseState& state);

  // --- staging
  // Copies one program from the beginning of `fd` to .staging-VERSION, and checks it
  // meanwhile: DataLoss if it is shorter, longer, or another than `release` says. The
  // first one (of kAgentPrograms) makes the directory anew.
  absl::Status StageFile(const InstalledRelease& release, size_t program, int fd);
  // After all of them: VERSION/ is complete. Replaces one that is there.
  absl::Status FinishStaging(const InstalledRelease& release);

  // That VERSION/ holds these very files, and they are this user's alone to change. An
  // error says which isn't.
  absl::Status CheckFiles(const InstalledRelease& release) const;

  // --- starts of an unconfirmed version. Neither takes room on the disk later than
  // GrantStarts, so that a full one can't make the count forget.
  absl::Status GrantStarts();
  // FailedPrecondition when none is left.
  absl::Status TakeStart();

  // An empty directory beside the versions, mode 0700: TrialDirectory().
  absl::Status MakeTrialDirectory();
  void RemoveTrial();
  // A snapshot: made at NewSnapshot() between the two; then it is that of its schema.
  absl::Status BeginSnapshot();
  absl::Status FinishSnapshot(int64_t schema);
  // Of this schema and later ones.
  void RemoveSnapshotsFrom(int64_t schema);
  // All versions that `state` doesn't name, and what a kill left unfinished. What can't
  // be removed stays.
  void RemoveOthers(const ReleaseState& state);
  // What was staged of this one version, unless `state` names it.
  void RemoveStaged(std::string_view version, const ReleaseState& state);

 private:
  void Step(std::string_view name) const {
    if (before_step_) before_step_(name);
  }
  std::string StagingDirectory(std::string_view version) const;
  absl::Status MakeDirectory(const std::string& path, mode_t mode);
  absl::Status Sync(const std::string& directory);

  std::string path_;
  std::function<void(std::string_view)> before_step_;
};

}  // namespace dragnet
