// A record on its way from the agent's session to the store. Plain values.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "dragnet/v1/results.pb.h"

namespace dragnet::scheduler {

struct AgentRecord {
  // Of its certificate: who sent it, not who it says that it is.
  std::string agent_id;
  v1::ResultRecord record;
  // When a scheduler got it.
  absl::Time received;
};

// Where records come from that were read together: the part of the bus, and the
// numbers that its messages have there.
struct BusRange {
  uint32_t partition = 0;
  // Nothing of this partition is between `after` and the first of these.
  uint64_t after = 0;
  uint64_t last = 0;
};

}  // namespace dragnet::scheduler
