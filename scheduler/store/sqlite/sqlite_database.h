// A connection to an SQLite file.
#pragma once

#include <sqlite3.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "scheduler/store/database.h"

namespace dragnet::scheduler {

class SqliteDatabase : public Database {
 public:
  // `flags` as for sqlite3_open_v2.
  static absl::StatusOr<std::unique_ptr<SqliteDatabase>> Open(const std::string& path, int flags);
  ~SqliteDatabase() override;

  absl::Status Execute(const std::string& sql) override;
  int64_t changes() override { return sqlite3_changes64(handle_); }
  absl::Status Settle() override { return absl::OkStatus(); }

  absl::Status BeginSnapshot() override { return Run("BEGIN"); }
  absl::Status Begin(bool synced) override;
  absl::Status Commit() override { return Run("COMMIT"); }
  void Rollback() override;
  bool in_transaction() const override { return sqlite3_get_autocommit(handle_) == 0; }
  absl::Status Save() override { return Run("SAVEPOINT change"); }
  absl::Status RollBackToSaved() override { return Run("ROLLBACK TO change"); }
  absl::Status ForgetSaved() override { return Run("RELEASE change"); }

  bool remote() const override { return false; }
  int64_t connection() const override { return 1; }
  std::string_view now() const override {
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
  }

  // With SQLite's words for its result code.
  absl::Status ErrorOf(int code) const;
  // For what has no SQL: backups, and ending a query from another thread.
  sqlite3* handle() { return handle_; }

 protected:
  Query Start(std::string_view sql, std::span<const Value> values) override;
  absl::Status Write(std::string_view sql, std::span<const Value> values) override;
  absl::Status AppendRow(std::string_view table, std::span<const Value> values) override;

 private:
  // A prepared statement, which is its own cursor: it runs for one query at a time.
  class Statement;

  SqliteDatabase(sqlite3* handle, std::string path);
  absl::StatusOr<Statement*> Prepare(std::string_view sql);

  sqlite3* handle_;
  const std::string path_;
  bool full_sync_ = true;
  std::map<std::string, std::unique_ptr<Statement>, std::less<>> statements_;
  // INSERTs by the tables of AppendRow.
  std::map<std::string, std::string, std::less<>> inserts_;
};

}  // namespace dragnet::scheduler
