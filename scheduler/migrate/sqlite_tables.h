// The tables of a SQLite store, read as they are: nothing is written, not even what
// SQLite itself would tidy up. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/unique_fd.h"
#include "scheduler/migrate/table_rows.h"

struct sqlite3;

namespace dragnet::scheduler {

class SqliteTables {
 public:
  // Until it goes no scheduler can run on the store. Unavailable: one does.
  // FailedPrecondition: it isn't a store, or has another version of the schema.
  static absl::StatusOr<SqliteTables> Open(const std::string& path);

  absl::StatusOr<std::vector<std::string>> Names();
  absl::StatusOr<std::vector<std::string>> ColumnsOf(std::string_view table);
  // The highest number that a table without reuse of numbers (AUTOINCREMENT) has given, by
  // table.
  absl::StatusOr<std::map<std::string, int64_t>> NumbersGiven();
  // All rows of these columns, of one moment for all tables.
  absl::Status ForEachRow(std::string_view table, const std::vector<std::string>& columns,
                          const RowReader& reader);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  SqliteTables(UniqueFd lock, std::unique_ptr<sqlite3, Close> database, std::string path)
      : lock_(std::move(lock)), database_(std::move(database)), path_(std::move(path)) {}

  absl::Status Error(std::string_view what) const;
  // The first column of every row.
  absl::StatusOr<std::vector<std::string>> Texts(const std::string& sql);

  UniqueFd lock_;
  std::unique_ptr<sqlite3, Close> database_;
  std::string path_;
};

}  // namespace dragnet::scheduler
