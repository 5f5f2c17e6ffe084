// Who may run on a store: one at a time.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/unique_fd.h"

namespace dragnet::scheduler {

// Held until it is closed. Unavailable while another scheduler runs on `store`.
absl::StatusOr<UniqueFd> TakeStoreLock(const std::string& store);

}  // namespace dragnet::scheduler
