// SQLite, with errors as absl::Status and nothing to forget to free.
// A Database and its queries belong to one thread at a time.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dragnet::scheduler {

class Database;

// One run of a prepared statement; reset when it goes out of scope.
//
//   Query query = database.Ask("SELECT id FROM agents WHERE no > ?", no);
//   while (query.Next()) ids.push_back(query.Text(0));
//   DRAGNET_RETURN_IF_ERROR(query.status());
class Query {
 public:
  ~Query();
  Query(Query&& other) noexcept
      : database_(other.database_),
        statement_(std::exchange(other.statement_, nullptr)),
        status_(std::move(other.status_)) {}
  Query& operator=(Query&&) = delete;

  // Moves to the next row; false at the end and on an error.
  bool Next();
  const absl::Status& status() const { return status_; }

  int64_t Integer(int column) const;
  bool IsNull(int column) const;
  // Text or blob.
  std::string Text(int column) const;
  // The same without a copy, until the next Next.
  std::string_view View(int column) const;
  absl::Time Time(int column) const;

 private:
  friend class Database;
  Query(Database* database, sqlite3_stmt* statement, absl::Status status)
      : database_(database), statement_(statement), status_(std::move(status)) {}
  void Bind(int index, int64_t value);
  void Bind(int index, uint64_t value) { Bind(index, static_cast<int64_t>(value)); }
  void Bind(int index, int value) { Bind(index, static_cast<int64_t>(value)); }
  void Bind(int index, uint32_t value) { Bind(index, static_cast<int64_t>(value)); }
  void Bind(int index, bool value) { Bind(index, static_cast<int64_t>(value)); }
  // As text. The bytes must live as long as the query.
  void Bind(int index, std::string_view value);
  void Bind(int index, const std::string& value) { Bind(index, std::string_view(value)); }
  void Bind(int index, const char* value) { Bind(index, std::string_view(value)); }
  // NULL when unset. The string must live as long as the query.
  void Bind(int index, const std::optional<std::string>& value);
  // Milliseconds since 1970.
  void Bind(int index, absl::Time value);

  Database* database_;
  sqlite3_stmt* statement_;
  absl::Status status_;
};

class Database {
 public:
  // `flags` as for sqlite3_open_v2.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, int flags);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Statements without parameters and results.
  absl::Status Execute(const std::string& sql);

  // `sql` must be a literal: statements are prepared once and kept.
  template <typename... Values>
  Query Ask(std::string_view sql, const Values&... values) {
    absl::Status status;
    sqlite3_stmt* statement = Prepare(sql, &status);
    Query query(this, statement, std::move(status));
    int index = 0;
    if (statement != nullptr) (query.Bind(++index, values), ...);
    return query;
  }

  // Asks and drops the rows.
  template <typename... Values>
  absl::Status Run(std::string_view sql, const Values&... values) {
    Query query = Ask(sql, values...);
    while (query.Next()) {
    }
    return query.status();
  }

  // The first column of the first row; `otherwise` if there is none.
  template <typename... Values>
  absl::StatusOr<int64_t> IntegerOr(int64_t otherwise, std::string_view sql,
                                    const Values&... values) {
    Query query = Ask(sql, values...);
    if (query.Next()) return query.Integer(0);
    if (!query.status().ok()) return query.status();
    return otherwise;
  }

  // Rows changed by the last statement.
  int changes() const { return sqlite3_changes(handle_); }
  int64_t last_row() const { return sqlite3_last_insert_rowid(handle_); }
  // False once SQLite has rolled a transaction back by itself.
  bool in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

  absl::Status Error(int code) const;
  // For what has no SQL: backups, and ending a query from another thread.
  sqlite3* handle() { return handle_; }

 private:
  Database(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  sqlite3_stmt* Prepare(std::string_view sql, absl::Status* status);

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  sqlite3* handle_;
  std::string path_;
  std::map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>, std::less<>> statements_;
};

}  // namespace dragnet::scheduler
