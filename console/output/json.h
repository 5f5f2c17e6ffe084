// Protobuf's JSON form, by reflection. Differs from protobuf's own printer in
// two ways: it doesn't build a type resolver per message (a million rows are
// usual here), and it escapes whatever a terminal could obey, so that
// `--output jsonl` is safe to look at. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "console/output/cell.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

// Quotes included. Control characters (C0, DEL, C1), line separators and
// bidirectional controls become \uXXXX; invalid UTF-8 becomes U+FFFD.
std::string SafeJsonString(std::string_view text);

// One line. Numbers, booleans and strings are there even when they are 0, false
// or ""; optional fields and messages only when they are set.
std::string MessageToJson(const google::protobuf::Message& message);
void AppendJson(const google::protobuf::Message& message, std::string* json);

// The value of one field: lists as arrays, maps as objects.
void AppendFieldJson(const google::protobuf::Message& message,
                     const google::protobuf::FieldDescriptor* field, std::string* json);

// Of a column of `message`, null if that doesn't have it.
void AppendColumnJson(const google::protobuf::Message& message, const Column& column,
                      std::string* json);

// The same value over several lines, two spaces per level.
std::string IndentJson(std::string_view json);

}  // namespace dragnet::console
