#include "scheduler/store/open_store.h"

#include "core/status_macros.h"
#include "scheduler/store/postgres/postgres_engine.h"

namespace dragnet::scheduler {

bool IsPostgresUrl(std::string_view store) {
  return store.starts_with("postgresql://") || store.starts_with("postgres://");
}

absl::StatusOr<std::unique_ptr<SqlStore>> OpenStore(const StoreOptions& options) {
  const SqlStoreOptions sql = {.shared = options.shared};
  if (!IsPostgresUrl(options.store)) return SqliteStore::Open(options.store, options.use, sql);
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<PostgresEngine> engine,
                           PostgresEngine::Open(options.store, options.blob_directory));
  return SqlStore::Open(std::move(engine), sql);
}

}  // namespace dragnet::scheduler
