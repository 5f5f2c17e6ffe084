#include "scheduler/store/postgres/postgres_engine.h"

#include <algorithm>

#include "core/status_macros.h"
#include "scheduler/observe/process_stats.h"
#include "scheduler/store/postgres/migrations.h"
#include "scheduler/store/postgres/postgres_database.h"

namespace dragnet::scheduler {
namespace {

// Of transactions about leases and sessions: each works on what the one before left.
constexpr int64_t kCoordinationLock = 0x6472676e'636f6f72;  // "drgncoor"

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresEngine>> PostgresEngine::Open(
    const std::string& url, const std::string& blob_directory) {
  DRAGNET_ASSIGN_OR_RETURN(std::string name, PostgresDatabase::NameOf(url));
  {
    DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<PostgresDatabase> database,
                             PostgresDatabase::Open(url, {.read_only = true}));
    DRAGNET_RETURN_IF_ERROR(CheckPostgresSchema(*database, name));
  }
  return std::unique_ptr<PostgresEngine>(new PostgresEngine(url, std::move(name), blob_directory));
}

absl::StatusOr<std::unique_ptr<Database>> PostgresEngine::OpenWriter() {
  return PostgresDatabase::Open(url_, {});
}

absl::StatusOr<std::unique_ptr<Database>> PostgresEngine::OpenReader() {
  return PostgresDatabase::Open(url_, {.read_only = true});
}

absl::StatusOr<std::unique_ptr<Database>> PostgresEngine::OpenCoordinator() {
  // Short: a scheduler that doesn't keep its leases gives its agents up.
  return PostgresDatabase::Open(url_, {.statement = absl::Seconds(5),
                                       .lock = absl::Seconds(3),
                                       .idle_in_transaction = absl::Seconds(3),
                                       .excluding = kCoordinationLock});
}

absl::StatusOr<std::unique_ptr<Database>> PostgresEngine::OpenCoordinationReader() {
  return PostgresDatabase::Open(url_, {.statement = absl::Seconds(5),
                                       .lock = absl::Seconds(3),
                                       .idle_in_transaction = absl::Seconds(3),
                                       .read_only = true});
}

absl::StatusOr<StoreSizes> PostgresEngine::Sizes(Database& reader) {
  StoreSizes sizes;
  DRAGNET_ASSIGN_OR_RETURN(const int64_t bytes,
                           reader.IntegerOr(0, "SELECT pg_database_size(current_database())"));
  sizes.database_bytes = static_cast<uint64_t>(bytes);
  if (!blob_directory_.empty()) sizes.blob_bytes = DirectoryBytes(blob_directory_);
  return sizes;
}

absl::StatusOr<uint64_t> PostgresEngine::BytesUsed(Database& reader) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t bytes,
                           reader.IntegerOr(0, "SELECT bytes FROM stream_head"));
  return static_cast<uint64_t>(std::max<int64_t>(0, bytes));
}

}  // namespace dragnet::scheduler
