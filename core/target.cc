#include "core/target.h"

#include <sqlite3.h>

#include <array>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "core/json.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

// SQLite instructions that one evaluation may take: 1000 for each row, and a
// thousand times that for the rest.
constexpr int kInstructionsPerStep = 1000;
constexpr int64_t kBaseSteps = 1000;

constexpr char kSchema[] =
    "CREATE TABLE agent(id TEXT PRIMARY KEY, fleet_id TEXT, name TEXT, os TEXT, distribution TEXT,"
    " distribution_version TEXT, kernel TEXT, arch TEXT, version TEXT, tags TEXT,"
    " environment TEXT, addresses TEXT, modules TEXT, boot_time INTEGER) WITHOUT ROWID";

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
  int selects = 0;

  static int Check(void* self, int action, const char* first, const char* second, const char*,
                   const char*) {
    auto* authorizer = static_cast<Authorizer*>(self);
    switch (action) {
      case SQLITE_SELECT:
        return ++authorizer->selects == 1 ? SQLITE_OK : SQLITE_DENY;
      case SQLITE_READ:
        return std::strcmp(first, "agent") == 0 ? SQLITE_OK : SQLITE_DENY;
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

struct StatementDeleter {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementPtr = std::unique_ptr<sqlite3_stmt, StatementDeleter>;

absl::Status Invalid(std::string_view problem) {
  return absl::InvalidArgumentError(StrCat("target expression: ", problem));
}

// The closing quote of the literal or identifier that opens at `start`, or npos.
size_t EndOfQuoted(std::string_view text, size_t start) {
  const char close = text[start] == '[' ? ']' : text[start];
  // A doubled quote is two literals in a row to this scan: the same end.
  return text.find(close, start + 1);
}

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
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
absl::Status CheckSelfContained(std::string_view expression) {
  if (expression.empty()) return Invalid("empty; \"true\" means every agent");
  if (expression.size() > kMaxTargetBytes) {
    return Invalid(StrCat(expression.size(), " bytes, at most ", kMaxTargetBytes));
  }
  if (expression.find('\0') != std::string_view::npos) return Invalid("contains a zero byte");
  int depth = 0;
  for (size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    const char next = i + 1 < expression.size() ? expression[i + 1] : '\0';
    if (c == '\'' || c == '"' || c == '`' || c == '[') {
      i = EndOfQuoted(expression, i);
      if (i == std::string_view::npos)
        return Invalid(StrCat("a ", std::string(1, c), " is not closed"));
    } else if (c == '(') {
      ++depth;
    } else if (c == ')') {
      if (--depth < 0) return Invalid("a ) without its (");
    } else if (c == ';') {
      return Invalid("; is not allowed: one expression only");
    } else if ((c == '-' && next == '-') || (c == '/' && next == '*')) {
      return Invalid("comments are not allowed");
    } else if (IsWordCharacter(c)) {
      size_t end = i;
      while (end < expression.size() && IsWordCharacter(expression[end])) ++end;
      if (IsSubqueryWord(expression.substr(i, end - i)))
        return Invalid("subqueries are not allowed");
      i = end - 1;
    } else if (c == '?' || c == '@' || c == '$' || c == ':' || c == '#') {
      return Invalid(StrCat("parameters (", std::string(1, c), ") are not allowed"));
    }
  }
  if (depth != 0) return Invalid("a ( without its )");
  return absl::OkStatus();
}

void LimitConnection(sqlite3* database) {
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

absl::StatusOr<StatementPtr> PrepareExpression(sqlite3* database, std::string_view expression) {
  DRAGNET_RETURN_IF_ERROR(CheckSelfContained(expression));
  // CheckSelfContained: the expression can't leave these parentheses.
  const std::string sql = StrCat("SELECT id FROM agent WHERE (\n", expression, "\n) ORDER BY id");
  Authorizer authorizer;
  sqlite3_set_authorizer(database, Authorizer::Check, &authorizer);
  const absl::Cleanup unset = [&] { sqlite3_set_authorizer(database, nullptr, nullptr); };
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const int result =
      sqlite3_prepare_v3(database, sql.data(), static_cast<int>(sql.size()), 0, &raw, &tail);
  StatementPtr statement(raw);
  if (result == SQLITE_AUTH) {
    return Invalid(
        StrCat("uses what is not allowed here (only the columns of the facts and "
               "simple functions are): ",
               sqlite3_errmsg(database)));
  }
  if (result != SQLITE_OK) return Invalid(sqlite3_errmsg(database));
  if (statement == nullptr || tail != sql.data() + sql.size()) return Invalid("not one expression");
  return statement;
}

// The columns in the order of kSchema.
std::array<std::string, 13> TextColumns(const v1::Facts& facts) {
  return {facts.id(),
          facts.fleet_id(),
          facts.name(),
          facts.os(),
          facts.distribution(),
          facts.distribution_version(),
          facts.kernel(),
          facts.arch(),
          facts.version(),
          JsonObject({facts.tags().begin(), facts.tags().end()}),
          JsonObject({facts.environment().begin(), facts.environment().end()}),
          JsonArray({facts.addresses().begin(), facts.addresses().end()}),
          JsonArray({facts.modules().begin(), facts.modules().end()})};
}

int StopAfterSteps(void* remaining) { return --*static_cast<int64_t*>(remaining) <= 0 ? 1 : 0; }

}  // namespace

absl::StatusOr<std::unique_ptr<TargetTable>> TargetTable::Create() {
  sqlite3* database = nullptr;
  const int result = sqlite3_open_v2(
      ":memory:", &database,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
      nullptr);
  std::unique_ptr<TargetTable> table(new TargetTable(database));
  if (result != SQLITE_OK) return absl::InternalError("open in-memory database");
  // Large pages: a scan of all agents goes along the memory, and no row is in two pieces.
  sqlite3_exec(database, "PRAGMA temp_store=MEMORY; PRAGMA page_size=65536", nullptr, nullptr,
               nullptr);
  if (sqlite3_exec(database, kSchema, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return absl::InternalError(StrCat("target table: ", sqlite3_errmsg(database)));
  }
  LimitConnection(database);
  DRAGNET_RETURN_IF_ERROR(table->Prepare());
  return table;
}

TargetTable::~TargetTable() {
  sqlite3_finalize(insert_);
  sqlite3_finalize(delete_);
  sqlite3_close_v2(database_);
}

absl::Status TargetTable::Prepare() {
  const int inserting =
      sqlite3_prepare_v3(database_, "INSERT INTO agent VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)", -1,
                         SQLITE_PREPARE_PERSISTENT, &insert_, nullptr);
  const int deleting = sqlite3_prepare_v3(database_, "DELETE FROM agent WHERE id=?", -1,
                                          SQLITE_PREPARE_PERSISTENT, &delete_, nullptr);
  if (inserting == SQLITE_OK && deleting == SQLITE_OK) return absl::OkStatus();
  return absl::InternalError(StrCat("target table: ", sqlite3_errmsg(database_)));
}

absl::Status TargetTable::Upsert(const v1::Facts& facts) {
  DRAGNET_RETURN_IF_ERROR(Remove(facts.id()));
  const absl::Cleanup reset = [&] {
    sqlite3_reset(insert_);
    sqlite3_clear_bindings(insert_);
  };
  const auto columns = TextColumns(facts);
  int index = 1;
  for (const std::string& column : columns) {
    sqlite3_bind_text64(insert_, index++, column.data(), column.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  sqlite3_bind_int64(insert_, index, facts.boot_time().seconds());
  if (sqlite3_step(insert_) != SQLITE_DONE) {
    return absl::InternalError(StrCat("target table: ", sqlite3_errmsg(database_)));
  }
  ++rows_;
  return absl::OkStatus();
}

absl::Status TargetTable::Remove(std::string_view agent_id) {
  const absl::Cleanup reset = [&] {
    sqlite3_reset(delete_);
    sqlite3_clear_bindings(delete_);
  };
  sqlite3_bind_text64(delete_, 1, agent_id.data(), agent_id.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (sqlite3_step(delete_) != SQLITE_DONE) {
    return absl::InternalError(StrCat("target table: ", sqlite3_errmsg(database_)));
  }
  rows_ -= sqlite3_changes(database_);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> TargetTable::Select(std::string_view expression) const {
  DRAGNET_ASSIGN_OR_RETURN(const StatementPtr statement, PrepareExpression(database_, expression));
  std::vector<std::string> ids;
  int64_t steps = kBaseSteps + rows_;
  sqlite3_progress_handler(database_, kInstructionsPerStep, StopAfterSteps, &steps);
  const absl::Cleanup unset = [&] { sqlite3_progress_handler(database_, 0, nullptr, nullptr); };
  while (true) {
    const int result = sqlite3_step(statement.get());
    if (result == SQLITE_DONE) return ids;
    if (result == SQLITE_INTERRUPT) {
      return absl::ResourceExhaustedError("target expression: takes too many steps");
    }
    if (result != SQLITE_ROW) return Invalid(sqlite3_errmsg(database_));
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), 0));
    ids.emplace_back(text, static_cast<size_t>(sqlite3_column_bytes(statement.get(), 0)));
  }
}

absl::Status ValidateTarget(std::string_view expression) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<TargetTable> table, TargetTable::Create());
  return table->Select(expression).status();
}

absl::StatusOr<bool> TargetMatches(std::string_view expression, const v1::Facts& facts) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<TargetTable> table, TargetTable::Create());
  DRAGNET_RETURN_IF_ERROR(table->Upsert(facts));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> ids, table->Select(expression));
  return !ids.empty();
}

}  // namespace dragnet
