#include "core/target.h"

#include <sqlite3.h>

#include <array>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "core/json.h"
#include "core/sql_expression.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet {
namespace {

// Steps that one evaluation may take: one for each row, and these.
constexpr int64_t kBaseSteps = 1000;

constexpr SqlExpressionUse kTarget = {.subject = "target expression",
                                      .table = "agent",
                                      .before = "SELECT id FROM agent WHERE",
                                      .after = " ORDER BY id",
                                      .empty_hint = "\"true\" means every agent",
                                      .readable = "the columns of the facts"};

constexpr char kSchema[] =
    "CREATE TABLE agent(id TEXT PRIMARY KEY, fleet_id TEXT, name TEXT, os TEXT, distribution TEXT,"
    " distribution_version TEXT, kernel TEXT, arch TEXT, version TEXT, tags TEXT,"
    " environment TEXT, addresses TEXT, modules TEXT, boot_time INTEGER) WITHOUT ROWID";

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

}  // namespace

absl::StatusOr<std::unique_ptr<TargetTable>> TargetTable::Create() {
  DRAGNET_ASSIGN_OR_RETURN(sqlite3* const database, OpenMemoryDatabase());
  std::unique_ptr<TargetTable> table(new TargetTable(database));
  // Large pages: a scan of all agents goes along the memory, and no row is in two pieces.
  sqlite3_exec(database, "PRAGMA temp_store=MEMORY; PRAGMA page_size=65536", nullptr, nullptr,
               nullptr);
  if (sqlite3_exec(database, kSchema, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return absl::InternalError(StrCat("target table: ", sqlite3_errmsg(database)));
  }
  LimitSqlConnection(database);
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
  DRAGNET_ASSIGN_OR_RETURN(const SqlStatement statement,
                           PrepareSqlExpression(database_, kTarget, expression));
  std::vector<std::string> ids;
  SqlSteps steps(database_);
  steps.Allow(kBaseSteps + rows_);
  while (true) {
    const int result = sqlite3_step(statement.get());
    if (result == SQLITE_DONE) return ids;
    if (result == SQLITE_INTERRUPT) {
      return absl::ResourceExhaustedError("target expression: takes too many steps");
    }
    if (result != SQLITE_ROW)
      return absl::InvalidArgumentError(StrCat("target expression: ", sqlite3_errmsg(database_)));
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
