#include "console/tui/results/stack_filter.h"

#include <memory>

#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/rows/row_values.h"

namespace dragnet::console::tui {
namespace {

using google::protobuf::Message;

// Of an expression only so much is allowed, of 8 columns.
constexpr size_t kMostCharacters = 80;

// Bytes of the first `most` characters.
size_t BytesOf(std::string_view text, size_t most) {
  size_t at = 0;
  for (; at < text.size() && most > 0; --most) {
    ++at;
    while (at < text.size() && (text[at] & 0xc0) == 0x80) ++at;
  }
  return at;
}

size_t CharactersIn(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (c & 0xc0) != 0x80;
  return count;
}

std::string Quoted(std::string_view text) {
  return StrCat("'", absl::StrReplaceAll(ToAbsl(text), {{"'", "''"}}), "'");
}

absl::StatusOr<std::string> Equal(const std::string& name, const SqlValue& value) {
  switch (value.kind) {
    case SqlValue::Kind::kNull:
      return StrCat(name, " is null");
    case SqlValue::Kind::kInteger:
      return StrCat(name, " = ", value.integer);
    case SqlValue::Kind::kReal:
      return absl::StrFormat("%s = %.17g", name, value.real);
    case SqlValue::Kind::kText:
      break;
  }
  if (value.text.find('\0') != std::string_view::npos)
    return absl::InvalidArgumentError(
        "a value with a NUL character can't be written in a filter: filter by another column");
  const size_t characters = CharactersIn(value.text);
  if (characters <= kMostCharacters) return StrCat(name, " = ", Quoted(value.text));
  const std::string_view beginning = value.text.substr(0, BytesOf(value.text, kMostCharacters));
  return StrCat("substr(", name, ", 1, ", kMostCharacters, ") = ", Quoted(beginning),
                " and length(", name, ") = ", characters);
}

// A row in which the message that holds the column is there, and the column is not.
SqlValue DefaultOf(const Message& row, const Column& column, std::unique_ptr<Message>* empty,
                   std::string* scratch) {
  empty->reset(row.New());
  Message* holder = empty->get();
  for (size_t i = 0; i + 1 < column.path.size(); ++i)
    holder = holder->GetReflection()->MutableMessage(holder, column.path[i]);
  return SqlValueOf(**empty, column, scratch);
}

}  // namespace

absl::StatusOr<std::string> FilterForValues(const Message& row, std::span<const Column> columns) {
  const std::vector<SqlColumn> known = SqlColumnsOf(row.GetDescriptor());
  std::string filter;
  for (const Column& column : columns) {
    std::string name = column.header;
    // What every table has goes before a row's column of the same name.
    for (const SqlColumn& each : known)
      if (each.column.path == column.path && each.name.starts_with("row_")) name = each.name;
    std::string scratch;
    SqlValue value = SqlValueOf(row, column, &scratch);
    DRAGNET_ASSIGN_OR_RETURN(std::string part, Equal(name, value));
    // The stack counts what isn't there and what is empty in a message inside as one.
    if (column.path.size() > 1 && !column.path.back()->has_presence()) {
      std::unique_ptr<Message> empty;
      std::string empty_scratch;
      const SqlValue nothing = DefaultOf(row, column, &empty, &empty_scratch);
      DRAGNET_ASSIGN_OR_RETURN(const std::string is_empty, Equal(name, nothing));
      if (value.kind == SqlValue::Kind::kNull || part == is_empty)
        part = StrCat("(", name, " is null or ", is_empty, ")");
    }
    StrAppend(&filter, filter.empty() ? "" : " and ", part);
  }
  return filter;
}

std::string FilterForAgent(std::string_view agent_id) {
  return StrCat("agent_id = ", Quoted(agent_id));
}

}  // namespace dragnet::console::tui
