// `dragnet-scheduler migrate`: makes or updates the tables of a PostgreSQL store, and moves
// a SQLite store into it. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragnet::scheduler {

// What the command line says.
struct MigrationWords {
  // "sqlite:FILE", "sqlite", or nothing.
  std::string from;
  // "postgresql://…", or "postgresql".
  std::string to;
  std::string url;
  // Of scheduler.toml; may be empty.
  std::string config;
  // Of the scheduler from now on; may be empty.
  std::string name;
};

// Where that leads.
struct Migration {
  // Empty: only tables are made.
  std::string file;
  std::string url;
  // Where what lies beside the file goes (local_files.h); empty: there is nothing.
  std::string local_files;
};

// InvalidArgument: they don't say from where to where, or a URL that no scheduler may use.
absl::StatusOr<Migration> ReadMigration(const MigrationWords& words);

struct MovedTable {
  std::string name;
  uint64_t rows = 0;
  // Over all rows, on both sides.
  std::string hash;
};

// Everything that the store at `path` holds, into the PostgreSQL store at `url`, whose
// tables are there (MigratePostgres) and hold nothing. All of it in one transaction, in which
// every table is then read back and compared, row count and hash: either all of it is
// there as it was, or nothing. The file is not changed.
//
// Unavailable: a scheduler runs on it, or PostgreSQL can't be reached. AlreadyExists:
// the target holds data. DataLoss: what was read back is not what was written.
absl::StatusOr<std::vector<MovedTable>> MoveStore(const std::string& path, const std::string& url);

// After the database went back to an earlier moment: its positions will come again for other
// things, so cursors of before must not be taken for ones of now (all_changes.h).
absl::Status RenewStreamIdentity(const std::string& url);

// For people.
std::string DescribeMoved(const std::vector<MovedTable>& tables);

}  // namespace dragnet::scheduler
