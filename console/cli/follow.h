// Follows one action until it has ended, through lost connections, or shows
// what there is of it. Not thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "console/cli/row_selection.h"
#include "console/cli/session.h"
#include "console/output/record_writer.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet::console {

struct FollowOptions {
  Format format = Format::kTable;
  // Also for agents that are offline, until the action expires.
  bool until_expired = false;
  // What is stored now, without waiting.
  bool stored_only = false;
  // As ResultView::Options.
  std::string hosts{};
  RowOptions rows{};
};

// Gives the exit status. InvalidArgument, before anything is asked for: `options.rows`. Ctrl-C
// detaches: the action goes on.
absl::StatusOr<int> FollowAction(const v1::Action& action, const FollowOptions& options,
                                 Session& session);

}  // namespace dragnet::console
