// Rows cut down to some of their columns: what stacks count and what keys of
// comparisons are. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "console/output/cell.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

// Clears every field of `message` that is in none of `columns`, unknown fields
// included.
void KeepColumns(const std::vector<Column>& columns, google::protobuf::Message* message);

// The same bytes for messages of equal content, maps included.
std::string CanonicalBytes(const google::protobuf::Message& message);

}  // namespace dragnet::console
