// The safe JSON of core/safe_json.h, under the console's own name, and what of it
// concerns columns. Thread-safe: no state.
#pragma once

#include <string>

#include "console/output/cell.h"
#include "core/safe_json.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

using dragnet::AppendFieldJson;
using dragnet::AppendJson;
using dragnet::IndentJson;
using dragnet::MessageToJson;
using dragnet::SafeJsonString;

// Of a column of `message`, null if that doesn't have it.
void AppendColumnJson(const google::protobuf::Message& message, const Column& column,
                      std::string* json);

}  // namespace dragnet::console
