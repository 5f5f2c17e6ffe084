#include "scheduler/store/backup.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "scheduler/store/act_as_owner.h"
#include "scheduler/store/all_changes.h"
#include "scheduler/store/retention.h"
#include "scheduler/store/schema.h"
#include "scheduler/store/sqlite/sqlite_database.h"
#include "scheduler/store/store_lock.h"

namespace dragnet::scheduler {
namespace {

// 4 MiB, then a moment for those who work: the disk is theirs.
constexpr int kPagesPerStep = 1024;
constexpr int kPauseMilliseconds = 5;
// The name of a blob: its SHA-256 in hex.
constexpr size_t kBlobNameBytes = 64;

std::string DirectoryOf(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

bool Exists(const std::string& path) {
  struct stat info = {};
  return ::lstat(path.c_str(), &info) == 0;
}

absl::Status Sync(const std::string& path, int flags) {
  const UniqueFd file(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  if (::fsync(file.get()) != 0) return ErrnoStatus(StrCat("sync ", path), errno);
  return absl::OkStatus();
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return ErrnoStatus(StrCat("rename ", from, " to ", to), errno);
  return absl::OkStatus();
}

void RemoveDatabase(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((path + suffix).c_str());
}

// All pages of `from`'s snapshot into `to`.
absl::Status CopyPages(SqliteDatabase& from, SqliteDatabase& to) {
  sqlite3_backup* backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
  if (backup == nullptr) return to.ErrorOf(sqlite3_errcode(to.handle()));
  int code = SQLITE_OK;
  while (code == SQLITE_OK) {
    code = sqlite3_backup_step(backup, kPagesPerStep);
    if (code == SQLITE_OK) ::poll(nullptr, 0, kPauseMilliseconds);
  }
  const int finished = sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE) return to.ErrorOf(code);
  return finished == SQLITE_OK ? absl::OkStatus() : to.ErrorOf(finished);
}

absl::Status CopySnapshot(SqliteDatabase& from, const std::string& to) {
  // Made first and empty, for its mode.
  DRAGNET_RETURN_IF_ERROR(WriteNewFile(to, "", 0600));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> copy,
                           SqliteDatabase::Open(to, SQLITE_OPEN_READWRITE));
  // One transaction over the whole copy: otherwise each commit of the scheduler
  // would make SQLite begin anew, and it would never end.
  DRAGNET_RETURN_IF_ERROR(from.Run("BEGIN"));
  DRAGNET_RETURN_IF_ERROR(from.IntegerOr(0, "SELECT count(*) FROM sqlite_schema").status());
  const absl::Status copied = CopyPages(from, *copy);
  DRAGNET_RETURN_IF_ERROR(from.Run("COMMIT"));
  DRAGNET_RETURN_IF_ERROR(copied);
  // A file of its own, without a log beside it. OpenForWriting sets WAL again.
  return copy->Execute("PRAGMA journal_mode = DELETE");
}

absl::Status CheckWhole(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> database, OpenForCopying(path));
  Query query = database->Ask("PRAGMA integrity_check(1)");
  if (query.Next() && query.Text(0) != "ok")
    return absl::DataLossError(StrCat(path, ": damaged (", query.Text(0), ")"));
  return query.status();
}

bool IsBlobName(const std::string& name) {
  return name.size() == kBlobNameBytes &&
         name.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Whether a second name for this file is as good as a copy: a blob never changes,
// but it stays its owner's, who must be the one that both names are for.
bool MayBeLinked(const std::string& path) {
  struct stat info = {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == ::geteuid();
}

// Where it can't be linked, on another disk for one, it is copied.
absl::Status LinkOrCopy(const std::string& from, const std::string& to) {
  if (Exists(to)) return absl::OkStatus();
  if (MayBeLinked(from) && (::link(from.c_str(), to.c_str()) == 0 || errno == EEXIST))
    return absl::OkStatus();
  const std::string partial = to + ".part";
  std::error_code error;
  std::filesystem::copy_file(from, partial, std::filesystem::copy_options::overwrite_existing,
                             error);
  if (error) return absl::UnknownError(StrCat("copy ", from, " to ", to, ": ", error.message()));
  // Its time says until when it is needed.
  std::filesystem::last_write_time(partial, std::filesystem::last_write_time(from, error), error);
  DRAGNET_RETURN_IF_ERROR(Sync(partial, O_RDONLY));
  return Rename(partial, to);
}

absl::StatusOr<uint64_t> CopyBlobs(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::directory_iterator files(from, error);
  uint64_t count = 0;
  if (error) return count;  // there never was one
  for (; files != std::filesystem::directory_iterator(); files.increment(error)) {
    if (error) return absl::UnknownError(StrCat("read ", from, ": ", error.message()));
    const std::string name = files->path().filename().string();
    if (!IsBlobName(name) || files->is_symlink(error) || !files->is_regular_file(error)) continue;
    if (count == 0) DRAGNET_RETURN_IF_ERROR(MakeDirectories(to, 0700));
    const absl::Status copied = LinkOrCopy(files->path().string(), StrCat(to, "/", name));
    // One that no one needs any more may go at any time.
    if (!copied.ok() && !Exists(files->path().string())) continue;
    DRAGNET_RETURN_IF_ERROR(copied);
    ++count;
  }
  if (count > 0) DRAGNET_RETURN_IF_ERROR(Sync(to, O_RDONLY | O_DIRECTORY));
  return count;
}

// Launches and what agents sent: the newest time that the store at `path`, which
// is a copy of ours, knows.
absl::StatusOr<absl::Time> NewestTime(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> database,
                           SqliteDatabase::Open(path, SQLITE_OPEN_READWRITE));
  // A backup of an older version may not have its tables yet.
  DRAGNET_RETURN_IF_ERROR(PrepareRetention(*database));
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t newest,
      database->IntegerOr(0,
                          "SELECT max(coalesce((SELECT max(launched_at) FROM actions), 0),"
                          " coalesce((SELECT max(last_seen) FROM agents), 0),"
                          " coalesce((SELECT value FROM upkeep WHERE name = 'last_running'), 0))"));
  return newest == 0 ? absl::InfinitePast() : absl::FromUnixMillis(newest);
}

// What happens to it from now on isn't what happened to the store that was backed up.
absl::Status BecomeAnotherStore(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> database,
                           SqliteDatabase::Open(path, SQLITE_OPEN_READWRITE));
  return ForgetStreamIdentity(*database);
}

// The database with the log that belongs to it. The database first: one without
// its log would be taken for whole, after a crash in between, and isn't. A log
// without its database is no store, and the next restore takes it away.
absl::Status KeepAside(const std::string& store, const std::string& aside) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    if (!Exists(store + suffix)) continue;
    const absl::Status moved = Rename(store + suffix, aside + suffix);
    if (moved.ok()) continue;
    // As it was.
    for (const char* done : {"-wal", ""})
      if (Exists(aside + done) && !Exists(store + done))
        Rename(aside + done, store + done).IgnoreError();
    return moved;
  }
  return absl::OkStatus();
}

absl::StatusOr<BackupResult> BackUpHere(const std::string& store, const std::string& file) {
  if (Exists(file))
    return absl::AlreadyExistsError(StrCat(file, ": is there already: choose another name"));
  const std::string partial = file + ".partial";
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> from, OpenForCopying(store));
  // Of a backup that was broken off.
  RemoveDatabase(partial);
  absl::Cleanup remove = [&] { RemoveDatabase(partial); };
  DRAGNET_RETURN_IF_ERROR(Annotate(CopySnapshot(*from, partial), StrCat("back up ", store)));
  DRAGNET_RETURN_IF_ERROR(CheckWhole(partial));
  BackupResult result;
  // After the database, so that the blobs of its actions are among them.
  DRAGNET_ASSIGN_OR_RETURN(result.blobs, CopyBlobs(store + ".blobs", file + ".blobs"));
  DRAGNET_RETURN_IF_ERROR(Sync(partial, O_RDONLY));
  struct stat info = {};
  if (::stat(partial.c_str(), &info) == 0) result.bytes = static_cast<uint64_t>(info.st_size);
  // link(2) and not rename(2): nothing is overwritten.
  if (::link(partial.c_str(), file.c_str()) != 0) return ErrnoStatus(StrCat("name ", file), errno);
  DRAGNET_RETURN_IF_ERROR(Sync(DirectoryOf(file), O_RDONLY | O_DIRECTORY));
  return result;
}

absl::StatusOr<RestoreResult> RestoreHere(const std::string& file, const std::string& store,
                                          const RestoreOptions& options, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const UniqueFd lock, TakeStoreLock(store));
  if (Exists(store) && !options.replace)
    return absl::AlreadyExistsError(
        StrCat(store, ": there is a store already: --replace keeps it aside and goes on"));
  const std::string partial = store + ".restoring";
  RemoveDatabase(partial);
  absl::Cleanup remove = [&] { RemoveDatabase(partial); };
  RestoreResult result;
  {
    DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> from, OpenForCopying(file));
    DRAGNET_RETURN_IF_ERROR(Annotate(CopySnapshot(*from, partial), StrCat("restore ", file)));
  }
  DRAGNET_RETURN_IF_ERROR(CheckWhole(partial));
  DRAGNET_ASSIGN_OR_RETURN(result.newest, NewestTime(partial));
  DRAGNET_RETURN_IF_ERROR(BecomeAnotherStore(partial));
  DRAGNET_RETURN_IF_ERROR(Sync(partial, O_RDONLY));
  DRAGNET_ASSIGN_OR_RETURN(result.blobs, CopyBlobs(file + ".blobs", store + ".blobs"));
  const std::string aside =
      StrCat(store, ".replaced-", absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone()));
  if (Exists(store)) result.kept_aside = aside;
  // Also a log without its database: it must not be taken for the new one's.
  DRAGNET_RETURN_IF_ERROR(KeepAside(store, aside));
  DRAGNET_RETURN_IF_ERROR(Rename(partial, store));
  DRAGNET_RETURN_IF_ERROR(Sync(DirectoryOf(store), O_RDONLY | O_DIRECTORY));
  return result;
}

// With the words at the end: often the reason for it.
template <typename Result>
absl::StatusOr<Result> Explain(absl::StatusOr<Result> result, const ActAsOwner& owner) {
  if (result.ok() || owner.words().empty()) return result;
  return absl::Status(result.status().code(), StrCat(result.status().message(), owner.words()));
}

}  // namespace

absl::StatusOr<BackupResult> BackUp(const std::string& store, const std::string& file) {
  DRAGNET_ASSIGN_OR_RETURN(const auto owner, ActAsOwner::Of(DirectoryOf(store)));
  return Explain(BackUpHere(store, file), *owner);
}

absl::StatusOr<RestoreResult> Restore(const std::string& file, const std::string& store,
                                      const RestoreOptions& options, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const auto owner, ActAsOwner::Of(DirectoryOf(store)));
  return Explain(RestoreHere(file, store, options, now), *owner);
}

}  // namespace dragnet::scheduler
