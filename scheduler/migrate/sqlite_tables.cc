#include "scheduler/migrate/sqlite_tables.h"

#include <sqlite3.h>

#include <filesystem>

#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/migrate/quoted.h"
#include "scheduler/store/schema.h"
#include "scheduler/store/store_lock.h"

namespace dragnet::scheduler {
namespace {

// As schema.cc: "DRGN".
constexpr int kApplicationId = 0x4452474e;

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

std::string_view BytesOf(sqlite3_stmt* statement, int column) {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
  return {bytes == nullptr ? "" : bytes,
          static_cast<size_t>(sqlite3_column_bytes(statement, column))};
}

}  // namespace

void SqliteTables::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

absl::Status SqliteTables::Error(std::string_view what) const {
  return absl::InternalError(StrCat(path_, ": ", what, ": ", sqlite3_errmsg(database_.get())));
}

absl::StatusOr<SqliteTables> SqliteTables::Open(const std::string& path) {
  if (std::error_code error; !std::filesystem::is_regular_file(path, error))
    return absl::NotFoundError(StrCat(path, ": there is no store"));
  DRAGNET_ASSIGN_OR_RETURN(UniqueFd lock, TakeStoreLock(path));
  sqlite3* handle = nullptr;
  // Read-only: what a scheduler that was killed left in the log is read, and stays there.
  const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READONLY, nullptr);
  SqliteTables tables(std::move(lock), std::unique_ptr<sqlite3, Close>(handle), path);
  if (code != SQLITE_OK) return tables.Error("open");
  // One moment for all that is read.
  if (sqlite3_exec(handle, "BEGIN", nullptr, nullptr, nullptr) != SQLITE_OK)
    return tables.Error("read");
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> application,
                           tables.Texts("PRAGMA application_id"));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> version,
                           tables.Texts("PRAGMA user_version"));
  if (application != std::vector{StrCat(kApplicationId)})
    return absl::FailedPreconditionError(StrCat(path, ": not a store of dragnet-scheduler"));
  if (version != std::vector{StrCat(kSchemaVersion)})
    return absl::FailedPreconditionError(StrCat(
        path, ": its schema has version ", absl::StrJoin(version, ""), ", this program moves ",
        kSchemaVersion, ": start and stop this version of dragnet-scheduler on it first"));
  return tables;
}

absl::StatusOr<std::vector<std::string>> SqliteTables::Texts(const std::string& sql) {
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &prepared, nullptr) != SQLITE_OK)
    return Error(sql);
  const std::unique_ptr<sqlite3_stmt, Finalize> statement(prepared);
  std::vector<std::string> texts;
  int code = SQLITE_OK;
  while ((code = sqlite3_step(prepared)) == SQLITE_ROW) texts.emplace_back(BytesOf(prepared, 0));
  if (code != SQLITE_DONE) return Error(sql);
  return texts;
}

absl::StatusOr<std::vector<std::string>> SqliteTables::Names() {
  return Texts(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
      "ESCAPE '\\' ORDER BY name");
}

absl::StatusOr<std::vector<std::string>> SqliteTables::ColumnsOf(std::string_view table) {
  return Texts(StrCat("SELECT name FROM pragma_table_info(", QuotedText(table), ") ORDER BY cid"));
}

absl::StatusOr<std::map<std::string, int64_t>> SqliteTables::NumbersGiven() {
  std::map<std::string, int64_t> numbers;
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> there,
                           Texts("SELECT name FROM sqlite_schema WHERE name = 'sqlite_sequence'"));
  if (there.empty()) return numbers;
  DRAGNET_RETURN_IF_ERROR(ForEachRow("sqlite_sequence", {"name", "seq"}, [&](Row row) {
    numbers[std::string(row[0].bytes)] = row[1].integer;
    return absl::OkStatus();
  }));
  return numbers;
}

absl::Status SqliteTables::ForEachRow(std::string_view table,
                                      const std::vector<std::string>& columns,
                                      const RowReader& reader) {
  const std::string sql = StrCat("SELECT ", QuotedNames(columns), " FROM ", QuotedName(table));
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &prepared, nullptr) != SQLITE_OK)
    return Error(sql);
  const std::unique_ptr<sqlite3_stmt, Finalize> statement(prepared);
  std::vector<Field> row(columns.size());
  int code = SQLITE_OK;
  while ((code = sqlite3_step(prepared)) == SQLITE_ROW) {
    for (size_t i = 0; i < row.size(); ++i) {
      const int column = static_cast<int>(i);
      switch (sqlite3_column_type(prepared, column)) {
        case SQLITE_NULL:
          row[i] = {};
          break;
        case SQLITE_INTEGER:
          row[i] = {.kind = Field::Kind::kInteger,
                    .integer = sqlite3_column_int64(prepared, column)};
          break;
        case SQLITE_FLOAT:
          return absl::DataLossError(
              StrCat(path_, ": ", table, ".", columns[i], ": a number that is not whole"));
        default:
          row[i] = {.kind = Field::Kind::kBytes, .bytes = BytesOf(prepared, column)};
      }
    }
    DRAGNET_RETURN_IF_ERROR(reader(row));
  }
  return code == SQLITE_DONE ? absl::OkStatus() : Error(StrCat("read ", table));
}

}  // namespace dragnet::scheduler
