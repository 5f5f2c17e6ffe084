// The safe JSON of core/safe_json.h, under the console's own name.
#pragma once

#include "core/safe_json.h"

namespace dragnet::console {

using dragnet::AppendJson;
using dragnet::IndentJson;
using dragnet::MessageToJson;
using dragnet::SafeJsonString;

}  // namespace dragnet::console
