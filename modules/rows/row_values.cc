#include "modules/rows/row_values.h"

#include <algorithm>
#include <limits>
#include <set>

#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "core/safe_json.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::string_view kTimestamp = "google.protobuf.Timestamp";
constexpr std::string_view kDuration = "google.protobuf.Duration";

bool IsOf(const FieldDescriptor* field, std::string_view type) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field->message_type()->full_name() == type;
}

SqlType TypeOf(const FieldDescriptor* field) {
  if (field->is_repeated()) return SqlType::kText;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return SqlType::kReal;
    case FieldDescriptor::CPPTYPE_ENUM:
    case FieldDescriptor::CPPTYPE_STRING:
      return SqlType::kText;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return IsOf(field, kDuration) ? SqlType::kReal : SqlType::kText;
    default:
      return SqlType::kInteger;
  }
}

SqlValue Integer(int64_t value) { return {.kind = SqlValue::Kind::kInteger, .integer = value}; }
SqlValue Real(double value) { return {.kind = SqlValue::Kind::kReal, .real = value}; }
SqlValue Text(std::string_view text) { return {.kind = SqlValue::Kind::kText, .text = text}; }

SqlValue Unsigned(uint64_t value) {
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    return Integer(static_cast<int64_t>(value));
  return Real(static_cast<double>(value));
}

// Seconds and nanoseconds of a Timestamp or Duration, of whatever descriptor pool.
std::pair<int64_t, int32_t> SecondsAndNanos(const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const auto* type = message.GetDescriptor();
  return {reflection.GetInt64(message, type->FindFieldByNumber(1)),
          reflection.GetInt32(message, type->FindFieldByNumber(2))};
}

SqlValue TimeValue(const Message& message, std::string* scratch) {
  // RFC 3339 ends with the year 9999; a host may say anything.
  constexpr int64_t kFirst = -62135596800;
  constexpr int64_t kLast = 253402300799;
  const auto [seconds, nanos] = SecondsAndNanos(message);
  if (seconds < kFirst || seconds > kLast || nanos < 0 || nanos > 999'999'999) return {};
  *scratch = absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ",
                              absl::FromUnixSeconds(seconds) + absl::Nanoseconds(nanos),
                              absl::UTCTimeZone());
  return Text(*scratch);
}

SqlValue MessageValue(const Message& row, const FieldDescriptor* field, std::string* scratch) {
  const Reflection& reflection = *row.GetReflection();
  if (!reflection.HasField(row, field)) return {};
  const Message& inner = reflection.GetMessage(row, field);
  if (IsOf(field, kTimestamp)) return TimeValue(inner, scratch);
  if (IsOf(field, kDuration)) {
    const auto [seconds, nanos] = SecondsAndNanos(inner);
    return Real(static_cast<double>(seconds) + static_cast<double>(nanos) / 1e9);
  }
  scratch->clear();
  AppendJson(inner, scratch);
  return Text(*scratch);
}

SqlValue EnumValue(const FieldDescriptor* field, int number, std::string* scratch) {
  const auto* value = field->enum_type()->FindValueByNumber(number);
  *scratch = value == nullptr ? StrCat(number) : EnumWord(value);
  if (number == 0 && *scratch == "unspecified") scratch->clear();
  return Text(*scratch);
}

}  // namespace

std::string_view SqlTypeName(SqlType type) {
  switch (type) {
    case SqlType::kInteger:
      return "INTEGER";
    case SqlType::kReal:
      return "REAL";
    case SqlType::kText:
      break;
  }
  return "TEXT";
}

std::vector<SqlColumn> SqlColumnsOf(const google::protobuf::Descriptor* type) {
  std::vector<SqlColumn> columns;
  std::set<std::string> taken = {"agent", "agent_id", "operation"};
  for (Column& column : ColumnsOf(type)) {
    std::string name = absl::StrReplaceAll(column.header, {{".", "_"}});
    while (!taken.insert(name).second) name = StrCat("row_", name);
    const SqlType sql_type = TypeOf(column.path.back());
    columns.push_back({std::move(name), sql_type, std::move(column)});
  }
  return columns;
}

std::string SqlIdentifier(std::string_view name) {
  return StrCat("\"", absl::StrReplaceAll(ToAbsl(name), {{"\"", "\"\""}}), "\"");
}

SqlValue SqlValueOf(const Message& row, const Column& column, std::string* scratch) {
  const Message* holder = &row;
  for (size_t i = 0; i + 1 < column.path.size(); ++i) {
    const Reflection& reflection = *holder->GetReflection();
    if (!reflection.HasField(*holder, column.path[i])) return {};
    holder = &reflection.GetMessage(*holder, column.path[i]);
  }
  const FieldDescriptor* field = column.path.back();
  const Reflection& reflection = *holder->GetReflection();
  if (field->is_repeated()) {
    scratch->clear();
    AppendFieldJson(*holder, field, scratch);
    return Text(*scratch);
  }
  if (field->has_presence() && !reflection.HasField(*holder, field)) return {};
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Integer(reflection.GetInt32(*holder, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return Integer(reflection.GetInt64(*holder, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return Integer(reflection.GetUInt32(*holder, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return Unsigned(reflection.GetUInt64(*holder, field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Real(reflection.GetDouble(*holder, field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return Real(static_cast<double>(reflection.GetFloat(*holder, field)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return Integer(reflection.GetBool(*holder, field) ? 1 : 0);
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumValue(field, reflection.GetEnumValue(*holder, field), scratch);
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string& text = reflection.GetStringReference(*holder, field, scratch);
      if (field->type() != FieldDescriptor::TYPE_BYTES) return Text(text);
      *scratch = HexEncode(text);
      return Text(*scratch);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageValue(*holder, field, scratch);
  }
  return {};
}

}  // namespace dragnet
