// The part of the store's tables about proposals that other parts need. For the
// writer's thread.
#pragma once

#include "absl/status/status.h"
#include "scheduler/store/sqlite.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

// In the transaction that adds `action`: a proposal of its id becomes launched.
// Errors as Store::AddAction.
absl::Status CloseProposalOf(Database& database, const StoredAction& action);

}  // namespace dragnet::scheduler
