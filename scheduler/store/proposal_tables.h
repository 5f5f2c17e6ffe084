// The part of the store's tables about proposals that other parts need. For the
// writer's thread.
#pragma once

#include "absl/status/statusor.h"
#include "scheduler/store/database.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

// In the transaction that adds `action`: a proposal of its id becomes launched. Whether
// there was one. Errors as Store::AddAction.
absl::StatusOr<bool> CloseProposalOf(Database& database, const StoredAction& action);

}  // namespace dragnet::scheduler
