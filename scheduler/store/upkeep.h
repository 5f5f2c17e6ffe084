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
#include "scheduler/store/engine.h"
#include "scheduler/store/retention.h"
#include "scheduler/store/sql_store.h"

namespace dragnet::scheduler {

class Upkeep {
 public:
  // `store` and `clock` must outlive it.
  static absl::StatusOr<std::unique_ptr<Upkeep>> Start(SqlStore& store, const Clock& clock,
                                                       const RetentionRules& rules);
  // Ends what it does within moments.
  ~Upkeep();

  Retention& retention() { return *retention_; }
  // Looks at once whether there is something to remove.
  void Wake();
  // Of several schedulers on one store only one removes.
  void SetActive(bool active) { active_ = active; }

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

  Upkeep(SqlStore& store, std::unique_ptr<Retention> retention, std::unique_ptr<Database> reader);
  void Loop();
  void CheckPagesInBackground();
  // False when this is about to end.
  bool Pause(absl::Duration duration);

  SqlStore& store_;
  const std::unique_ptr<Retention> retention_;

  // Apart from mutex_, which those take who may not wait for a long query: Wake is
  // called by the thread that keeps the scheduler's time.
  WaitableMutex reading_;
  // Guarded by reading_.
  const std::unique_ptr<Database> reader_;
  uint64_t rows_ = 0;
  absl::Time count_again_at_ = absl::InfinitePast();  // steady

  WaitableMutex mutex_;
  // Guarded by mutex_.
  bool stopping_ = false;
  bool woken_ = false;
  absl::Status damage_;
  std::shared_ptr<Probe> probe_;

  std::atomic<bool> active_ = true;
  std::atomic<bool> stop_checking_ = false;
  std::thread checking_;
  std::thread working_;
};

}  // namespace dragnet::scheduler
