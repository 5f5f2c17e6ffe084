// The store in one SQLite file. Tables: schema.cc. Thread-safe, as store.h says.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "scheduler/store/sql_store.h"

namespace dragnet::scheduler {

enum class StoreUse {
  // The scheduler that runs: there can be only one, as it numbers what happens.
  kRun,
  // A command beside it that adds tokens or certificates.
  kCommand,
};

class SqliteStore : public SqlStore {
 public:
  // A new, empty store. AlreadyExists if the file is there.
  static absl::Status Create(const std::string& path);
  // NotFound, FailedPrecondition (not a store, or of a newer version),
  // DataLoss (damaged), Unavailable (another scheduler runs on it).
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path, StoreUse use,
                                                           const SqlStoreOptions& options = {});

 private:
  explicit SqliteStore(Parts parts) : SqlStore(std::move(parts)) {}
};

}  // namespace dragnet::scheduler
