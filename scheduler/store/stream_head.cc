#include "scheduler/store/stream_head.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/all_changes.h"

namespace dragnet::scheduler {
namespace {

// In the middle of a transaction: a scheduler that sends nothing for so long stands still,
// or its host does. It would hold up all others.
constexpr absl::Duration kHangs = absl::Seconds(10);
// By the database's clock, as everything here. Nobody asks for so long whether something was
// committed.
constexpr absl::Duration kForgetWritersAfter = absl::Hours(24);

int64_t NewName() {
  std::random_device random;
  return std::uniform_int_distribution<int64_t>(1)(random);
}

}  // namespace

StreamHead::StreamHead() : writer_(NewName()) {}

absl::Status StreamHead::Take(Database& database, RecordTables& records) {
  Query head = database.Ask("SELECT position, writer FROM stream_head FOR UPDATE");
  if (!head.Next()) {
    DRAGNET_RETURN_IF_ERROR(head.status());
    return absl::DataLossError("the table stream_head has lost its row");
  }
  // What was given out in a transaction that failed isn't given out again either.
  uint64_t position = std::max(static_cast<uint64_t>(head.Integer(0)), records.last_position());
  const bool is_new = database.connection() != connection_;
  if (is_new) position += kGapInPositions;
  if (is_new || head.Integer(1) != writer_) records.Forget();
  records.GoOnAfter(position);
  records.StartCounting();
  connection_ = database.connection();
  return absl::OkStatus();
}

absl::Status StreamHead::Leave(Database& database, const RecordTables& records) {
  ++transaction_;
  DRAGNET_RETURN_IF_ERROR(
      database.Run("UPDATE stream_head SET position = ?, writer = ?, bytes = bytes + ?",
                   records.last_position(), writer_, records.stored_bytes()));
  if (transaction_ == 1)
    DRAGNET_RETURN_IF_ERROR(
        database.Run(StrCat("DELETE FROM writers WHERE written < ", database.now(), " - ?"),
                     absl::ToInt64Milliseconds(kForgetWritersAfter)));
  return database.Run(
      StrCat("INSERT INTO writers (writer, last_transaction, written) VALUES (?, ?, ",
             database.now(),
             ") ON CONFLICT (writer) DO UPDATE SET last_transaction = excluded.last_transaction,"
             " written = excluded.written"),
      writer_, transaction_);
}

absl::StatusOr<bool> StreamHead::WasCommitted(Database& database) {
  DRAGNET_RETURN_IF_ERROR(database.Begin(/*synced=*/true));
  absl::Cleanup rollback = [&] { database.Rollback(); };
  // What is left of the transaction holds this until it is through. And it is written: a
  // server that was started anew shows commits that the standby may not have. Only a commit of
  // our own, which comes after all of them, waits until it has them.
  DRAGNET_RETURN_IF_ERROR(database.Run("UPDATE stream_head SET position = position"));
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t last,
      database.IntegerOr(0, "SELECT last_transaction FROM writers WHERE writer = ?", writer_));
  std::move(rollback).Cancel();
  DRAGNET_RETURN_IF_ERROR(database.Commit());
  return last == transaction_;
}

// Only one that its client keeps waiting, not one that waits for the disk or the standby:
// ended, that one would be seen before the standby has it. Waiting itself for a lock
// isn't waiting for a client either.
absl::StatusOr<bool> StreamHead::EndWhoHangs(Database& database) {
  Query ended = database.Ask(StrCat(
      "SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
      " WHERE l.relation = CAST('stream_head' AS regclass) AND l.granted"
      " AND l.mode <> 'AccessShareLock' AND a.datname = current_database()"
      " AND a.usename = current_user AND a.application_name = current_setting('application_name')"
      " AND a.pid <> pg_backend_pid() AND a.wait_event_type = 'Client'"
      " AND a.state_change < clock_timestamp() - interval '",
      absl::ToInt64Seconds(kHangs), " seconds'"));
  bool any = false;
  while (ended.Next()) any = true;
  DRAGNET_RETURN_IF_ERROR(ended.status());
  return any;
}

}  // namespace dragnet::scheduler
