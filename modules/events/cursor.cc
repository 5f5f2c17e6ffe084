#include "modules/events/cursor.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::events {
namespace {

constexpr size_t kStoreDigits = 16;
constexpr size_t kMostShown = 60;

}  // namespace

std::string FormatCursor(const Cursor& cursor) {
  return absl::StrFormat("%016x.%d.%d", cursor.store, cursor.position, cursor.removal);
}

absl::StatusOr<Cursor> ParseCursor(std::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(text), '.');
  Cursor cursor;
  // As it was written, and in no other way: SimpleAtoi would take "+1" and " 1".
  if (parts.size() == 3 && parts[0].size() == kStoreDigits &&
      absl::SimpleHexAtoi(parts[0], &cursor.store) &&
      absl::SimpleAtoi(parts[1], &cursor.position) && absl::SimpleAtoi(parts[2], &cursor.removal) &&
      FormatCursor(cursor) == text)
    return cursor;
  return absl::InvalidArgumentError(
      StrCat("\"", Shorten(ForTerminal(text), kMostShown), "\" is not a cursor of a stream"));
}

std::string EventKey(std::string_view cursor) {
  const absl::StatusOr<Cursor> parsed = ParseCursor(cursor);
  if (!parsed.ok()) return Shorten(ForTerminal(cursor), kMostShown);
  return absl::StrFormat("%016x-%d", parsed->store, parsed->position);
}

}  // namespace dragnet::events
