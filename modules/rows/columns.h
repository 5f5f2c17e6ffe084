// The columns of a row message, by reflection: what tables, filters and expectations
// call its values. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace dragnet {

// One column: a field, or a field of a singular message inside.
struct Column {
  std::string header{};
  std::vector<const google::protobuf::FieldDescriptor*> path{};
  // Only in csv (ColumnOptions.detail).
  bool detail = false;
  // As in ColumnOptions; also of the messages around it.
  bool key = false;
  bool fleeting = false;
};

// All columns of a message, in the order of its .proto. Singular messages are
// taken apart ("hash.sha256"); repeated ones and maps are one column each.
std::vector<Column> ColumnsOf(const google::protobuf::Descriptor* type);

// The column for one dotted path, e.g. ("facts.name", "name").
// NotFound if the message has no such field: a mistake in the program.
absl::StatusOr<Column> ColumnAt(const google::protobuf::Descriptor* type,
                                std::string_view dotted_path, std::string header);

// Enum value without its enum's prefix, lower case: HASH_TYPE_SHA256 of
// HashType becomes "sha256", DISPATCH_STATE_NEVER_SENT "never-sent".
std::string EnumWord(const google::protobuf::EnumValueDescriptor* value);

}  // namespace dragnet
