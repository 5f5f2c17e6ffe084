// `dragnet results --sql` and `--schema`: a query over what is stored of an
// action. Not thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/cli/row_selection.h"
#include "console/cli/session.h"
#include "console/output/record_writer.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet::console {

struct SqlOptions {
  Format format = Format::kTable;
  // The query; "-" for standard input, "@FILE" for a file.
  std::string query{};
  RowOptions rows{};
  // For the query, once all rows are there.
  absl::Duration time_limit = absl::Minutes(1);
};

// Prints the answer; gives the exit status.
absl::StatusOr<int> ShowSql(const v1::Action& action, const SqlOptions& options, Session& session);

// Prints the tables that a query can read, with what the module says of each
// column.
absl::StatusOr<int> ShowSchema(const v1::Action& action, Session& session);

}  // namespace dragnet::console
