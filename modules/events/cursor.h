// Where a reader of the stream of everything stands, as text: TailEvent.cursor.
// For everyone but a scheduler it is opaque, but for one thing: two cursors of the
// same event have the same key, whenever and from wherever it was read.
// Thread-safe: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::events {

struct Cursor {
  // Of the store that the positions are of.
  uint64_t store = 0;
  uint64_t position = 0;
  // The last removal by retention that its reader knows of.
  uint64_t removal = 0;

  bool operator==(const Cursor&) const = default;
};

// "store.position.removal": hexadecimal and two decimals.
std::string FormatCursor(const Cursor& cursor);
// InvalidArgument.
absl::StatusOr<Cursor> ParseCursor(std::string_view text);

// "store-position": the beginning of every event.id of this event.
std::string EventKey(std::string_view cursor);

}  // namespace dragnet::events
