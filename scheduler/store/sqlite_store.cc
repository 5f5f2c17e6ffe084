#include "scheduler/store/sqlite_store.h"

#include "core/status_macros.h"
#include "core/unique_fd.h"
#include "scheduler/store/schema.h"
#include "scheduler/store/sqlite/sqlite_engine.h"
#include "scheduler/store/store_lock.h"

namespace dragnet::scheduler {

absl::Status SqliteStore::Create(const std::string& path) { return CreateDatabase(path); }

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               StoreUse use,
                                                               const SqlStoreOptions& options) {
  UniqueFd lock;
  if (use == StoreUse::kRun) {
    // Before the lock file is made beside a store that isn't there.
    DRAGNET_RETURN_IF_ERROR(CheckIsStore(path));
    DRAGNET_ASSIGN_OR_RETURN(lock, TakeStoreLock(path));
    DRAGNET_RETURN_IF_ERROR(BringUpToDate(path));
  }
  DRAGNET_ASSIGN_OR_RETURN(
      Parts parts, OpenParts(std::make_unique<SqliteEngine>(path, std::move(lock)), options));
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(parts)));
}

}  // namespace dragnet::scheduler
