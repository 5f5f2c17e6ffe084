// Removes the results of actions that ended long ago, or the oldest ones when
// the store is too large. Of an action go, as a whole, its rows and the
// summaries of its operations. What stays: the action itself with its envelope
// and signers, which agents it went to and the state of each, its counts, and
// the day on which its results were removed; so that nobody reads "removed" as
// "found nothing".
//
// An action ends when it expires. One that has not is never touched, nor one
// that is kept for longer (Keep), nor, because of the store's size, one that ended
// in the last 24 hours. Work is done in steps of a few milliseconds
// on the store's writer, between the commits of others.
//
// A clock that jumps must not remove a year's results: after a jump nothing is
// removed for a day (clock_hold), so that someone can set it right.
//
// Thread-safe; Step by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "core/mutex.h"
#include "scheduler/store/database.h"
#include "scheduler/store/retention_rules.h"
#include "scheduler/store/sql_store.h"

namespace dragnet::scheduler {

// What retention has to say of one action.
struct Retained {
  std::optional<absl::Time> keep_until;
  // Its results were removed, or are just being so.
  std::optional<absl::Time> removed_at;
};

class Retention {
 public:
  // `store` must be open for running (StoreUse::kRun), and outlive it. Of several schedulers
  // on one store, one at a time has this done.
  static absl::StatusOr<std::unique_ptr<Retention>> Open(SqlStore& store, const Clock& clock,
                                                         const RetentionRules& rules);

  // A small step. True when there is more to do.
  absl::StatusOr<bool> Step();

  // Keeps an action's results until then, whatever the rules say; nothing: as
  // the rules say. NotFound; FailedPrecondition when they were removed.
  absl::Status Keep(std::string_view action_id, std::optional<absl::Time> until);
  absl::StatusOr<Retained> Of(std::string_view action_id);

  // Results are over `bytes`, and there is nothing that may be removed.
  bool over_its_bytes();
  // Nothing is removed until then, because the clock jumped.
  bool held();

 private:
  Retention(SqlStore& store, std::unique_ptr<Database> reader, const Clock& clock,
            const RetentionRules& rules)
      : store_(store), reader_(std::move(reader)), clock_(clock), rules_(rules) {}

  absl::Status NoteTime();
  void LookAtClock(absl::Time now);
  absl::StatusOr<int64_t> FindUnfinished();
  // The action that should go next; 0 if none.
  absl::StatusOr<int64_t> FindNext(absl::Time now);
  absl::StatusOr<int64_t> OldestEndedBefore(absl::Time end, absl::Time now);
  absl::StatusOr<uint64_t> BytesUsed();
  absl::Status Mark(int64_t action, absl::Time now);
  absl::Status RemoveSome(int64_t action);
  absl::StatusOr<bool> GiveBackSome();
  absl::StatusOr<bool> TidyUp(absl::Time now);

  SqlStore& store_;
  WaitableMutex mutex_;
  // Guarded by mutex_.
  const std::unique_ptr<Database> reader_;
  bool over_its_bytes_ = false;
  bool held_ = false;
  const Clock& clock_;
  const RetentionRules rules_;
  // Of Step alone.
  absl::Time last_now_ = absl::InfinitePast();
  absl::Time last_steady_ = absl::InfinitePast();
  absl::Time hold_until_ = absl::InfinitePast();  // steady
  absl::Time noted_ = absl::InfinitePast();       // steady
  absl::Time tidied_ = absl::InfinitePast();      // steady
  int64_t last_agent_ = 0;
};

// Makes the tables of this file where they aren't there yet. Of an SQLite store.
absl::Status PrepareRetention(Database& database);

// When an action's results were removed. Inside a transaction of the writer.
absl::StatusOr<std::optional<absl::Time>> RemovedAt(Database& database, int64_t action);

}  // namespace dragnet::scheduler
