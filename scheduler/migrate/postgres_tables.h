// The tables of a PostgreSQL store, filled and read in bulk (COPY) within one transaction.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/migrate/table_rows.h"

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;

namespace dragnet::scheduler {

class PostgresTables {
 public:
  struct Column {
    std::string name;
    enum class Type : uint8_t { kInt8, kInt4, kInt2, kBytes } type;
    // The database numbers rows by it.
    bool is_identity = false;
  };

  // `url` as CheckPostgresUrl lets through. Begins a transaction; what isn't committed is
  // undone when this goes. Unavailable: can't be reached.
  static absl::StatusOr<PostgresTables> Connect(const std::string& url);

  // Statements without results.
  absl::Status Execute(const std::string& sql);
  // The first column of the only row.
  absl::StatusOr<int64_t> Integer(const std::string& sql);
  absl::Status Commit() { return Execute("COMMIT"); }

  absl::StatusOr<std::vector<std::string>> Names();
  // InvalidArgument: a type that this can't copy.
  absl::StatusOr<std::vector<Column>> ColumnsOf(std::string_view table);

  // Of the table that is being filled: one at a time.
  absl::Status BeginFilling(std::string_view table, const std::vector<Column>& columns);
  absl::Status Fill(Row row);
  absl::Status EndFilling();

  absl::Status ForEachRow(std::string_view table, const std::vector<Column>& columns,
                          const RowReader& reader);

 private:
  struct Finish {
    void operator()(PGconn* connection) const;
  };
  struct Clear {
    void operator()(PGresult* result) const;
  };
  using Result = std::unique_ptr<PGresult, Clear>;

  explicit PostgresTables(std::unique_ptr<PGconn, Finish> connection)
      : connection_(std::move(connection)) {}

  absl::Status Error(std::string_view what) const;
  absl::StatusOr<Result> Ask(const std::string& sql);
  absl::Status SendFilled();
  // After a COPY: what the server says of it.
  absl::Status EndOfCopy(std::string_view what);

  std::unique_ptr<PGconn, Finish> connection_;
  std::string table_;
  std::vector<Column> columns_;
  // Rows in COPY's binary form that wait to be sent.
  std::string filled_;
};

}  // namespace dragnet::scheduler
