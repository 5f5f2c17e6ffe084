// The tables of the SQLite store, and who may open them. docs/store.md explains them.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/store/sqlite/sqlite_database.h"

namespace dragnet::scheduler {

// PRAGMA user_version of the tables that this program knows.
inline constexpr int kSchemaVersion = 7;

// Tables that version 2 added. SQL.
extern const char kTablesSince2[];
// What version 3 added for approvals. SQL.
extern const char kProposalsSince3[];
// What version 4 added: when records and states were stored, and one order of all.
extern const char kTablesSince4[];
// What version 5 added: sweeps, their runs and verdicts. SQL.
extern const char kTablesSince5[];
// What version 6 added: more of tokens, and hosts that wait to be let in. SQL.
extern const char kTablesSince6[];
// What version 7 added: what several schedulers agree on (coordination.h). SQL.
extern const char kTablesSince7[];

// A new, empty store with mode 0600. AlreadyExists if the file is there.
absl::Status CreateDatabase(const std::string& path);

// Whether a store of this size has all its pages checked before it is opened for
// writing. A larger one would keep the fleet waiting: of it only the small
// tables are, and CheckAllPages is for when there is time.
bool IsCheckedAtStart(const std::string& path);
// DataLoss for a damaged store: what is wrong, and what to do.
absl::Status CheckAllPages(Database& database, const std::string& path);

// NotFound; FailedPrecondition for a file that isn't a store or was written by a
// newer version.
absl::Status CheckIsStore(const std::string& path);

// Brings the tables of an older version to this one's, in one transaction. Only
// for who holds the store's lock: no other program may have it open.
// Errors as CheckIsStore, and DataLoss for a damaged one.
absl::Status BringUpToDate(const std::string& path);

// For writing. NotFound; FailedPrecondition for a file that isn't a store or
// was written by another version; DataLoss for a damaged one.
absl::StatusOr<std::unique_ptr<SqliteDatabase>> OpenForWriting(const std::string& path);
absl::StatusOr<std::unique_ptr<SqliteDatabase>> OpenForReading(const std::string& path);
// Also one of an older version: for who copies it as it is.
absl::StatusOr<std::unique_ptr<SqliteDatabase>> OpenForCopying(const std::string& path);

}  // namespace dragnet::scheduler
