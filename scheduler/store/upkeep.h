// What is done to a store in the background while a scheduler runs on it:
// retention, the check of a store that is too large to be checked at start, and
// what those who look at the scheduler ask of it. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "scheduler/store/retention.h"
#include "scheduler/store/sqlite_store.h"

namespace dragnet::scheduler {

struct StoreSizes {
  // Of the database file, of its write-ahead log, and of the blobs beside it.
  uint64_t database_bytes = 0;
  uint64_t log_bytes = 0;
  uint64_t blob_bytes = 0;
  // Of the database file: free for what comes next.
  uint64_t unused_bytes = 0;
  // What is left to this user on that disk, and how large it is.
  uint64_t disk_free_bytes = 0;
  uint64_t disk_bytes = 0;
};

class Upkeep {
 public:
  // `store` and `clock` must outlive it. `path` is the store's.
  static absl::StatusOr<std::unique_ptr<Upkeep>> Start(SqliteStore& store, const std::string& path,
                                                       const Clock& clock,
                                                       const RetentionRules& rules);
  // Ends what it does within moments.
  ~Upkeep();

  Retention& retention() { return *retention_; }
  // Looks at once whether there is something to remove.
  void Wake();

  // Whether a change can be committed, tried out at most every few seconds.
  // DeadlineExceeded when that takes longer than `patience`; blocks as long.
  absl::Status CheckWritable(absl::Duration patience);
  // DataLoss once the background check has found damage.
  absl::Status damage();

  // All rows that are stored. When counting takes long: as of some minutes ago.
  absl::StatusOr<uint64_t> RowsStored();
  absl::StatusOr<StoreSizes> Sizes();

 private:
  struct Probe;

  Upkeep(SqliteStore& store, std::string path, std::unique_ptr<Retention> retention,
         std::unique_ptr<Database> reader, std::unique_ptr<Database> checked);
  void Loop();
  void CheckPagesInBackground();
  // False when this is about to end.
  bool Pause(absl::Duration duration);

  SqliteStore& store_;
  const std::string path_;
  const std::unique_ptr<Retention> retention_;
  // The connection of the background check; null when there is none to do.
  const std::unique_ptr<Database> checked_;

  WaitableMutex mutex_;
  // Guarded by mutex_.
  const std::unique_ptr<Database> reader_;
  bool stopping_ = false;
  bool woken_ = false;
  absl::Status damage_;
  uint64_t rows_ = 0;
  absl::Time count_again_at_ = absl::InfinitePast();  // steady
  std::shared_ptr<Probe> probe_;

  std::atomic<bool> stop_checking_ = false;
  std::thread checking_;
  std::thread working_;
};

}  // namespace dragnet::scheduler
