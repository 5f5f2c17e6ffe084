#include "core/status_macros.h"
#include "scheduler/store/all_changes.h"
#include "scheduler/store/sql_store.h"

namespace dragnet::scheduler {

absl::StatusOr<uint64_t> SqlStore::StreamIdentity() {
  ReadPool::Loan database = readers_->Take();
  return ReadStreamIdentity(*database);
}

absl::StatusOr<StreamPosition> SqlStore::StreamBegin() {
  ReadPool::Loan database = readers_->Take();
  return ReadStreamBegin(*database);
}

absl::StatusOr<StreamPosition> SqlStore::StreamEnd() {
  ReadPool::Loan database = readers_->Take();
  return InSnapshot(*database, [&] { return ReadStreamEnd(*database); });
}

absl::StatusOr<AllChanges> SqlStore::ReadAllChanges(const StreamPosition& after, size_t max_bytes) {
  ReadPool::Loan database = readers_->Take();
  // All cursors must see the same moment, or what is between them would be passed over.
  return InSnapshot(*database, [&] { return ReadStream(*database, after, max_bytes); });
}

}  // namespace dragnet::scheduler
