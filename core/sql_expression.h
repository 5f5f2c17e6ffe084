// SQL boolean expressions that someone writes and SQLite evaluates, in memory,
// over one table and nothing else: targets (core/target.h), and filters of rows
// in the console. An authorizer allows reading that table and calling a short
// list of functions; lengths, depth and steps are limited.
//
// Thread-safe: no state but that of the connection that is passed in.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace dragnet {

inline constexpr size_t kMaxSqlExpressionBytes = 4096;

// SQLite instructions in one step of a SqlSteps budget.
inline constexpr int kInstructionsPerSqlStep = 1000;

struct SqlStatementDeleter {
  void operator()(sqlite3_stmt* statement) const;
};
using SqlStatement = std::unique_ptr<sqlite3_stmt, SqlStatementDeleter>;

// A new private database in memory. The schema may still be made: limit it then.
absl::StatusOr<sqlite3*> OpenMemoryDatabase();

// Lengths, depth, no ATTACH, no extensions, no trust in the schema.
void LimitSqlConnection(sqlite3* database);

// What an expression is for, and the statement that it becomes part of.
struct SqlExpressionUse {
  // Begins every error: "target expression".
  std::string_view subject;
  // What it is evaluated over.
  std::string_view table;
  // Around the expression, which is put in parentheses of its own:
  // "SELECT id FROM agent WHERE", " ORDER BY id".
  std::string_view before;
  std::string_view after = "";
  // For people: what may be written in place of nothing, and what may be read.
  std::string_view empty_hint = "";
  std::string_view readable = "";
};

// InvalidArgument, with SQLite's words, for what isn't a single expression over
// the columns of the table. The statement can't read or change anything else.
absl::StatusOr<SqlStatement> PrepareSqlExpression(sqlite3* database, const SqlExpressionUse& use,
                                                  std::string_view expression);

// Position of the quote that closes the literal or identifier opened at
// `start`, or npos. 'it''s' is two in a row to it: the same end.
size_t EndOfSqlQuoted(std::string_view text, size_t start);
bool IsSqlWordCharacter(char c);

// Ends a statement (SQLITE_INTERRUPT) that takes more than its steps. Lives as
// long as the statements that it watches; one per connection.
class SqlSteps {
 public:
  explicit SqlSteps(sqlite3* database);
  ~SqlSteps();
  SqlSteps(const SqlSteps&) = delete;
  SqlSteps& operator=(const SqlSteps&) = delete;

  void Allow(int64_t steps) { remaining_ = steps; }

 private:
  static int Step(void* self);

  sqlite3* const database_;
  int64_t remaining_ = 0;
};

}  // namespace dragnet
