#include "agent/monitor/upgrade/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "agent/monitor/log.h"
#include "agent/monitor/state_store.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"

namespace dragnet {
namespace {

bool IsThere(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

absl::Status Remove(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(StrCat("remove ", path), errno);
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return ErrnoStatus(StrCat("rename ", from, " to ", to), errno);
}

absl::Status SyncDirectoryOf(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/'));
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0) return ErrnoStatus(StrCat("sync ", directory), errno);
  return absl::OkStatus();
}

// A log belongs to the file that it was written for: SQLite must not find it beside
// another one.
absl::Status RemoveLog(const std::string& database) {
  for (const char* end : {"-wal", "-shm", "-journal"}) {
    DRAGNET_RETURN_IF_ERROR(Remove(database + end));
  }
  return absl::OkStatus();
}

absl::Status RemoveWithLog(const std::string& database) {
  const absl::Status log = RemoveLog(database);
  const absl::Status file = Remove(database);
  return log.ok() ? file : log;
}

absl::Status CopyFile(const std::string& from, const std::string& to) {
  const UniqueFd in(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!in.valid()) return ErrnoStatus(StrCat("open ", from), errno);
  const UniqueFd out(
      ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!out.valid()) return ErrnoStatus(StrCat("open ", to), errno);
  char buffer[65536];
  ssize_t count;
  while ((count = ::read(in.get(), buffer, sizeof buffer)) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(StrCat("read ", from), errno);
    DRAGNET_RETURN_IF_ERROR(
        Annotate(WriteAll(out.get(), {buffer, static_cast<size_t>(count)}), to));
  }
  if (::fsync(out.get()) != 0) return ErrnoStatus(StrCat("sync ", to), errno);
  return absl::OkStatus();
}

absl::Time WrittenAt(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return absl::InfinitePast();
  return absl::TimeFromTimespec(info.st_mtim);
}

// One call of RestoreStateIfNewer.
class Restoration {
 public:
  Restoration(const std::string& database, const RestoreOptions& options)
      : database_(database),
        restored_(database + ".restored"),
        ready_(database + ".ready"),
        newer_(database + ".newer"),
        options_(options) {}

  absl::Status Run();

 private:
  void Step(std::string_view name) const {
    if (options_.before_step) options_.before_step(name);
  }
  // What takes its place, before anything of the newer one is in it.
  absl::StatusOr<std::unique_ptr<StateStore>> OpenRestored();
  // Puts a snapshot at restored_. NotFound: none is left.
  absl::Status TakeSnapshot();
  absl::Status Prepare(absl::Time made_until);
  absl::Status TakePlace();

  const std::string database_;
  const std::string restored_;
  const std::string ready_;
  const std::string newer_;
  const RestoreOptions& options_;
  // It is in place of a snapshot, and new.
  bool made_new_ = false;
  // Going on with what an earlier call left, it can't be told which of the two that is.
  bool keep_newer_ = false;
  CarriedOver carried_;
};

absl::Status Restoration::TakeSnapshot() {
  for (int64_t schema = StateStore::OwnSchemaVersion(); schema > 0; --schema) {
    const std::string snapshot = SnapshotPath(options_.snapshots, schema);
    if (options_.snapshots.empty() || !IsThere(snapshot)) continue;
    Step("take the snapshot");
    // Nothing else needs it: what it is for happens here.
    if (::rename(snapshot.c_str(), restored_.c_str()) == 0) return absl::OkStatus();
    if (errno != EXDEV) return ErrnoStatus(StrCat("rename ", snapshot), errno);
    const std::string part = restored_ + ".part";
    absl::Status copied = CopyFile(snapshot, part);
    if (copied.ok()) copied = Rename(part, restored_);
    if (copied.ok()) return Remove(snapshot);
    Remove(part).IgnoreError();
    return copied;
  }
  return absl::NotFoundError("there is no snapshot");
}

absl::StatusOr<std::unique_ptr<StateStore>> Restoration::OpenRestored() {
  // Of an earlier call, which was killed: what was carried over is carried over again.
  if (IsThere(ready_)) DRAGNET_RETURN_IF_ERROR(Rename(ready_, restored_));
  keep_newer_ = IsThere(restored_);
  while (true) {
    if (!IsThere(restored_)) {
      DRAGNET_RETURN_IF_ERROR(RemoveLog(restored_));
      const absl::Status taken = TakeSnapshot();
      if (!taken.ok() && !absl::IsNotFound(taken)) return taken;
      made_new_ = keep_newer_ = !taken.ok();
    }
    Step("open what takes its place");
    absl::StatusOr<std::unique_ptr<StateStore>> store = StateStore::Open(restored_);
    // A full disk, say, is no reason to lose what it holds.
    if (store.ok() || made_new_ || absl::IsResourceExhausted(store.status())) return store;
    LogWarning(StrCat("a snapshot of the agent's state can't be used: ", store.status().message()));
    DRAGNET_RETURN_IF_ERROR(RemoveWithLog(restored_));
  }
}

absl::Status Restoration::Prepare(absl::Time made_until) {
  // Room for what follows, kept for the time that the disk is full.
  if (!options_.snapshots.empty()) Remove(options_.snapshots + "/reserve").IgnoreError();
  {
    DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<StateStore> store, OpenRestored());
    Step("carry over");
    DRAGNET_ASSIGN_OR_RETURN(carried_, store->CarryOver(database_, options_.fleet_id, made_until));
    if (!carried_.identity) {
      return absl::FailedPreconditionError(
          "there is no snapshot of before the upgrade, and who this host is can't be read from it");
    }
  }
  // SQLite takes the log into the file and removes it when it closes that, if it can.
  if (IsThere(restored_ + "-wal")) {
    return absl::ResourceExhaustedError(StrCat(restored_, ": its log can't be taken into it"));
  }
  Step("it is ready");
  DRAGNET_RETURN_IF_ERROR(Rename(restored_, ready_));
  return SyncDirectoryOf(database_);
}

// The newer one goes first, and its log behind it: what it holds that isn't in its file
// yet is in what is ready.
absl::Status Restoration::TakePlace() {
  if (IsThere(database_)) {
    DRAGNET_RETURN_IF_ERROR(RemoveWithLog(newer_));
    Step("set the newer one aside");
    DRAGNET_RETURN_IF_ERROR(Rename(database_, newer_));
  }
  Step("set its log aside");
  if (IsThere(database_ + "-wal")) {
    DRAGNET_RETURN_IF_ERROR(Rename(database_ + "-wal", newer_ + "-wal"));
  }
  DRAGNET_RETURN_IF_ERROR(RemoveLog(database_));
  Step("take its place");
  DRAGNET_RETURN_IF_ERROR(Rename(ready_, database_));
  Step("it has its place");
  return SyncDirectoryOf(database_);
}

absl::Status Restoration::Run() {
  if (!IsThere(database_)) return IsThere(ready_) ? TakePlace() : absl::OkStatus();
  // Before it is opened, which may write to it.
  const absl::Time written = std::max(WrittenAt(database_), WrittenAt(database_ + "-wal"));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t version, StateStore::SchemaVersionOf(database_));
  if (version <= StateStore::OwnSchemaVersion()) {
    // What an earlier call began, and a newer version has made void by coming back.
    RemoveWithLog(restored_).IgnoreError();
    RemoveWithLog(ready_).IgnoreError();
    return absl::OkStatus();
  }
  if (const absl::Status status = Prepare(std::max(options_.now, written)); !status.ok()) {
    // A snapshot stays where it was put: the next start goes on with it.
    if (made_new_) RemoveWithLog(restored_).IgnoreError();
    return absl::FailedPreconditionError(
        StrCat(database_, ": of version ", version, ", this program knows up to ",
               StateStore::OwnSchemaVersion(), ", and it can't be taken back: ", status.message()));
  }
  DRAGNET_RETURN_IF_ERROR(TakePlace());
  if (!keep_newer_) RemoveWithLog(newer_).IgnoreError();
  LogWarning(StrCat(
      "the agent's state is taken back to what this version can read (it was of version ", version,
      "): recurring actions are forgotten, and results that waited since the upgrade are lost",
      keep_newer_ ? StrCat(" or kept in ", newer_) : "", made_new_ ? "; no snapshot fitted" : "",
      carried_.journal ? "" : "; actions made until now are not run any more"));
  return absl::OkStatus();
}

}  // namespace

std::string SnapshotPath(std::string_view snapshots, int64_t schema) {
  return StrCat(snapshots, "/agent-", schema, ".db");
}

absl::Status RestoreStateIfNewer(const std::string& database, const RestoreOptions& options) {
  return Restoration(database, options).Run();
}

absl::Status CheckNotNewer(const std::string& database) {
  if (!IsThere(database)) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t version, StateStore::SchemaVersionOf(database));
  if (version <= StateStore::OwnSchemaVersion()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat(database, ": of version ", version, ", this program knows up to ",
             StateStore::OwnSchemaVersion(), ": an upgrade put a newer one in place"));
}

void RemoveSetAside(const std::string& database) {
  for (const char* end : {".restored", ".restored.part", ".ready", ".newer"}) {
    if (const absl::Status gone = RemoveWithLog(database + end); !gone.ok()) {
      LogWarning(ToStd(gone.message()));
    }
  }
}

}  // namespace dragnet
