#include "core/sql_expression.h"

#include <sqlite3.h>

#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet {
namespace {

// Pure, cheap functions. What isn't here is refused: files, extensions, random
// values, the clock, and everything that can build large values.
constexpr std::string_view kAllowedFunctions[] = {"->",           "->>",       "abs",
                                                  "coalesce",     "glob",      "ifnull",
                                                  "iif",          "instr",     "json_array_length",
                                                  "json_extract", "json_type", "json_valid",
                                                  "length",       "like",      "lower",
                                                  "ltrim",        "max",       "min",
                                                  "nullif",       "rtrim",     "substr",
                                                  "substring",    "trim",      "typeof",
                                                  "upper"};

// What one prepared expression may do; counts its SELECTs.
struct Authorizer {
  std::string_view table;
  int selects = 0;

  static int Check(void* self, int action, const char* first, const char* second, const char*,
                   const char*) {
    auto* authorizer = static_cast<Authorizer*>(self);
    switch (action) {
      case SQLITE_SELECT:
        return ++authorizer->selects == 1 ? SQLITE_OK : SQLITE_DENY;
      case SQLITE_READ:
        return first == authorizer->table ? SQLITE_OK : SQLITE_DENY;
      case SQLITE_FUNCTION:
        for (const std::string_view name : kAllowedFunctions) {
          if (name == second) return SQLITE_OK;
        }
        return SQLITE_DENY;
      default:
        return SQLITE_DENY;
    }
  }
};

absl::Status Invalid(const SqlExpressionUse& use, std::string_view problem) {
  return absl::InvalidArgumentError(StrCat(use.subject, ": ", problem));
}

// The authorizer counts SELECTs, but SQLite answers `x IN (SELECT id FROM agent)`
// from the table itself without asking it.
bool IsSubqueryWord(std::string_view word) {
  return absl::EqualsIgnoreCase(ToAbsl(word), "select") ||
         absl::EqualsIgnoreCase(ToAbsl(word), "values") ||
         absl::EqualsIgnoreCase(ToAbsl(word), "with");
}

// That `expression` can't end before the parenthesis that is put around it:
// SQLite's own parser judges the rest.
absl::Status CheckSelfContained(const SqlExpressionUse& use, std::string_view expression) {
  if (expression.empty())
    return Invalid(use, StrCat("empty", use.empty_hint.empty() ? "" : "; ", use.empty_hint));
  if (expression.size() > kMaxSqlExpressionBytes) {
    return Invalid(use, StrCat(expression.size(), " bytes, at most ", kMaxSqlExpressionBytes));
  }
  if (expression.find('\0') != std::string_view::npos) return Invalid(use, "contains a zero byte");
  int depth = 0;
  for (size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    const char next = i + 1 < expression.size() ? expression[i + 1] : '\0';
    if (c == '\'' || c == '"' || c == '`' || c == '[') {
      i = EndOfSqlQuoted(expression, i);
      if (i == std::string_view::npos)
        return Invalid(use, StrCat("a ", std::string(1, c), " is not closed"));
    } else if (c == '(') {
      ++depth;
    } else if (c == ')') {
      if (--depth < 0) return Invalid(use, "a ) without its (");
    } else if (c == ';') {
      return Invalid(use, "; is not allowed: one expression only");
    } else if ((c == '-' && next == '-') || (c == '/' && next == '*')) {
      return Invalid(use, "comments are not allowed");
    } else if (IsSqlWordCharacter(c)) {
      size_t end = i;
      while (end < expression.size() && IsSqlWordCharacter(expression[end])) ++end;
      if (IsSubqueryWord(expression.substr(i, end - i)))
        return Invalid(use, "subqueries are not allowed");
      i = end - 1;
    } else if (c == '?' || c == '@' || c == '$' || c == ':' || c == '#') {
      return Invalid(use, StrCat("parameters (", std::string(1, c), ") are not allowed"));
    }
  }
  if (depth != 0) return Invalid(use, "a ( without its )");
  return absl::OkStatus();
}

}  // namespace

void LimitSqlConnection(sqlite3* database) {
  const std::pair<int, int> limits[] = {{SQLITE_LIMIT_LENGTH, 1 << 20},
                                        {SQLITE_LIMIT_SQL_LENGTH, 64 * 1024},
                                        {SQLITE_LIMIT_COLUMN, 32},
                                        {SQLITE_LIMIT_EXPR_DEPTH, 100},
                                        {SQLITE_LIMIT_COMPOUND_SELECT, 1},
                                        {SQLITE_LIMIT_VDBE_OP, 25000},
                                        {SQLITE_LIMIT_FUNCTION_ARG, 16},
                                        {SQLITE_LIMIT_ATTACHED, 0},
                                        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256},
                                        {SQLITE_LIMIT_VARIABLE_NUMBER, 32},
                                        {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
                                        {SQLITE_LIMIT_WORKER_THREADS, 0}};
  for (const auto& [id, value] : limits) sqlite3_limit(database, id, value);
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  // "linux" in double quotes is a mistake for 'linux', not a string.
  sqlite3_db_config(database, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
}

absl::StatusOr<SqlStatement> PrepareSqlExpression(sqlite3* database, const SqlExpressionUse& use,
                                                  std::string_view expression) {
  DRAGNET_RETURN_IF_ERROR(CheckSelfContained(use, expression));
  // CheckSelfContained: the expression can't leave these parentheses.
  const std::string sql = StrCat(use.before, " (\n", expression, "\n)", use.after);
  Authorizer authorizer{use.table};
  sqlite3_set_authorizer(database, Authorizer::Check, &authorizer);
  const absl::Cleanup unset = [&] { sqlite3_set_authorizer(database, nullptr, nullptr); };
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const int result =
      sqlite3_prepare_v3(database, sql.data(), static_cast<int>(sql.size()), 0, &raw, &tail);
  SqlStatement statement(raw);
  if (result == SQLITE_AUTH) {
    return Invalid(use, StrCat("uses what is not allowed here (only ", use.readable,
                               " and simple functions are): ", sqlite3_errmsg(database)));
  }
  if (result != SQLITE_OK) return Invalid(use, sqlite3_errmsg(database));
  if (statement == nullptr || tail != sql.data() + sql.size())
    return Invalid(use, "not one expression");
  return statement;
}

void SqlStatementDeleter::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

absl::StatusOr<sqlite3*> OpenMemoryDatabase() {
  sqlite3* database = nullptr;
  const int result = sqlite3_open_v2(
      ":memory:", &database,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
      nullptr);
  if (result == SQLITE_OK) return database;
  sqlite3_close_v2(database);
  return absl::InternalError("open in-memory database");
}

// A doubled quote is two literals in a row to this scan: the same end.
size_t EndOfSqlQuoted(std::string_view text, size_t start) {
  return text.find(text[start] == '[' ? ']' : text[start], start + 1);
}

bool IsSqlWordCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
}

SqlSteps::SqlSteps(sqlite3* database) : database_(database) {
  sqlite3_progress_handler(database_, kInstructionsPerSqlStep, Step, this);
}

SqlSteps::~SqlSteps() { sqlite3_progress_handler(database_, 0, nullptr, nullptr); }

int SqlSteps::Step(void* self) { return --static_cast<SqlSteps*>(self)->remaining_ <= 0 ? 1 : 0; }

}  // namespace dragnet
