// The form in which records travel in the stream of records: v1::BusRecords, under the
// subject of their agents' partition. Thread-safe: no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/store/agent_record.h"

namespace dragnet::scheduler {

// In one message, beside Bus::kMaxRecordBytes for all of them.
inline constexpr size_t kMaxRecordsTogether = 1000;

// Of an agent's records: below `partitions`. The same on every machine and for ever,
// because records that wait in the stream were put there by another process.
uint32_t PartitionOf(std::string_view agent_id, uint32_t partitions);

// A message of this record. Several such, one after the other, are a message of all of them
// (protobuf.dev, "Encoding", "Last One Wins": concatenated messages are merged).
std::string SerializeRecord(AgentRecord record);

// A message that was read from `partition`; at least one record. InvalidArgument for what no
// scheduler publishes: the bus is a network, and others than schedulers may be on it.
absl::StatusOr<std::vector<AgentRecord>> ParseRecords(std::string_view bytes, uint32_t partition,
                                                      uint32_t partitions);

}  // namespace dragnet::scheduler
