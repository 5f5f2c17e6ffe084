#include "core/status_macros.h"
#include "scheduler/store/all_changes.h"
#include "scheduler/store/sqlite_store.h"

namespace dragnet::scheduler {

absl::StatusOr<uint64_t> SqliteStore::StreamIdentity() {
  ReadPool::Lease database = readers_->Take();
  return ReadStreamIdentity(*database);
}

absl::StatusOr<StreamPosition> SqliteStore::StreamBegin() {
  ReadPool::Lease database = readers_->Take();
  return ReadStreamBegin(*database);
}

absl::StatusOr<StreamPosition> SqliteStore::StreamEnd() {
  ReadPool::Lease database = readers_->Take();
  DRAGNET_RETURN_IF_ERROR(database->Run("BEGIN"));
  absl::StatusOr<StreamPosition> end = ReadStreamEnd(*database);
  DRAGNET_RETURN_IF_ERROR(database->Run("COMMIT"));
  return end;
}

absl::StatusOr<AllChanges> SqliteStore::ReadAllChanges(const StreamPosition& after,
                                                       size_t max_bytes) {
  ReadPool::Lease database = readers_->Take();
  // All cursors must see the same moment, or what is between them would be passed over.
  DRAGNET_RETURN_IF_ERROR(database->Run("BEGIN"));
  absl::StatusOr<AllChanges> all = ReadStream(*database, after, max_bytes);
  DRAGNET_RETURN_IF_ERROR(database->Run("COMMIT"));
  return all;
}

}  // namespace dragnet::scheduler
