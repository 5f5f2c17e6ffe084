// `dragnet results --stack`: how often each value of some columns is there, over
// all agents. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "console/cli/row_selection.h"
#include "console/cli/session.h"
#include "console/output/record_writer.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet::console {

struct StackOptions {
  Format format = Format::kTable;
  // As the table of rows names them, e.g. {"path", "hash.sha256"}.
  std::vector<std::string> columns;
  bool rarest_first = false;
  // 1 to 10,000.
  uint32_t limit = 1000;
  // --where and --operation. With the former the rows are counted here, else by
  // the scheduler.
  RowOptions rows;
};

// Prints the stack of one operation: values to standard output, what there is
// beyond them to standard error.
absl::Status ShowStack(const v1::Action& action, const StackOptions& options, Session& session,
                       bool* rows_lost);

}  // namespace dragnet::console
