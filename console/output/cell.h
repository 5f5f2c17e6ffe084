// Values of protobuf messages as cells of tables and CSV files, by reflection.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

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

enum class CellStyle {
  // For people: times in local time, enum values without prefix.
  kTable,
  // For programs: times in UTC (RFC 3339), enum values without prefix.
  kData,
};

struct Cell {
  // As it is in the message: not yet fit for a terminal.
  std::string text;
  // Written by someone else than this program; a spreadsheet could take it for
  // a formula. False for numbers, times, enums.
  bool free_text = false;
};

Cell CellOf(const google::protobuf::Message& message, const Column& column, CellStyle style);

// Enum value without its enum's prefix, lower case: HASH_TYPE_SHA256 of
// HashType becomes "sha256", DISPATCH_STATE_NEVER_SENT "never-sent".
std::string EnumWord(const google::protobuf::EnumValueDescriptor* value);

// "2024-05-01T10:11:12+02:00", in the user's time zone.
std::string LocalTime(absl::Time time);

// RFC 4648, with padding.
std::string Base64(std::string_view bytes);

}  // namespace dragnet::console
