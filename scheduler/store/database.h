// One SQL database, behind which either engine may be: SQLite (sqlite/) or PostgreSQL
// (postgres/). Errors are absl::Status, and there is nothing to forget to free.
// A Database and its queries belong to one thread at a time.
//
// The store's SQL is written once, in what both engines understand:
//   - parameters are ?, or ?1, ?2 … where one is used twice; integers or bytes, nothing else:
//     there are no booleans (?1 != 0) and no floating-point numbers;
//   - INSERT … ON CONFLICT and RETURNING; not OR REPLACE, OR IGNORE or the last row's number;
//   - no scalar max(); CAST(sum(…) AS BIGINT); a subquery of FROM has a name;
//   - in ON CONFLICT … DO UPDATE, a column of the table is written with the table's name;
//   - JOINs name their tables in the order in which they are to be looked up, the most
//     selective first: PostgreSQL keeps to it, CROSS JOIN … ON makes SQLite keep to it;
//   - what may be long is read a page at a time (paged_query.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dragnet::scheduler {

// A parameter of a statement. What it is made of must live as long as the query.
class Value {
 public:
  enum class Kind : uint8_t { kNull, kInteger, kBytes, kIntegers, kStrings };

  // Not explicit: it stands for what is bound. NOLINTBEGIN(google-explicit-constructor)
  Value(int64_t value) : kind_(Kind::kInteger), integer_(value) {}
  Value(uint64_t value) : Value(static_cast<int64_t>(value)) {}
  Value(int value) : Value(static_cast<int64_t>(value)) {}
  Value(uint32_t value) : Value(static_cast<int64_t>(value)) {}
  Value(bool value) : Value(static_cast<int64_t>(value)) {}
  // Milliseconds since 1970.
  Value(absl::Time value) : Value(absl::ToUnixMillis(value)) {}
  Value(std::string_view value) : kind_(Kind::kBytes), bytes_(value) {}
  Value(const std::string& value) : Value(std::string_view(value)) {}
  Value(const char* value) : Value(std::string_view(value)) {}
  // NULL when unset.
  Value(const std::optional<std::string>& value) {
    if (value.has_value()) *this = Value(std::string_view(*value));
  }
  // Arrays, for = ANY (?) and unnest(?): only where the database is remote().
  Value(const std::vector<int64_t>& value) : kind_(Kind::kIntegers), integers_(value) {}
  Value(const std::vector<std::string>& value) : kind_(Kind::kStrings), strings_(value) {}
  // NOLINTEND(google-explicit-constructor)

  Kind kind() const { return kind_; }
  int64_t integer() const { return integer_; }
  std::string_view bytes() const { return bytes_; }
  std::span<const int64_t> integers() const { return integers_; }
  std::span<const std::string> strings() const { return strings_; }

 private:
  Kind kind_ = Kind::kNull;
  int64_t integer_ = 0;
  std::string_view bytes_;
  std::span<const int64_t> integers_;
  std::span<const std::string> strings_;
};

// An engine's side of a query.
class Cursor {
 public:
  virtual ~Cursor() = default;
  // Moves to the next row; false at the end, and on an error, which goes to `status`.
  virtual bool Next(absl::Status* status) = 0;
  virtual int64_t Integer(int column) const = 0;
  virtual bool IsNull(int column) const = 0;
  virtual std::string_view View(int column) const = 0;
  // Called once, at the end. It may free itself.
  virtual void Close() = 0;
};

// One run of a statement; over when it goes out of scope.
//
//   Query query = database.Ask("SELECT id FROM agents WHERE no > ?", no);
//   while (query.Next()) ids.push_back(query.Text(0));
//   DRAGNET_RETURN_IF_ERROR(query.status());
class Query {
 public:
  explicit Query(absl::Status error) : status_(std::move(error)) {}
  explicit Query(Cursor* cursor) : cursor_(cursor) {}
  ~Query() {
    if (cursor_ != nullptr) cursor_->Close();
  }
  Query(Query&& other) noexcept
      : cursor_(std::exchange(other.cursor_, nullptr)), status_(std::move(other.status_)) {}
  Query& operator=(Query&&) = delete;

  // Moves to the next row; false at the end and on an error.
  bool Next() { return status_.ok() && cursor_->Next(&status_); }
  const absl::Status& status() const { return status_; }

  // 0 for NULL.
  int64_t Integer(int column) const { return cursor_->Integer(column); }
  bool IsNull(int column) const { return cursor_->IsNull(column); }
  // Text or blob; empty for NULL.
  std::string Text(int column) const { return std::string(View(column)); }
  // The same without a copy, until the next Next.
  std::string_view View(int column) const { return cursor_->View(column); }
  absl::Time Time(int column) const { return absl::FromUnixMillis(Integer(column)); }

 private:
  Cursor* cursor_ = nullptr;
  absl::Status status_;
};

class Database {
 public:
  virtual ~Database() = default;
  Database() = default;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Statements without parameters and results.
  virtual absl::Status Execute(const std::string& sql) = 0;

  // Statements are prepared once and kept, so there must not be ever more texts.
  template <typename... Values>
  Query Ask(std::string_view sql, const Values&... values) {
    const std::array<Value, sizeof...(Values)> bound{Value(values)...};
    return Start(sql, bound);
  }

  // Asks and drops the rows. A remote database may put it off: then its error is that of
  // a later call, at the latest of Settle, and Commit.
  template <typename... Values>
  absl::Status Run(std::string_view sql, const Values&... values) {
    const std::array<Value, sizeof...(Values)> bound{Value(values)...};
    return Write(sql, bound);
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

  // Adds a row: `table` names it and its columns, "records (position, action)". As Run, but
  // not visible to queries before Settle, and for many rows of one table in a row.
  template <typename... Values>
  absl::Status Append(std::string_view table, const Values&... values) {
    const std::array<Value, sizeof...(Values)> bound{Value(values)...};
    return AppendRow(table, bound);
  }

  // Rows changed by the last Run.
  virtual int64_t changes() = 0;

  // Waits for everything that was put off. An error undoes nothing by itself.
  virtual absl::Status Settle() = 0;

  // ---- transactions
  // One that only reads, and sees the same moment throughout.
  virtual absl::Status BeginSnapshot() = 0;
  // One that writes. Not `synced`: a power cut may undo it, and what comes after.
  virtual absl::Status Begin(bool synced) = 0;
  // Of either.
  virtual absl::Status Commit() = 0;
  virtual void Rollback() = 0;
  // False once the engine has ended it by itself.
  virtual bool in_transaction() const = 0;
  // A point within a transaction to which one can go back. One at a time.
  virtual absl::Status Save() = 0;
  virtual absl::Status RollBackToSaved() = 0;
  virtual absl::Status ForgetSaved() = 0;

  // ---- what the engines differ in
  // Whether each question costs a trip over a network, so that one for many is worth a
  // statement of its own; such a one knows arrays.
  virtual bool remote() const = 0;
  // Another number after each loss of the connection.
  virtual int64_t connection() const = 0;
  // SQL for the time: milliseconds since 1970, by the database's own clock.
  virtual std::string_view now() const = 0;

  // ---- errors
  // Whether it came from the database, and not from who uses it.
  static bool IsError(const absl::Status& status);
  // Whether the connection was lost: what wasn't committed is undone, and can be tried
  // again on the same Database.
  static bool IsLost(const absl::Status& status);
  // Lost in this way: a lock was waited for, for too long. The connection is there.
  static bool IsBlocked(const absl::Status& status);
  // Of an engine.
  enum class Failure { kOfStatement, kLost, kBlocked };
  static absl::Status Error(absl::StatusCode code, std::string_view message,
                            Failure failure = Failure::kOfStatement);

 protected:
  virtual Query Start(std::string_view sql, std::span<const Value> values) = 0;
  virtual absl::Status Write(std::string_view sql, std::span<const Value> values) = 0;
  virtual absl::Status AppendRow(std::string_view table, std::span<const Value> values) = 0;
};

// What `read` gives, all of the same moment. It runs once more when the connection is lost
// in between.
template <typename Read>
auto InSnapshot(Database& database, Read read) -> decltype(read()) {
  for (int attempt = 0;; ++attempt) {
    if (absl::Status begun = database.BeginSnapshot(); !begun.ok()) return begun;
    auto result = read();
    absl::Status ended = database.Commit();
    if (result.ok() && !ended.ok()) return ended;
    if (result.ok() || attempt > 0 || !Database::IsLost(result.status())) return result;
  }
}

}  // namespace dragnet::scheduler
