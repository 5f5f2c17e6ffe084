// `dragnet results ACTION --diff ACTION2`: what is new, gone and changed since.
// Not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "console/cli/session.h"
#include "console/output/record_writer.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

struct DiffOptions {
  Format format = Format::kTable;
  // Shows only differences of which a row, before or after, is true for it.
  std::string where{};
  // What is compared and shown; empty: all but what changes by itself.
  std::vector<std::string> columns{};
  // By what rows are matched; empty: by the columns that the module marks.
  std::vector<std::string> key{};
};

// Rows of both are matched host by host. Gives the exit status: done, whether or
// not there are differences; incomplete, when a host was not looked at whole.
absl::StatusOr<int> ShowDiff(const v1::ActionInfo& before, const v1::ActionInfo& after,
                             const DiffOptions& options, Session& session);

}  // namespace dragnet::console
