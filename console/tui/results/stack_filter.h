// Expressions that find rows again: those with a value of a stack, those of an
// agent. For people to read and change. Thread-safe: no state.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "console/output/cell.h"
#include "google/protobuf/message.h"

namespace dragnet::console::tui {

// True for the rows that have the same values in `columns` as `row`, an entry of a
// stack; of long texts only the beginning and the length are asked for.
// InvalidArgument: a value that can't be written in an expression.
absl::StatusOr<std::string> FilterForValues(const google::protobuf::Message& row,
                                            std::span<const Column> columns);

std::string FilterForAgent(std::string_view agent_id);

}  // namespace dragnet::console::tui
