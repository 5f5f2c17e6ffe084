// The tables of a PostgreSQL store, and who may do what with them. Made by a command with
// the role that owns them; a scheduler runs with another one, which can read and write
// rows, and no more.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "scheduler/store/database.h"

namespace dragnet::scheduler {

// Of schema_migrations: what this program works with.
inline constexpr int kPostgresSchemaVersion = 1;

// Brings the tables to this program's version, all or nothing, and lets `runtime_role`,
// which must be there, run schedulers on them. Again changes nothing. FailedPrecondition:
// a newer version made them, or there is no such role.
absl::Status MigratePostgres(const std::string& owner_url, const std::string& runtime_role);

// FailedPrecondition, with the command to run, for tables of another version and for a
// database without any.
absl::Status CheckPostgresSchema(Database& database, const std::string& name);

}  // namespace dragnet::scheduler
