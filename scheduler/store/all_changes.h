// The store's side of reading everything that happened, of all actions, in
// one order (Store::ReadAllChanges): which store the positions belong to, and what
// retention took out of the order.
//
// Positions rise, and become visible in their order, because one writer gives
// them out and commits them. None is ever given twice: not after retention
// removed the newest records, nor after a power cut that undid the last commits.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/store/database.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

// More than a power cut or a failover can undo: each start, and each new connection of
// one writer of several, goes on counting behind this gap, so that a position which
// someone has read is not given to something else.
inline constexpr uint64_t kGapInPositions = uint64_t{1} << 20;

// Makes what this file keeps where it isn't there yet. Of an SQLite store.
absl::Status PrepareStream(Database& database);

// A store that is opened after this has another identity: cursors of what the
// database was copied from say nothing of what happens to this copy.
absl::Status ForgetStreamIdentity(Database& database);

// Inside each transaction that removes results of this action, before it does.
absl::Status NoteRemoval(Database& database, int64_t action);

// The same for changes of this sweep's verdicts up to this position.
absl::Status NoteRemovalOfChanges(Database& database, int64_t sweep, uint64_t last_position);

// After which a scheduler that starts goes on counting.
absl::StatusOr<uint64_t> LastPositionEver(Database& database);

absl::StatusOr<uint64_t> ReadStreamIdentity(Database& database);
absl::StatusOr<StreamPosition> ReadStreamBegin(Database& database);
absl::StatusOr<StreamPosition> ReadStreamEnd(Database& database);
// Inside of a transaction, so that all its queries see the same moment.
absl::StatusOr<AllChanges> ReadStream(Database& database, const StreamPosition& after,
                                      size_t max_bytes);

}  // namespace dragnet::scheduler
