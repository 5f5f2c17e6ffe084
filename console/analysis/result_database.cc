#include "console/analysis/result_database.h"

#include <sqlite3.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "core/sql_expression.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/rows/row_values.h"

namespace dragnet::console {
namespace {

constexpr char kRows[] = "rows";
constexpr int kInstructionsPerLook = 10'000;

// What only computes. Whatever reads files, loads code or tells of the process
// isn't here.
constexpr std::string_view kFunctions[] = {
    // clang-format off
    "->", "->>", "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg", "ceil",
    "ceiling", "char", "coalesce", "cos", "cosh", "count", "cume_dist", "date",
    "datetime", "degrees", "dense_rank", "exp", "first_value", "floor", "format", "glob",
    "group_concat", "hex", "ifnull", "iif", "instr", "json", "json_array", "json_array_length",
    "json_extract", "json_group_array", "json_group_object", "json_insert", "json_object",
    "json_patch", "json_quote", "json_remove", "json_replace", "json_set", "json_type",
    "json_valid", "julianday", "lag", "last_value", "lead", "length", "like", "likelihood",
    "likely", "ln", "log", "log10", "log2", "lower", "ltrim", "max", "min", "mod", "nth_value",
    "ntile", "nullif", "percent_rank", "pi", "pow", "power", "printf", "quote", "radians", "rank",
    "replace", "round", "row_number", "rtrim", "sign", "sin", "sinh", "sqrt", "strftime", "substr",
    "substring", "sum", "tan", "tanh", "time", "total", "trim", "trunc", "typeof", "unicode",
    "unixepoch", "unlikely", "upper",
    // clang-format on
};

struct Table {
  std::string name;
  // Empty for hosts and refusals.
  std::vector<SqlColumn> columns;
  // All of them, in order, as they were declared.
  std::vector<std::string> names;
  // What the query reads of it; nothing at all: nothing is kept.
  bool read = false;
  std::vector<size_t> kept;
  SqlStatement insert;
};

// Names of SQLite's are without regard to case.
std::string Folded(std::string_view name) { return absl::AsciiStrToLower(ToAbsl(name)); }

// What the query asks to do; notes what it reads.
struct Authorizer {
  // Off while tables are made and filled.
  bool of_query = false;
  std::map<std::string, std::set<std::string>> reads;
  std::set<std::string> tables;
  std::string refused;

  int Refuse(std::string what) {
    if (refused.empty()) refused = std::move(what);
    return SQLITE_DENY;
  }

  int Judge(int action, std::string_view first, std::string_view second) {
    switch (action) {
      case SQLITE_SELECT:
      case SQLITE_RECURSIVE:
        return SQLITE_OK;
      case SQLITE_READ:
        // Lists in a column: json_each(rules).
        if (first == "json_each" || first == "json_tree") return SQLITE_OK;
        if (!tables.contains(Folded(first))) return Refuse(StrCat("reading ", first));
        reads[Folded(first)].insert(Folded(second));
        return SQLITE_OK;
      case SQLITE_FUNCTION:
        if (std::find(std::begin(kFunctions), std::end(kFunctions), second) != std::end(kFunctions))
          return SQLITE_OK;
        return Refuse(StrCat("function ", second));
      case SQLITE_ATTACH:
        return Refuse("ATTACH");
      case SQLITE_PRAGMA:
        return Refuse("PRAGMA");
      default:
        return Refuse("anything but SELECT");
    }
  }

  static int Check(void* self, int action, const char* first, const char* second, const char*,
                   const char*) {
    auto* authorizer = static_cast<Authorizer*>(self);
    if (!authorizer->of_query) return SQLITE_OK;
    return authorizer->Judge(action, first == nullptr ? "" : first,
                             second == nullptr ? "" : second);
  }
};

void Limit(sqlite3* database) {
  LimitSqlConnection(database);
  // A query is longer than a target's expression, and rows are wider.
  const std::pair<int, int> limits[] = {
      {SQLITE_LIMIT_LENGTH, 16 << 20},    {SQLITE_LIMIT_SQL_LENGTH, 2 * kMaxQueryBytes},
      {SQLITE_LIMIT_COLUMN, 2000},        {SQLITE_LIMIT_EXPR_DEPTH, 500},
      {SQLITE_LIMIT_COMPOUND_SELECT, 50}, {SQLITE_LIMIT_VDBE_OP, 250'000},
      {SQLITE_LIMIT_FUNCTION_ARG, 100},   {SQLITE_LIMIT_VARIABLE_NUMBER, 2000}};
  for (const auto& [id, value] : limits) sqlite3_limit(database, id, value);
}

std::string Number(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

Value ValueAt(sqlite3_stmt* statement, int index) {
  const auto bytes = [&](const void* data) {
    return std::string(static_cast<const char*>(data),
                       static_cast<size_t>(sqlite3_column_bytes(statement, index)));
  };
  switch (sqlite3_column_type(statement, index)) {
    case SQLITE_INTEGER:
      return Value::Number(StrCat(sqlite3_column_int64(statement, index)));
    case SQLITE_FLOAT: {
      const double value = sqlite3_column_double(statement, index);
      if (std::isfinite(value)) return Value::Number(Number(value));
      return Value::Text(value > 0 ? "Infinity" : "-Infinity");
    }
    case SQLITE_TEXT:
      return Value::Text(bytes(sqlite3_column_text(statement, index)));
    case SQLITE_BLOB:
      return Value::Text(HexEncode(bytes(sqlite3_column_blob(statement, index))));
    default:
      return Value::Null();
  }
}

void BindText(sqlite3_stmt* statement, int index, std::string_view text) {
  sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

// `text` lives until the statement was stepped.
void Bind(sqlite3_stmt* statement, int index, const SqlValue& value) {
  switch (value.kind) {
    case SqlValue::Kind::kNull:
      sqlite3_bind_null(statement, index);
      break;
    case SqlValue::Kind::kInteger:
      sqlite3_bind_int64(statement, index, value.integer);
      break;
    case SqlValue::Kind::kReal:
      sqlite3_bind_double(statement, index, value.real);
      break;
    case SqlValue::Kind::kText:
      BindText(statement, index, value.text);
      break;
  }
}

// A name that stands twice would be lost to who reads JSON.
std::vector<std::string> AnswerColumns(sqlite3_stmt* statement) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (int i = 0; i < sqlite3_column_count(statement); ++i) {
    const char* given = sqlite3_column_name(statement, i);
    const std::string name = given == nullptr ? "" : given;
    std::string unique = name;
    for (int n = 2; !taken.insert(unique).second; ++n) unique = StrCat(name, "_", n);
    names.push_back(std::move(unique));
  }
  return names;
}

const SchemaColumn kAgent = {"agent", "TEXT", nullptr, "The host's name, as it says itself."};
const SchemaColumn kAgentId = {"agent_id", "TEXT", nullptr, "Its identity."};

}  // namespace

std::vector<SchemaTable> SchemaOf(const RowTables& tables) {
  std::vector<SchemaTable> schema;
  for (const auto& [module, type] : tables) {
    SchemaTable table = {module, {kAgent, kAgentId}};
    table.columns.push_back(
        {"operation", "INTEGER", nullptr, "Which operation of the action, from 0."});
    for (const SqlColumn& column : SqlColumnsOf(type)) {
      table.columns.push_back(
          {column.name, std::string(SqlTypeName(column.type)), column.column.path.back(), ""});
    }
    schema.push_back(std::move(table));
  }
  if (tables.size() == 1) {
    schema.push_back(schema.front());
    schema.back().name = kRows;
  }
  schema.push_back({"hosts",
                    {kAgent,
                     kAgentId,
                     {"state", "TEXT", nullptr,
                      "waiting, sent, running, found, clean, incomplete, refused or never-sent."},
                     {"rows", "INTEGER", nullptr, "How many rows are stored of it."},
                     {"detail", "TEXT", nullptr, "What was not looked at, and why."}}});
  schema.push_back(
      {"refusals",
       {kAgent,
        kAgentId,
        {"reason", "TEXT", nullptr, "One word: expired, not-targeted, …"},
        {"detail", "TEXT", nullptr, "What was found and what was expected."},
        {"refused_at", "TEXT", nullptr, "When, by the host's clock (RFC 3339, UTC)."}}});
  return schema;
}

struct ResultDatabase::State {
  ~State() {
    statement.reset();
    tables.clear();
    sqlite3_close_v2(database);
    sqlite3_hard_heap_limit64(heap_limit_before);
  }

  absl::Status Error(std::string_view what) const {
    const int code = sqlite3_errcode(database);
    if (code == SQLITE_NOMEM) {
      return absl::ResourceExhaustedError(
          StrCat("--sql: more than the ", limits.memory_bytes >> 20,
                 " MiB that it may hold: read fewer columns, or take fewer rows with --where"));
    }
    if (code == SQLITE_INTERRUPT) return absl::CancelledError("--sql: stopped");
    return absl::InvalidArgumentError(
        StrCat("--sql: ", what, what.empty() ? "" : ": ", sqlite3_errmsg(database)));
  }

  static int Look(void* self) {
    const auto* state = static_cast<const State*>(self);
    return state->limits.stop && state->limits.stop() ? 1 : 0;
  }

  Table* Find(std::string_view name) {
    for (Table& table : tables)
      if (table.name == name) return &table;
    return nullptr;
  }

  absl::Status MakeTables(const RowTables& row_tables);
  absl::Status PrepareQuery(std::string_view query);
  absl::Status PrepareInserts(std::string_view query);
  absl::Status Step(Table& table);

  Limits limits;
  int64_t heap_limit_before = 0;
  sqlite3* database = nullptr;
  Authorizer authorizer;
  std::vector<Table> tables;
  SqlStatement statement;
  std::vector<std::string> columns;
  // One for each column that is bound.
  std::vector<std::string> scratch;
};

absl::Status ResultDatabase::State::MakeTables(const RowTables& row_tables) {
  for (const SchemaTable& schema : SchemaOf(row_tables)) {
    Table table;
    table.name = schema.name;
    std::string sql = StrCat("CREATE TABLE ", SqlIdentifier(schema.name), "(");
    for (const SchemaColumn& column : schema.columns) {
      StrAppend(&sql, table.names.empty() ? "" : ",", SqlIdentifier(column.name), " ", column.type);
      table.names.push_back(column.name);
    }
    for (const auto& [module, type] : row_tables)
      if (module == schema.name || schema.name == kRows) table.columns = SqlColumnsOf(type);
    if (sqlite3_exec(database, StrCat(sql, ")").c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      return Error(StrCat("table ", schema.name));
    authorizer.tables.insert(Folded(schema.name));
    tables.push_back(std::move(table));
  }
  return absl::OkStatus();
}

absl::Status ResultDatabase::State::PrepareQuery(std::string_view query) {
  if (query.size() > kMaxQueryBytes)
    return absl::InvalidArgumentError(
        StrCat("--sql: ", query.size(), " bytes, at most ", kMaxQueryBytes));
  if (query.find('\0') != std::string_view::npos)
    return absl::InvalidArgumentError("--sql: contains a zero byte");
  authorizer.of_query = true;
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const int result =
      sqlite3_prepare_v3(database, query.data(), static_cast<int>(query.size()), 0, &raw, &tail);
  statement.reset(raw);
  if (result != SQLITE_OK) {
    if (!authorizer.refused.empty()) {
      return absl::InvalidArgumentError(
          StrCat("--sql: ", authorizer.refused, ": not allowed: a query reads ",
                 absl::StrJoin(authorizer.tables, ", "), " and computes, nothing else"));
    }
    return Error("");
  }
  const std::string_view rest = query.substr(static_cast<size_t>(tail - query.data()));
  sqlite3_stmt* second = nullptr;
  const int more =
      sqlite3_prepare_v3(database, rest.data(), static_cast<int>(rest.size()), 0, &second, nullptr);
  const SqlStatement second_statement(second);
  authorizer.of_query = false;
  if (statement == nullptr) return absl::InvalidArgumentError("--sql: empty: write a SELECT");
  if (more != SQLITE_OK || second != nullptr)
    return absl::InvalidArgumentError("--sql: one statement only");
  if (sqlite3_bind_parameter_count(statement.get()) > 0)
    return absl::InvalidArgumentError("--sql: parameters (?, :name) have no value here");
  if (sqlite3_stmt_readonly(statement.get()) == 0 || sqlite3_column_count(statement.get()) == 0)
    return absl::InvalidArgumentError("--sql: not a SELECT");
  columns = AnswerColumns(statement.get());
  return absl::OkStatus();
}

absl::Status ResultDatabase::State::PrepareInserts(std::string_view query) {
  const std::string text = Folded(query);
  const bool natural = absl::StrContains(text, "natural");
  for (Table& table : tables) {
    const std::set<std::string>& reads = authorizer.reads[Folded(table.name)];
    if (reads.empty() && !absl::StrContains(text, Folded(table.name))) continue;
    table.read = true;
    std::vector<std::string> names;
    for (size_t i = 0; i < table.names.size(); ++i) {
      // SQLite doesn't ask for columns of USING and NATURAL. Whatever is read
      // without being named comes from a *, and that it does ask for.
      const std::string name = Folded(table.names[i]);
      if (!natural && !reads.contains(name) && !absl::StrContains(text, name)) continue;
      table.kept.push_back(i);
      names.push_back(SqlIdentifier(table.names[i]));
    }
    const std::string name = SqlIdentifier(table.name);
    const std::string sql =
        names.empty()
            ? StrCat("INSERT INTO ", name, " DEFAULT VALUES")
            : StrCat("INSERT INTO ", name, "(", absl::StrJoin(names, ","), ") VALUES(",
                     absl::StrJoin(std::vector<std::string>(names.size(), "?"), ","), ")");
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(database, sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &raw, nullptr) != SQLITE_OK)
      return Error(StrCat("table ", table.name));
    table.insert.reset(raw);
  }
  return absl::OkStatus();
}

absl::Status ResultDatabase::State::Step(Table& table) {
  const int result = sqlite3_step(table.insert.get());
  absl::Status status = result == SQLITE_DONE ? absl::OkStatus() : Error("");
  sqlite3_reset(table.insert.get());
  return status;
}

ResultDatabase::ResultDatabase(std::unique_ptr<State> state) : state_(std::move(state)) {}
ResultDatabase::~ResultDatabase() = default;

absl::StatusOr<std::unique_ptr<ResultDatabase>> ResultDatabase::Create(const RowTables& tables,
                                                                       std::string_view query,
                                                                       Limits limits) {
  auto state = std::make_unique<State>();
  state->limits = std::move(limits);
  state->heap_limit_before = sqlite3_hard_heap_limit64(state->limits.memory_bytes);
  DRAGNET_ASSIGN_OR_RETURN(state->database, OpenMemoryDatabase());
  sqlite3* const database = state->database;
  // Sorting in memory, too: what hosts sent doesn't get to this machine's disk.
  sqlite3_exec(database, "PRAGMA temp_store=MEMORY; PRAGMA journal_mode=OFF", nullptr, nullptr,
               nullptr);
  Limit(database);
  // So that they are there when the query's authorizer looks: SQLite makes them
  // when they are first named, by a statement that it asks about.
  sqlite3_exec(database, "SELECT 1 FROM json_each('[]'), json_tree('[]')", nullptr, nullptr,
               nullptr);
  sqlite3_set_authorizer(database, Authorizer::Check, &state->authorizer);
  DRAGNET_RETURN_IF_ERROR(state->MakeTables(tables));
  DRAGNET_RETURN_IF_ERROR(state->PrepareQuery(query));
  DRAGNET_RETURN_IF_ERROR(state->PrepareInserts(query));
  sqlite3_exec(database, "BEGIN", nullptr, nullptr, nullptr);
  sqlite3_progress_handler(database, kInstructionsPerLook, State::Look, state.get());
  return std::unique_ptr<ResultDatabase>(new ResultDatabase(std::move(state)));
}

absl::Status ResultDatabase::AddRow(std::string_view module, std::string_view agent,
                                    std::string_view agent_id, uint32_t operation,
                                    const google::protobuf::Message& row) {
  for (const std::string_view name : {module, std::string_view(kRows)}) {
    Table* const table = state_->Find(name);
    if (table == nullptr || !table->read) continue;
    state_->scratch.resize(table->kept.size());
    sqlite3_stmt* const insert = table->insert.get();
    for (size_t i = 0; i < table->kept.size(); ++i) {
      const int index = static_cast<int>(i) + 1;
      const size_t column = table->kept[i];
      if (column < 2) {
        BindText(insert, index, column == 0 ? agent : agent_id);
      } else if (column == 2) {
        sqlite3_bind_int64(insert, index, operation);
      } else {
        Bind(insert, index,
             SqlValueOf(row, table->columns[column - 3].column, &state_->scratch[i]));
      }
    }
    DRAGNET_RETURN_IF_ERROR(state_->Step(*table));
  }
  return absl::OkStatus();
}

absl::Status ResultDatabase::AddHost(const HostRecord& host) {
  Table* const table = state_->Find("hosts");
  if (!table->read) return absl::OkStatus();
  int index = 0;
  for (const size_t column : table->kept) {
    ++index;
    if (column == 3) {
      sqlite3_bind_int64(table->insert.get(), index, static_cast<sqlite3_int64>(host.rows));
      continue;
    }
    const std::string* const texts[] = {&host.agent, &host.agent_id, &host.state, nullptr,
                                        &host.detail};
    BindText(table->insert.get(), index, *texts[column]);
  }
  return state_->Step(*table);
}

absl::Status ResultDatabase::AddRefusal(const RefusalRecord& refusal) {
  Table* const table = state_->Find("refusals");
  if (!table->read) return absl::OkStatus();
  int index = 0;
  for (const size_t column : table->kept) {
    const std::string* const texts[] = {&refusal.agent, &refusal.agent_id, &refusal.reason,
                                        &refusal.detail, &refusal.refused_at};
    BindText(table->insert.get(), ++index, *texts[column]);
  }
  return state_->Step(*table);
}

const std::vector<std::string>& ResultDatabase::columns() const { return state_->columns; }

absl::StatusOr<bool> ResultDatabase::Next(std::vector<Value>* values) {
  state_->authorizer.of_query = true;
  const int result = sqlite3_step(state_->statement.get());
  if (result == SQLITE_DONE) return false;
  if (result != SQLITE_ROW) return state_->Error("");
  values->clear();
  for (int i = 0; i < static_cast<int>(state_->columns.size()); ++i)
    values->push_back(ValueAt(state_->statement.get(), i));
  return true;
}

}  // namespace dragnet::console
