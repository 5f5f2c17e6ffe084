// Brings what the outbox holds to the bus, and forgets it there. Every scheduler does
// so, without agreeing with the others: a notice has the same id whoever publishes it, so
// the bus keeps one; each publishes them in their order, so the first of each come in it,
// too; and to hear of something twice, or late, changes nothing, because what counts is
// in the store. A lease for it would only add the time until another one has it.
#pragma once

#include "absl/status/status.h"
#include "scheduler/bus/bus.h"
#include "scheduler/store/coordination.h"

namespace dragnet::scheduler {

// Until the outbox is empty. Blocks; an error: the rest is tried again.
absl::Status RelayOutbox(Coordination& store, Bus& bus);

}  // namespace dragnet::scheduler
