#include "scheduler/store/sqlite/sqlite_database.h"

#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

absl::StatusCode CodeOf(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_CANTOPEN:
      return absl::StatusCode::kNotFound;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_CONSTRAINT:
      return absl::StatusCode::kAlreadyExists;
    default:
      return absl::StatusCode::kInternal;
  }
}

}  // namespace

class SqliteDatabase::Statement : public Cursor {
 public:
  Statement(SqliteDatabase* database, sqlite3_stmt* statement)
      : database_(database), statement_(statement) {}
  ~Statement() override { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  absl::Status Bind(std::span<const Value> values) {
    int index = 0;
    for (const Value& value : values) {
      ++index;
      switch (value.kind()) {
        case Value::Kind::kNull:
          sqlite3_bind_null(statement_, index);
          break;
        case Value::Kind::kInteger:
          sqlite3_bind_int64(statement_, index, value.integer());
          break;
        case Value::Kind::kBytes: {
          // A null pointer would bind NULL.
          const char* bytes = value.bytes().data() == nullptr ? "" : value.bytes().data();
          sqlite3_bind_text(statement_, index, bytes, static_cast<int>(value.bytes().size()),
                            SQLITE_STATIC);
          break;
        }
        case Value::Kind::kIntegers:
        case Value::Kind::kStrings:
          return absl::InternalError("SQLite has no arrays");
      }
    }
    return absl::OkStatus();
  }

  bool Next(absl::Status* status) override {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) *status = database_->ErrorOf(code);
    return false;
  }
  int64_t Integer(int column) const override { return sqlite3_column_int64(statement_, column); }
  bool IsNull(int column) const override {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
  }
  std::string_view View(int column) const override {
    const void* bytes = sqlite3_column_blob(statement_, column);
    const int size = sqlite3_column_bytes(statement_, column);
    if (bytes == nullptr) return {};
    return {static_cast<const char*>(bytes), static_cast<size_t>(size)};
  }
  void Close() override {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  SqliteDatabase* const database_;
  sqlite3_stmt* const statement_;
};

SqliteDatabase::SqliteDatabase(sqlite3* handle, std::string path)
    : handle_(handle), path_(std::move(path)) {}

absl::StatusOr<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(const std::string& path,
                                                                     int flags) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<SqliteDatabase> database(new SqliteDatabase(handle, path));
  if (code != SQLITE_OK) return database->ErrorOf(code);
  sqlite3_extended_result_codes(handle, 1);
  // Only the programs of one fleet directory share the file, for moments.
  sqlite3_busy_timeout(handle, 10000);
  return database;
}

SqliteDatabase::~SqliteDatabase() {
  statements_.clear();
  sqlite3_close(handle_);
}

absl::Status SqliteDatabase::ErrorOf(int code) const {
  return Error(
      CodeOf(code),
      StrCat(path_, ": ", handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_)));
}

absl::Status SqliteDatabase::Execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : ErrorOf(code);
}

absl::StatusOr<SqliteDatabase::Statement*> SqliteDatabase::Prepare(std::string_view sql) {
  if (auto found = statements_.find(sql); found != statements_.end()) return found->second.get();
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return ErrorOf(code);
  return statements_.emplace(std::string(sql), std::make_unique<Statement>(this, statement))
      .first->second.get();
}

Query SqliteDatabase::Start(std::string_view sql, std::span<const Value> values) {
  absl::StatusOr<Statement*> statement = Prepare(sql);
  if (!statement.ok()) return Query(statement.status());
  if (absl::Status bound = (*statement)->Bind(values); !bound.ok()) return Query(bound);
  return Query(*statement);
}

absl::Status SqliteDatabase::Write(std::string_view sql, std::span<const Value> values) {
  Query query = Start(sql, values);
  while (query.Next()) {
  }
  return query.status();
}

absl::Status SqliteDatabase::AppendRow(std::string_view table, std::span<const Value> values) {
  auto insert = inserts_.find(table);
  if (insert == inserts_.end()) {
    std::string places;
    for (size_t i = 0; i < values.size(); ++i) places += i == 0 ? "?" : ", ?";
    insert =
        inserts_
            .emplace(std::string(table), StrCat("INSERT INTO ", table, " VALUES (", places, ")"))
            .first;
  }
  return Write(insert->second, values);
}

absl::Status SqliteDatabase::Begin(bool synced) {
  // NORMAL writes the log without waiting for the disk; the next FULL commit
  // syncs what was written before it as well.
  if (synced != full_sync_)
    DRAGNET_RETURN_IF_ERROR(
        Execute(synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL"));
  full_sync_ = synced;
  return Run("BEGIN IMMEDIATE");
}

void SqliteDatabase::Rollback() {
  if (in_transaction()) Execute("ROLLBACK").IgnoreError();
}

}  // namespace dragnet::scheduler
