#include "modules/rows/row_filter.h"

#include <sqlite3.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "core/sql_expression.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/partial_text.h"
#include "modules/rows/row_values.h"

namespace dragnet {
namespace {

constexpr char kTable[] = "host_row";
// Of SQLite's instructions, for one row.
constexpr int64_t kStepsPerRow = 1000;
// A row is at most 64 KiB; as JSON it is larger.
constexpr int kMaxValueBytes = 8 * 1024 * 1024;

// The row that is looked at. SQLite reads it in place, through a virtual table
// of one row: nothing is copied, and a column that no one asks for costs nothing.
struct CurrentRow {
  struct Item {
    // As the virtual table calls it.
    std::string name;
    SqlType type = SqlType::kText;
    // Neither agent nor agent_id.
    std::optional<Column> column;
  };
  std::vector<Item> items;
  std::string_view agent;
  std::string_view agent_id;
  const google::protobuf::Message* message = nullptr;
  std::string scratch;
  // The first column that was read and isn't all there, and why; empty for none.
  std::string_view doubtful{};
  std::string_view why_doubtful{};
};

// What is wrong with a text as the ground of a decision; empty for nothing. Of lists,
// which are JSON here, an element may be cut.
std::string_view WhyDoubtful(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return "has a NUL";
  if (IsCut(text) || text.find("\u2026\"") != std::string_view::npos) {
    return "is cut or withheld";
  }
  return "";
}

struct RowTable : sqlite3_vtab {
  CurrentRow* row;
};

struct RowCursor : sqlite3_vtab_cursor {
  bool at_end;
};

int Connect(sqlite3* database, void* aux, int, const char* const*, sqlite3_vtab** table, char**) {
  auto* row = static_cast<CurrentRow*>(aux);
  std::string schema = "CREATE TABLE x(";
  for (const CurrentRow::Item& item : row->items) {
    StrAppend(&schema, schema.ends_with('(') ? "" : ",", SqlIdentifier(item.name), " ",
              SqlTypeName(item.type));
  }
  const int result = sqlite3_declare_vtab(database, StrCat(schema, ")").c_str());
  if (result == SQLITE_OK) *table = new RowTable{{}, row};
  return result;
}

int Disconnect(sqlite3_vtab* table) {
  delete static_cast<RowTable*>(table);
  return SQLITE_OK;
}

int BestIndex(sqlite3_vtab*, sqlite3_index_info* info) {
  info->estimatedCost = 1;
  info->estimatedRows = 1;
  return SQLITE_OK;
}

int Open(sqlite3_vtab*, sqlite3_vtab_cursor** cursor) {
  *cursor = new RowCursor{{}, true};
  return SQLITE_OK;
}

int Close(sqlite3_vtab_cursor* cursor) {
  delete static_cast<RowCursor*>(cursor);
  return SQLITE_OK;
}

int Filter(sqlite3_vtab_cursor* cursor, int, const char*, int, sqlite3_value**) {
  static_cast<RowCursor*>(cursor)->at_end = false;
  return SQLITE_OK;
}

int Next(sqlite3_vtab_cursor* cursor) {
  static_cast<RowCursor*>(cursor)->at_end = true;
  return SQLITE_OK;
}

int AtEnd(sqlite3_vtab_cursor* cursor) { return static_cast<RowCursor*>(cursor)->at_end ? 1 : 0; }

void SetText(sqlite3_context* context, std::string_view text, sqlite3_destructor_type lifetime) {
  sqlite3_result_text64(context, text.data(), text.size(), lifetime, SQLITE_UTF8);
}

int ColumnOf(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int index) {
  CurrentRow& row = *static_cast<RowTable*>(cursor->pVtab)->row;
  const CurrentRow::Item& item = row.items[static_cast<size_t>(index)];
  if (!item.column.has_value()) {
    SetText(context, index == 0 ? row.agent : row.agent_id, SQLITE_STATIC);
    return SQLITE_OK;
  }
  const SqlValue value = SqlValueOf(*row.message, *item.column, &row.scratch);
  switch (value.kind) {
    case SqlValue::Kind::kNull:
      sqlite3_result_null(context);
      break;
    case SqlValue::Kind::kInteger:
      sqlite3_result_int64(context, value.integer);
      break;
    case SqlValue::Kind::kReal:
      sqlite3_result_double(context, value.real);
      break;
    case SqlValue::Kind::kText: {
      if (row.doubtful.empty()) {
        row.why_doubtful = WhyDoubtful(value.text);
        if (!row.why_doubtful.empty()) row.doubtful = item.name;
      }
      // The message outlives the evaluation; scratch is used again.
      const bool made = value.text.data() == row.scratch.data();
      SetText(context, value.text, made ? SQLITE_TRANSIENT : SQLITE_STATIC);
      break;
    }
  }
  return SQLITE_OK;
}

int RowId(sqlite3_vtab_cursor*, sqlite3_int64* id) {
  *id = 1;
  return SQLITE_OK;
}

sqlite3_module RowModule() {
  sqlite3_module module = {};
  module.xCreate = Connect;
  module.xConnect = Connect;
  module.xBestIndex = BestIndex;
  module.xDisconnect = Disconnect;
  module.xDestroy = Disconnect;
  module.xOpen = Open;
  module.xClose = Close;
  module.xFilter = Filter;
  module.xNext = Next;
  module.xEof = AtEnd;
  module.xColumn = ColumnOf;
  module.xRowid = RowId;
  return module;
}

const sqlite3_module kRowModule = RowModule();

// What may be written for a column, lower case, and the virtual table's name of it.
using Spellings = std::map<std::string, std::string, std::less<>>;

size_t EndOfWord(std::string_view text, size_t start) {
  while (start < text.size() && IsSqlWordCharacter(text[start])) ++start;
  return start;
}

bool IsCall(std::string_view text, size_t after_word) {
  const size_t next = text.find_first_not_of(" \t\n", after_word);
  return next != std::string_view::npos && text[next] == '(';
}

// Column names, which may be dotted, or words that SQL has for itself, in quotes.
std::string QuoteColumns(std::string_view expression, const Spellings& spellings) {
  std::string quoted;
  for (size_t i = 0; i < expression.size();) {
    const char c = expression[i];
    size_t end = i + 1;
    if (c == '\'' || c == '"' || c == '`' || c == '[') {
      const size_t close = EndOfSqlQuoted(expression, i);
      end = close == std::string_view::npos ? expression.size() : close + 1;
      // "hash.sha256" and "Path" alike; a literal in single quotes is none.
      const std::string_view inner = expression.substr(i + 1, end - i - 2);
      const auto known = spellings.find(absl::AsciiStrToLower(ToAbsl(inner)));
      if (c != '\'' && close != std::string_view::npos && known != spellings.end()) {
        quoted.append(SqlIdentifier(known->second));
        i = end;
        continue;
      }
    } else if (IsSqlWordCharacter(c)) {
      end = EndOfWord(expression, i);
      while (end + 1 < expression.size() && expression[end] == '.' &&
             IsSqlWordCharacter(expression[end + 1]))
        end = EndOfWord(expression, end + 1);
      const auto known =
          spellings.find(absl::AsciiStrToLower(ToAbsl(expression.substr(i, end - i))));
      if (known != spellings.end() && !IsCall(expression, end)) {
        quoted.append(SqlIdentifier(known->second));
        i = end;
        continue;
      }
    }
    quoted.append(expression.substr(i, end - i));
    i = end;
  }
  return quoted;
}

absl::Status Failed(std::string_view what, sqlite3* database) {
  return absl::InternalError(StrCat("filter: ", what, ": ", sqlite3_errmsg(database)));
}

}  // namespace

struct RowFilter::State {
  ~State() {
    statement.reset();
    steps.reset();
    sqlite3_close_v2(database);
  }

  CurrentRow row;
  sqlite3* database = nullptr;
  std::optional<SqlSteps> steps;
  SqlStatement statement;
};

RowFilter::RowFilter(std::unique_ptr<State> state) : state_(std::move(state)) {}
RowFilter::~RowFilter() = default;

absl::StatusOr<std::unique_ptr<RowFilter>> RowFilter::Create(
    const google::protobuf::Descriptor* row_type, std::string_view expression) {
  auto state = std::make_unique<State>();
  Spellings spellings = {{"agent", "agent"}, {"agent_id", "agent_id"}};
  std::vector<std::string> headers = {"agent", "agent_id"};
  state->row.items = {{"agent", SqlType::kText, {}}, {"agent_id", SqlType::kText, {}}};
  for (SqlColumn& column : SqlColumnsOf(row_type)) {
    spellings.emplace(column.name, column.name);
    spellings.emplace(column.column.header, column.name);
    headers.push_back(column.column.header);
    state->row.items.push_back({column.name, column.type, std::move(column.column)});
  }
  DRAGNET_ASSIGN_OR_RETURN(state->database, OpenMemoryDatabase());
  sqlite3* const database = state->database;
  if (sqlite3_create_module_v2(database, kTable, &kRowModule, &state->row, nullptr) != SQLITE_OK ||
      sqlite3_exec(database, StrCat("CREATE VIRTUAL TABLE ", kTable, " USING ", kTable).c_str(),
                   nullptr, nullptr, nullptr) != SQLITE_OK)
    return Failed("the row's table", database);
  LimitSqlConnection(database);
  // The table has more columns than a target's, and its values are larger.
  sqlite3_limit(database, SQLITE_LIMIT_COLUMN, 2000);
  sqlite3_limit(database, SQLITE_LIMIT_LENGTH, kMaxValueBytes);
  const SqlExpressionUse use = {.subject = "filter",
                                .table = kTable,
                                .before = "SELECT",
                                .after = " FROM host_row",
                                .empty_hint = "\"true\" means every row",
                                .readable = "the columns of the row"};
  // Before anything is put in: what is said of its length is what was written.
  if (expression.size() > kMaxSqlExpressionBytes)
    return absl::InvalidArgumentError(
        StrCat("filter: ", expression.size(), " bytes, at most ", kMaxSqlExpressionBytes));
  absl::StatusOr<SqlStatement> statement =
      PrepareSqlExpression(database, use, QuoteColumns(expression, spellings));
  if (!statement.ok()) {
    return absl::InvalidArgumentError(
        StrCat(statement.status().message(), "; columns: ", absl::StrJoin(headers, ", ")));
  }
  state->statement = *std::move(statement);
  state->steps.emplace(database);
  return std::unique_ptr<RowFilter>(new RowFilter(std::move(state)));
}

absl::StatusOr<bool> RowFilter::Matches(std::string_view agent_name, std::string_view agent_id,
                                        const google::protobuf::Message& row) {
  DRAGNET_ASSIGN_OR_RETURN(const Answer answer, Evaluate(agent_name, agent_id, row));
  return answer == Answer::kTrue;
}

absl::StatusOr<RowFilter::Answer> RowFilter::Ask(const google::protobuf::Message& row) {
  DRAGNET_ASSIGN_OR_RETURN(const Answer answer, Evaluate("", "", row));
  const CurrentRow& current = state_->row;
  if (current.doubtful.empty()) return answer;
  return absl::InvalidArgumentError(
      StrCat("filter: ", current.doubtful, " of a row ", current.why_doubtful));
}

absl::StatusOr<RowFilter::Answer> RowFilter::Evaluate(std::string_view agent_name,
                                                      std::string_view agent_id,
                                                      const google::protobuf::Message& row) {
  CurrentRow& current = state_->row;
  current.agent = agent_name;
  current.agent_id = agent_id;
  current.message = &row;
  current.doubtful = "";
  state_->steps->Allow(kStepsPerRow);
  sqlite3_stmt* const statement = state_->statement.get();
  const int result = sqlite3_step(statement);
  // Its error is kept until the next call.
  const absl::Cleanup reset = [&] { sqlite3_reset(statement); };
  if (result == SQLITE_ROW) {
    if (sqlite3_column_type(statement, 0) == SQLITE_NULL) return Answer::kUnknown;
    // As WHERE has it: texts and fractions are numbers, and what isn't 0 is true.
    return sqlite3_column_double(statement, 0) != 0 ? Answer::kTrue : Answer::kFalse;
  }
  if (result == SQLITE_INTERRUPT)
    return absl::ResourceExhaustedError("filter: takes too many steps");
  return absl::InvalidArgumentError(StrCat("filter: ", sqlite3_errmsg(state_->database)));
}

}  // namespace dragnet
