// Up to where each partition of the bus is stored. Within the transaction that stores what
// comes after. For the writer's thread.
#pragma once

#include "absl/status/status.h"
#include "scheduler/store/agent_record.h"
#include "scheduler/store/database.h"

namespace dragnet::scheduler {

// Aborted: this range doesn't begin where the partition's last one ended.
absl::Status CheckBusPosition(Database& database, const BusRange& range);
absl::Status SaveBusPosition(Database& database, const BusRange& range);

}  // namespace dragnet::scheduler
