// Follows the stream of everything, through lost connections, and notes how far it
// was written. Not thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "console/cli/session.h"
#include "console/cli/tail_output.h"

namespace dragnet::console {

struct TailOptions {
  TailFormat format = TailFormat::kEcs;
  // As TailRequest.after.
  std::string after;
  bool stored_only = false;
  // Only of this action; empty: of all.
  std::string action_id;
  // Where the cursor is noted; empty: nowhere.
  std::string cursor_file;
};

// Gives the exit status. Ctrl-C ends it in good order.
absl::StatusOr<int> RunTail(const TailOptions& options, Session& session);

}  // namespace dragnet::console
