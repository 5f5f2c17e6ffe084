#include "scheduler/store/sqlite/sqlite_engine.h"

#include <algorithm>

#include "core/status_macros.h"
#include "scheduler/observe/process_stats.h"
#include "scheduler/store/schema.h"

namespace dragnet::scheduler {
namespace {

// Free pages that stay in the file, for what comes next.
constexpr int64_t kFreePagesKept = 1024;
// Of SQLite's machine, before it asks whether to go on.
constexpr int kInstructionsBetweenLooks = 1000;

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> SqliteEngine::OpenWriter() {
  return OpenForWriting(path_);
}

absl::StatusOr<std::unique_ptr<Database>> SqliteEngine::OpenReader() {
  return OpenForReading(path_);
}

absl::StatusOr<StoreSizes> SqliteEngine::Sizes(Database& reader) {
  StoreSizes sizes;
  sizes.database_bytes = FileBytes(path_);
  sizes.log_bytes = FileBytes(path_ + "-wal");
  sizes.blob_bytes = DirectoryBytes(path_ + ".blobs");
  DRAGNET_ASSIGN_OR_RETURN(const DiskSpace disk, ReadDiskSpace(path_));
  sizes.disk_free_bytes = disk.free_bytes;
  sizes.disk_bytes = disk.total_bytes;
  DRAGNET_ASSIGN_OR_RETURN(const int64_t unused, reader.IntegerOr(0, "PRAGMA freelist_count"));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t page, reader.IntegerOr(0, "PRAGMA page_size"));
  sizes.unused_bytes = static_cast<uint64_t>(unused * page);
  return sizes;
}

absl::StatusOr<uint64_t> SqliteEngine::BytesUsed(Database& reader) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t pages, reader.IntegerOr(0, "PRAGMA page_count"));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t unused, reader.IntegerOr(0, "PRAGMA freelist_count"));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t size, reader.IntegerOr(0, "PRAGMA page_size"));
  return static_cast<uint64_t>(std::max<int64_t>(0, pages - unused) * size);
}

absl::StatusOr<bool> SqliteEngine::HasSpaceToGiveBack(Database& reader) {
  // Stores from before this setting keep free pages for themselves.
  DRAGNET_ASSIGN_OR_RETURN(const int64_t mode, reader.IntegerOr(0, "PRAGMA auto_vacuum"));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t unused, reader.IntegerOr(0, "PRAGMA freelist_count"));
  return mode == 2 && unused > kFreePagesKept;
}

absl::Status SqliteEngine::GiveBackSome(Database& writer) {
  return writer.Run("PRAGMA incremental_vacuum(256)");
}

bool SqliteEngine::is_checked_later() const { return !IsCheckedAtStart(path_); }

absl::Status SqliteEngine::CheckAll(std::atomic<bool>& stop) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteDatabase> database, OpenForReading(path_));
  // Not sqlite3_interrupt(), which does nothing to a query that has yet to begin.
  sqlite3_progress_handler(
      database->handle(), kInstructionsBetweenLooks,
      [](void* stopped) { return static_cast<std::atomic<bool>*>(stopped)->load() ? 1 : 0; },
      &stop);
  return CheckAllPages(*database, path_);
}

}  // namespace dragnet::scheduler
