#include "scheduler/store/migration.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/record_tables.h"
#include "scheduler/store/schema.h"

namespace dragnet::scheduler {
namespace {

struct OperationKey {
  int64_t action = 0;
  int64_t agent = 0;
  int64_t operation = 0;
  int64_t last_sequence = 0;
};

// The newest kMaxMissingRecords: gaps of version 1 had no bound. Older ones count as
// repeated from then on, if they still come; nothing says that they are there.
absl::StatusOr<std::string> MissingOf(Database& database, const OperationKey& key) {
  Query query = database.Ask(
      "SELECT sequence FROM records WHERE action = ? AND agent = ? AND occurrence = 0"
      " AND operation = ? ORDER BY sequence DESC",
      key.action, key.agent, key.operation);
  // From the newest record down, so that what is kept bounds what is done.
  std::vector<int64_t> missing;
  std::optional<int64_t> above;
  while (missing.size() < kMaxMissingRecords) {
    const bool found = query.Next();
    const int64_t sequence = found ? query.Integer(0) : 0;
    if (above.has_value())
      for (int64_t next = *above - 1; next > sequence && missing.size() < kMaxMissingRecords;
           --next)
        missing.push_back(next);
    if (!found) break;
    above = sequence;
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  std::reverse(missing.begin(), missing.end());
  return absl::StrJoin(missing, " ");
}

// Version 1 knew repeated records by an index of all.
absl::Status NoteMissingRecords(Database& database) {
  std::vector<OperationKey> with_gaps;
  {
    Query query = database.Ask(
        "SELECT action, agent, operation, last_sequence FROM pair_operations"
        " WHERE records < last_sequence");
    while (query.Next())
      with_gaps.push_back({.action = query.Integer(0),
                           .agent = query.Integer(1),
                           .operation = query.Integer(2),
                           .last_sequence = query.Integer(3)});
    DRAGNET_RETURN_IF_ERROR(query.status());
  }
  for (const OperationKey& key : with_gaps) {
    DRAGNET_ASSIGN_OR_RETURN(const std::string missing, MissingOf(database, key));
    DRAGNET_RETURN_IF_ERROR(
        database.Run("UPDATE pair_operations SET missing = ?"
                     " WHERE action = ? AND agent = ? AND operation = ?",
                     missing, key.action, key.agent, key.operation));
  }
  return absl::OkStatus();
}

absl::Status NoteFailed(Database& database) {
  struct Key {
    int64_t action = 0;
    int64_t agent = 0;
    size_t operations = 0;
  };
  std::vector<Key> failed;
  {
    Query query = database.Ask(
        "SELECT p.action, p.agent,"
        " (SELECT count(*) FROM action_bounds b WHERE b.action = p.action) FROM pairs p");
    while (query.Next()) {
      const Key key = {.action = query.Integer(0),
                       .agent = query.Integer(1),
                       .operations = static_cast<size_t>(query.Integer(2))};
      DRAGNET_ASSIGN_OR_RETURN(const std::optional<Pair> pair,
                               ReadPair(database, key.action, key.agent, key.operations));
      if (pair.has_value() && Failed(*pair)) failed.push_back(key);
    }
    DRAGNET_RETURN_IF_ERROR(query.status());
  }
  for (const Key& key : failed)
    DRAGNET_RETURN_IF_ERROR(database.Run(
        "UPDATE pairs SET failed = 1 WHERE action = ? AND agent = ?", key.action, key.agent));
  return absl::OkStatus();
}

absl::Status FromVersion1(Database& database) {
  DRAGNET_RETURN_IF_ERROR(
      database.Execute("ALTER TABLE pairs ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;"
                       "ALTER TABLE pair_operations ADD COLUMN missing TEXT NOT NULL DEFAULT ''"));
  DRAGNET_RETURN_IF_ERROR(NoteMissingRecords(database));
  DRAGNET_RETURN_IF_ERROR(NoteFailed(database));
  return database.Execute(StrCat("DROP INDEX records_by_key;", kTablesSince2));
}

absl::Status AddProposals(Database& database) {
  return database.Execute(
      StrCat("ALTER TABLE agents ADD COLUMN limits TEXT NOT NULL DEFAULT '';", kProposalsSince3));
}

}  // namespace

absl::Status Migrate(Database& database, int from) {
  if (from < 2) DRAGNET_RETURN_IF_ERROR(FromVersion1(database));
  if (from < 3) DRAGNET_RETURN_IF_ERROR(AddProposals(database));
  if (from < 4) DRAGNET_RETURN_IF_ERROR(database.Execute(kTablesSince4));
  if (from < 5) DRAGNET_RETURN_IF_ERROR(database.Execute(kTablesSince5));
  if (from < 6) DRAGNET_RETURN_IF_ERROR(database.Execute(kTablesSince6));
  if (from < 7) DRAGNET_RETURN_IF_ERROR(database.Execute(kTablesSince7));
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
