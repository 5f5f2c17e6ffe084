// Which agents an action is for: a SQL boolean expression over the facts of one
// agent, e.g.  os='linux' and tags->>'env'='prod'
//
// SQLite evaluates it in memory, over a table of facts rows that is made here,
// with an authorizer that allows reading that table and calling a short list
// of functions, and under limits of length, depth and steps. The same code
// decides in the console, in the scheduler and in the agent.
//
// Columns: id, fleet_id, name, os, distribution, distribution_version, kernel,
// arch, version (text), tags, environment, addresses, modules (JSON text),
// boot_time (integer, seconds since 1970).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dragnet/v1/facts.pb.h"

struct sqlite3;
struct sqlite3_stmt;

namespace dragnet {

inline constexpr size_t kMaxTargetBytes = 4096;

// InvalidArgument, with SQLite's words, for what isn't a single expression over
// the columns above.
absl::Status ValidateTarget(std::string_view expression);

// Rows of facts that expressions are evaluated over. Not thread-safe.
class TargetTable {
 public:
  static absl::StatusOr<std::unique_ptr<TargetTable>> Create();
  ~TargetTable();
  TargetTable(const TargetTable&) = delete;
  TargetTable& operator=(const TargetTable&) = delete;

  // Inserts, or replaces the row with the same id.
  absl::Status Upsert(const v1::Facts& facts);
  absl::Status Remove(std::string_view agent_id);

  // Ids of the rows for which the expression is true (neither false nor null),
  // in order of id. InvalidArgument as ValidateTarget; ResourceExhausted when
  // an expression takes more than its steps.
  absl::StatusOr<std::vector<std::string>> Select(std::string_view expression) const;

 private:
  explicit TargetTable(sqlite3* database) : database_(database) {}
  absl::Status Prepare();

  sqlite3* database_;
  // Kept: a fleet that comes back at once replaces its rows by the thousand.
  sqlite3_stmt* insert_ = nullptr;
  sqlite3_stmt* delete_ = nullptr;
  int64_t rows_ = 0;
};

// For one row.
absl::StatusOr<bool> TargetMatches(std::string_view expression, const v1::Facts& facts);

}  // namespace dragnet
