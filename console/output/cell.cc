#include "console/output/cell.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "console/output/json.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool IsTimestamp(const Descriptor* type) {
  return type->full_name() == "google.protobuf.Timestamp";
}
bool IsDuration(const Descriptor* type) { return type->full_name() == "google.protobuf.Duration"; }

std::string TimeText(const Message& timestamp, CellStyle style) {
  google::protobuf::Timestamp value;
  // Through bytes: the message may be of a descriptor pool other than ours.
  if (!value.ParseFromString(timestamp.SerializeAsString())) return "";
  const absl::StatusOr<absl::Time> time = ToTime(value);
  if (!time.ok()) return StrCat(value.seconds(), " s (out of range)");
  if (style == CellStyle::kTable) return LocalTime(*time);
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", *time, absl::UTCTimeZone());
}

std::string DurationText(const Message& duration) {
  google::protobuf::Duration value;
  if (!value.ParseFromString(duration.SerializeAsString())) return "";
  return absl::FormatDuration(ToDuration(value));
}

// `index` -1 for a singular field.
Cell ValueOf(const Message& message, const FieldDescriptor* field, int index, CellStyle style) {
  const Reflection& reflection = *message.GetReflection();
  const auto get = [&](auto singular, auto repeated) {
    return index < 0 ? (reflection.*singular)(message, field)
                     : (reflection.*repeated)(message, field, index);
  };
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return {StrCat(get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32))};
    case FieldDescriptor::CPPTYPE_INT64:
      return {StrCat(get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64))};
    case FieldDescriptor::CPPTYPE_UINT32:
      return {StrCat(get(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32))};
    case FieldDescriptor::CPPTYPE_UINT64:
      return {StrCat(get(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64))};
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return {StrCat(get(&Reflection::GetDouble, &Reflection::GetRepeatedDouble))};
    case FieldDescriptor::CPPTYPE_FLOAT:
      return {StrCat(get(&Reflection::GetFloat, &Reflection::GetRepeatedFloat))};
    case FieldDescriptor::CPPTYPE_BOOL:
      return {get(&Reflection::GetBool, &Reflection::GetRepeatedBool) ? "yes" : "no"};
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = get(&Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue);
      const auto* value = field->enum_type()->FindValueByNumber(number);
      if (value == nullptr) return {StrCat(number)};
      return {number == 0 && EnumWord(value) == "unspecified" ? "" : EnumWord(value)};
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = get(&Reflection::GetString, &Reflection::GetRepeatedString);
      if (field->type() == FieldDescriptor::TYPE_BYTES) return {HexEncode(text)};
      return {text, /*free_text=*/true};
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      if (index < 0 && !reflection.HasField(message, field)) return {};
      const Message& inner = index < 0 ? reflection.GetMessage(message, field)
                                       : reflection.GetRepeatedMessage(message, field, index);
      if (IsTimestamp(field->message_type())) return {TimeText(inner, style)};
      if (IsDuration(field->message_type())) return {DurationText(inner)};
      return {MessageToJson(inner), /*free_text=*/true};
    }
  }
  return {};
}

std::string MapText(const Message& message, const FieldDescriptor* field, CellStyle style) {
  std::vector<std::string> entries;
  const Reflection& reflection = *message.GetReflection();
  const FieldDescriptor* key = field->message_type()->map_key();
  const FieldDescriptor* value = field->message_type()->map_value();
  for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, field, i);
    entries.push_back(
        StrCat(ValueOf(entry, key, -1, style).text, "=", ValueOf(entry, value, -1, style).text));
  }
  // Protobuf keeps maps in no order; people compare lines.
  std::sort(entries.begin(), entries.end());
  return absl::StrJoin(entries, ", ");
}

}  // namespace

Cell CellOf(const Message& message, const Column& column, CellStyle style) {
  const Message* holder = &message;
  for (size_t i = 0; i + 1 < column.path.size(); ++i) {
    const Reflection& reflection = *holder->GetReflection();
    if (!reflection.HasField(*holder, column.path[i])) return {};
    holder = &reflection.GetMessage(*holder, column.path[i]);
  }
  const FieldDescriptor* field = column.path.back();
  const Reflection& reflection = *holder->GetReflection();
  if (field->is_map()) return {MapText(*holder, field, style), /*free_text=*/true};
  if (!field->is_repeated()) {
    if (field->has_presence() && !reflection.HasField(*holder, field)) return {};
    return ValueOf(*holder, field, -1, style);
  }
  Cell cell;
  for (int i = 0; i < reflection.FieldSize(*holder, field); ++i) {
    Cell item = ValueOf(*holder, field, i, style);
    if (i > 0) cell.text.append(", ");
    cell.text.append(item.text);
    cell.free_text |= item.free_text;
  }
  return cell;
}

std::string LocalTime(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%S%Ez", time, absl::LocalTimeZone());
}

std::string Base64(std::string_view bytes) { return absl::Base64Escape(ToAbsl(bytes)); }

}  // namespace dragnet::console
