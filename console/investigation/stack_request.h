// Asking the scheduler to count equal values over the whole fleet. Thread-safe:
// no state.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "console/output/cell.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

// By these columns of the operation's rows; the most frequent values first, or
// the rarest.
v1::StackRequest NewStackRequest(const std::string& action_id, uint32_t operation,
                                 std::span<const Column> columns, uint32_t limit,
                                 bool most_frequent_first);

}  // namespace dragnet::console
