// The form in which a record travels in the stream of records: v1::BusRecord, under the
// subject of its agent's partition. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "scheduler/store/agent_record.h"

namespace dragnet::scheduler {

// Of an agent's records: below `partitions`. The same on every machine and for ever,
// because records that wait in the stream were put there by another process.
uint32_t PartitionOf(std::string_view agent_id, uint32_t partitions);

std::string SerializeRecord(const AgentRecord& record);

// What was read from `partition`. InvalidArgument for what no scheduler publishes: the
// bus is a network, and others than schedulers may be on it.
absl::StatusOr<AgentRecord> ParseRecord(std::string_view bytes, uint32_t partition,
                                        uint32_t partitions);

}  // namespace dragnet::scheduler
