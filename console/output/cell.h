// Values of protobuf messages as cells of tables and CSV files, by reflection.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "modules/rows/columns.h"

namespace dragnet::console {

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

// "2024-05-01T10:11:12+02:00", in the user's time zone.
std::string LocalTime(absl::Time time);

// RFC 4648, with padding.
std::string Base64(std::string_view bytes);

}  // namespace dragnet::console
