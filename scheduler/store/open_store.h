// Opens a store by what the settings say of it: a path, or the URL of a server.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "scheduler/store/sql_store.h"
#include "scheduler/store/sqlite_store.h"

namespace dragnet::scheduler {

struct StoreOptions {
  // Of an SQLite file; or postgresql://… as libpq takes it, with TLS and several hosts.
  std::string store;
  StoreUse use = StoreUse::kRun;
  // Several schedulers use it: what all must learn goes to the outbox.
  bool shared = false;
  // Of a server: where this scheduler's blobs are, for StoreSizes. Those of an SQLite store
  // are beside it.
  std::string blob_directory{};
};

bool IsPostgresUrl(std::string_view store);

// Errors as SqliteStore::Open and PostgresEngine::Open. Retention::Open and Upkeep::Start
// take what it gives.
absl::StatusOr<std::unique_ptr<SqlStore>> OpenStore(const StoreOptions& options);

}  // namespace dragnet::scheduler
