// Where the order of everything that happens ends, in a store that several schedulers write
// to: one row, which each writing transaction locks first. So there is one writer at a
// time over all of them; positions are given out in the order of commits, and no reader
// passes one over that becomes visible later. The row says who wrote last too: what
// anyone else knows of the tables may be wrong then.
//
// Belongs to the writer's thread.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/store/database.h"
#include "scheduler/store/record_tables.h"

namespace dragnet::scheduler {

class StreamHead {
 public:
  // This writer has a name of its own, which no other start of any scheduler has had.
  StreamHead();

  // First in a transaction: waits for the other writers. `records` goes on where they were.
  absl::Status Take(Database& database, RecordTables& records);
  // Last in a transaction.
  absl::Status Leave(Database& database, const RecordTables& records);
  // Whether the transaction that came to Leave was committed, after its connection was
  // lost. Waits until the database has dealt with what was left of it.
  absl::StatusOr<bool> WasCommitted(Database& database);
  // Ends the connections of schedulers that have stopped in the middle of a transaction, for
  // which all writers wait (COPY knows no bound of its own, and statement_timeout doesn't
  // count while the server waits for its client). Outside of a transaction. Whether there was one.
  static absl::StatusOr<bool> EndWhoHangs(Database& database);

 private:
  const int64_t writer_;
  // Of the last transaction that came to Leave.
  int64_t transaction_ = 0;
  // Of the last one. On a new one another server may have taken over, which doesn't know
  // of the last positions that were given out: they go on behind a gap.
  int64_t connection_ = 0;
};

}  // namespace dragnet::scheduler
