// How agent/monitor/state_store*.cc speak to SQLite. For them only.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/monitor/state_store.h"
#include "core/strings.h"
#include "core/uuid.h"

namespace dragnet {

// Not below the id of any action that was made until `time`.
inline std::string HighestIdUntil(absl::Time time) {
  // 48 bits of milliseconds; what follows is lower than this sign.
  constexpr size_t kTimeCharacters = 13;
  return NewUuidV7(time).substr(0, kTimeCharacters) + "~";
}

inline absl::Status StoreError(sqlite3* database, std::string_view what) {
  const int code = sqlite3_errcode(database);
  const std::string message = StrCat("agent state: ", what, ": ", sqlite3_errmsg(database));
  if (code == SQLITE_FULL || code == SQLITE_IOERR) return absl::ResourceExhaustedError(message);
  if (code == SQLITE_BUSY) {
    return absl::FailedPreconditionError(
        StrCat(message, ": is another dragnet-agent running with this state_dir?"));
  }
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) return absl::DataLossError(message);
  return absl::InternalError(message);
}

// One prepared statement: bind in order, step, read columns in order.
class StateStore::Statement {
 public:
  Statement(sqlite3* database, std::string_view sql) : database_(database), sql_(sql) {
    sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr);
  }
  // One of StateStore::Kept, which is left as it was found.
  Statement(sqlite3* database, std::string_view sql, sqlite3_stmt* kept)
      : database_(database), sql_(sql), statement_(kept), kept_(true) {}
  ~Statement() {
    if (kept_) {
      sqlite3_reset(statement_);
      sqlite3_clear_bindings(statement_);
    } else {
      sqlite3_finalize(statement_);
    }
  }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Bind(int64_t value) {
    sqlite3_bind_int64(statement_, ++bound_, value);
    return *this;
  }
  Statement& Bind(std::string_view text) {
    sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
    return *this;
  }
  Statement& BindBlob(std::string_view bytes) {
    sqlite3_bind_blob64(statement_, ++bound_, bytes.data() != nullptr ? bytes.data() : "",
                        bytes.size(), SQLITE_STATIC);
    return *this;
  }
  // True on a row, false at the end.
  absl::StatusOr<bool> Step() {
    const int result = statement_ == nullptr ? SQLITE_ERROR : sqlite3_step(statement_);
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    return StoreError(database_, sql_);
  }
  absl::Status Run() { return Step().status(); }

  int64_t Integer(int column) { return sqlite3_column_int64(statement_, column); }
  std::string Bytes(int column) {
    const void* bytes = sqlite3_column_blob(statement_, column);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
    return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
  }

 private:
  sqlite3* database_;
  const std::string sql_;  // for errors; what it was made of may be gone by then
  sqlite3_stmt* statement_ = nullptr;
  bool kept_ = false;
  int bound_ = 0;
};

// Rolls back unless it was committed.
class StateStore::Transaction {
 public:
  explicit Transaction(sqlite3* database) : database_(database) {
    open_ = sqlite3_exec(database_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK;
    if (!open_) begun_ = StoreError(database_, "begin");
  }
  ~Transaction() {
    if (open_) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // Not OK: each statement that followed would be committed by itself.
  const absl::Status& begun() const { return begun_; }
  absl::Status Commit() {
    if (sqlite3_exec(database_, "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK) {
      return StoreError(database_, "commit");
    }
    open_ = false;
    return absl::OkStatus();
  }

 private:
  sqlite3* database_;
  bool open_;
  absl::Status begun_;
};

}  // namespace dragnet
