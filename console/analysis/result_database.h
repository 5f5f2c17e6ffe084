// `results --sql`: one query over the rows and hosts of an action, in a private
// database in memory. The query comes first, then the rows: only columns that it
// names are kept, so that a count over a million rows takes little.
//
//   file, netstat, …   a table for each module of the action: agent, agent_id,
//                      operation, and the row's columns (row_values.h)
//   rows               the same table under another name, when there is one module
//   hosts              agent, agent_id, state, rows, detail
//   refusals           agent, agent_id, reason, detail, refused_at
//
// What a query may do is bounded: an authorizer lets it read these tables and
// call functions that only compute; SQLite's memory and the time are limited.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/output/record_writer.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

inline constexpr size_t kMaxQueryBytes = 64 * 1024;

struct HostRecord {
  std::string agent;
  std::string agent_id;
  // "found", "never-sent".
  std::string state;
  uint64_t rows = 0;
  // What was not looked at, and why.
  std::string detail;
};

struct RefusalRecord {
  std::string agent;
  std::string agent_id;
  std::string reason;
  std::string detail;
  // RFC 3339, UTC.
  std::string refused_at;
};

// A table as `--schema` shows it.
struct SchemaColumn {
  std::string name;
  std::string type;
  // Null for columns that are no field of a row.
  const google::protobuf::FieldDescriptor* field = nullptr;
  std::string text;
};
struct SchemaTable {
  std::string name;
  std::vector<SchemaColumn> columns;
};

// Module names and their row types, each once.
using RowTables = std::vector<std::pair<std::string, const google::protobuf::Descriptor*>>;

std::vector<SchemaTable> SchemaOf(const RowTables& tables);

// Not thread-safe. SQLite's limit of memory is the process's.
class ResultDatabase {
 public:
  struct Limits {
    // Of all that SQLite holds, sorting included: nothing of it goes to disk.
    int64_t memory_bytes = int64_t{1} << 30;
    // Looked at now and then while the query runs: true ends it.
    std::function<bool()> stop;
  };

  // InvalidArgument, with SQLite's words, for what isn't one SELECT over the
  // tables above.
  static absl::StatusOr<std::unique_ptr<ResultDatabase>> Create(const RowTables& tables,
                                                                std::string_view query,
                                                                Limits limits);
  ~ResultDatabase();
  ResultDatabase(const ResultDatabase&) = delete;
  ResultDatabase& operator=(const ResultDatabase&) = delete;

  // Before the first Next. ResourceExhausted: over the limit of memory.
  absl::Status AddRow(std::string_view module, std::string_view agent, std::string_view agent_id,
                      uint32_t operation, const google::protobuf::Message& row);
  absl::Status AddHost(const HostRecord& host);
  absl::Status AddRefusal(const RefusalRecord& refusal);

  // Names of the answer's columns.
  const std::vector<std::string>& columns() const;
  // The next record of the answer; false at its end. Cancelled: `stop` said so.
  absl::StatusOr<bool> Next(std::vector<Value>* values);

 private:
  struct State;
  explicit ResultDatabase(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace dragnet::console
