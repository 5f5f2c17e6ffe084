// One field of a row as a field of the Elastic Common Schema. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "google/protobuf/message.h"
#include "modules/events/document.h"
#include "modules/events/row_fields.h"

namespace dragnet::events {

// Sets nothing when the row hasn't the field, or not a value of its kind.
void Convert(const google::protobuf::Message& row, const FieldMapping& mapping, Document* document);

// "-rwsr-xr-x" as "4755"; empty for anything else.
std::string OctalMode(std::string_view mode);

// Without a zone ("%eth0"); empty for what is no address.
std::string IpOnly(std::string_view text);

}  // namespace dragnet::events
