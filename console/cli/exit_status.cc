#include "console/cli/exit_status.h"

#include "console/client/client.h"

namespace dragnet::console {

ExitStatus ExitStatusOf(const v1::Progress& progress, bool rows_lost) {
  if (progress.targeted() == 0) return kExitIncomplete;
  if (progress.refused() == progress.targeted()) return kExitRefused;
  const bool all = progress.found() + progress.clean() == progress.targeted();
  return all && !rows_lost ? kExitDone : kExitIncomplete;
}

ExitStatus ExitStatusOf(const absl::Status& error) {
  if (error.ok()) return kExitDone;
  if (!IsFromScheduler(error)) return kExitBadInput;
  // The scheduler could not make sense of what the person wrote.
  return absl::IsInvalidArgument(error) || absl::IsNotFound(error) ? kExitBadInput : kExitRefused;
}

}  // namespace dragnet::console
