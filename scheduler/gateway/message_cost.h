// What a serialised message grows to in memory when it is parsed: a megabyte
// of empty rows becomes fifty. Read from the wire format alone, so that it is
// known, and counted, before anything is parsed. Thread-safe: no state.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::scheduler {

struct MessageCost {
  // An upper bound, with the serialised form and one copy of it.
  size_t bytes = 0;
  // There is a ResultRecord in it.
  bool is_record = false;
};

// InvalidArgument for what isn't an AgentMessage.
absl::StatusOr<MessageCost> CostOfAgentMessage(std::string_view serialised);

}  // namespace dragnet::scheduler
