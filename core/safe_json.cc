#include "core/safe_json.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// \uXXXX; above U+FFFF JSON has only pairs of surrogates.
void AppendUnicodeEscape(char32_t c, std::string* json) {
  const auto code = static_cast<unsigned>(c);
  if (code < 0x10000) {
    absl::StrAppendFormat(json, "\\u%04x", code);
  } else {
    absl::StrAppendFormat(json, "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10),
                          0xDC00 + ((code - 0x10000) & 0x3FF));
  }
}

void AppendEscaped(std::string_view valid_utf8, std::string* json) {
  for (size_t i = 0; i < valid_utf8.size();) {
    const auto byte = static_cast<unsigned char>(valid_utf8[i]);
    if (byte == '"' || byte == '\\') {
      json->push_back('\\');
      json->push_back(static_cast<char>(byte));
      ++i;
    } else if (byte == '\n' || byte == '\t') {
      json->append(byte == '\n' ? "\\n" : "\\t");
      ++i;
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppendFormat(json, "\\u%04x", byte);
      ++i;
    } else if (byte < 0x80) {
      json->push_back(static_cast<char>(byte));
      ++i;
    } else {
      const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
      char32_t c = length == 4 ? byte & 0x07 : length == 3 ? byte & 0x0F : byte & 0x1F;
      for (size_t k = 1; k < length; ++k)
        c = (c << 6) | (static_cast<unsigned char>(valid_utf8[i + k]) & 0x3F);
      // JSON allows these raw, but a terminal may obey or hide them.
      if (IsUnsafeToShow(c)) {
        AppendUnicodeEscape(c, json);
      } else {
        json->append(valid_utf8.substr(i, length));
      }
      i += length;
    }
  }
}

void AppendString(std::string_view text, std::string* json) {
  json->push_back('"');
  if (IsValidUtf8(text)) {
    AppendEscaped(text, json);
  } else {
    AppendEscaped(ToValidUtf8(text), json);
  }
  json->push_back('"');
}

void AppendDouble(double value, std::string* json) {
  if (std::isnan(value)) {
    json->append("\"NaN\"");
  } else if (std::isinf(value)) {
    json->append(value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  } else {
    // The shortest text that reads back as the same number.
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    json->append(text, end - text);
  }
}

void AppendTimestamp(const Message& message, std::string* json) {
  google::protobuf::Timestamp value;
  value.ParseFromString(message.SerializeAsString());
  const absl::StatusOr<absl::Time> time = ToTime(value);
  if (!time.ok()) {
    json->append("null");
    return;
  }
  StrAppend(json, "\"", absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", *time, absl::UTCTimeZone()),
            "\"");
}

void AppendDuration(const Message& message, std::string* json) {
  google::protobuf::Duration value;
  value.ParseFromString(message.SerializeAsString());
  // A host may say the least there is, whose negative isn't an int64.
  const auto magnitude = [](int64_t number) {
    return number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
  };
  std::string text =
      absl::StrFormat("%s%d.%09d", value.seconds() < 0 || value.nanos() < 0 ? "-" : "",
                      magnitude(value.seconds()), magnitude(value.nanos()));
  while (text.ends_with('0')) text.pop_back();
  StrAppend(json, "\"", absl::StripSuffix(text, "."), "s\"");
}

void AppendMessage(const Message& message, std::string* json) {
  const std::string& type = message.GetDescriptor()->full_name();
  if (type == "google.protobuf.Timestamp") {
    AppendTimestamp(message, json);
  } else if (type == "google.protobuf.Duration") {
    AppendDuration(message, json);
  } else {
    AppendJson(message, json);
  }
}

// `index` -1 for a singular field.
void AppendValue(const Message& message, const FieldDescriptor* field, int index,
                 std::string* json) {
  const Reflection& reflection = *message.GetReflection();
  const auto get = [&](auto singular, auto repeated) {
    return index < 0 ? (reflection.*singular)(message, field)
                     : (reflection.*repeated)(message, field, index);
  };
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      StrAppend(json, get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      StrAppend(json, get(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32));
      return;
    // Strings, as in protobuf's form: JavaScript's numbers end at 2^53.
    case FieldDescriptor::CPPTYPE_INT64:
      StrAppend(json, "\"", get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64), "\"");
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      StrAppend(json, "\"", get(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64), "\"");
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      AppendDouble(get(&Reflection::GetDouble, &Reflection::GetRepeatedDouble), json);
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      AppendDouble(get(&Reflection::GetFloat, &Reflection::GetRepeatedFloat), json);
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      json->append(get(&Reflection::GetBool, &Reflection::GetRepeatedBool) ? "true" : "false");
      return;
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = get(&Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue);
      const auto* value = field->enum_type()->FindValueByNumber(number);
      if (value == nullptr) {
        StrAppend(json, number);
      } else {
        StrAppend(json, "\"", value->name(), "\"");
      }
      return;
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = get(&Reflection::GetString, &Reflection::GetRepeatedString);
      if (field->type() == FieldDescriptor::TYPE_BYTES) {
        StrAppend(json, "\"", absl::Base64Escape(text), "\"");
      } else {
        AppendString(text, json);
      }
      return;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      AppendMessage(index < 0 ? reflection.GetMessage(message, field)
                              : reflection.GetRepeatedMessage(message, field, index),
                    json);
      return;
  }
}

void AppendMap(const Message& message, const FieldDescriptor* field, std::string* json) {
  const Reflection& reflection = *message.GetReflection();
  const FieldDescriptor* key_field = field->message_type()->map_key();
  const FieldDescriptor* value_field = field->message_type()->map_value();
  // In order of keys: equal messages give equal text.
  std::map<std::string, std::string> entries;
  for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, field, i);
    std::string key;
    AppendValue(entry, key_field, -1, &key);
    if (!key.starts_with('"')) key = StrCat("\"", key, "\"");
    AppendValue(entry, value_field, -1, &entries[key]);
  }
  json->push_back('{');
  bool first = true;
  for (const auto& [key, value] : entries) {
    StrAppend(json, first ? "" : ",", key, ":", value);
    first = false;
  }
  json->push_back('}');
}

}  // namespace

void AppendFieldJson(const Message& message, const FieldDescriptor* field, std::string* json) {
  if (field->is_map()) return AppendMap(message, field, json);
  if (!field->is_repeated()) return AppendValue(message, field, -1, json);
  json->push_back('[');
  const int size = message.GetReflection()->FieldSize(message, field);
  for (int i = 0; i < size; ++i) {
    if (i > 0) json->push_back(',');
    AppendValue(message, field, i, json);
  }
  json->push_back(']');
}

std::string SafeJsonString(std::string_view text) {
  std::string json;
  AppendString(text, &json);
  return json;
}

void AppendJson(const Message& message, std::string* json) {
  const auto* type = message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  json->push_back('{');
  bool first = true;
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->has_presence() && !reflection.HasField(message, field)) continue;
    StrAppend(json, first ? "" : ",", "\"", field->json_name(), "\":");
    AppendFieldJson(message, field, json);
    first = false;
  }
  json->push_back('}');
}

std::string MessageToJson(const Message& message) {
  std::string json;
  AppendMessage(message, &json);
  return json;
}

std::string IndentJson(std::string_view json) {
  std::string out;
  size_t depth = 0;
  bool in_string = false;
  const auto line = [&] { out.append("\n").append(depth * 2, ' '); };
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      out.push_back(c);
      if (c == '\\' && i + 1 < json.size()) {
        out.push_back(json[++i]);
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '{' || c == '[') {
      out.push_back(c);
      const char closing = c == '{' ? '}' : ']';
      if (i + 1 < json.size() && json[i + 1] == closing) {
        out.push_back(json[++i]);
      } else {
        ++depth;
        line();
      }
    } else if (c == '}' || c == ']') {
      if (depth > 0) --depth;
      line();
      out.push_back(c);
    } else if (c == ',') {
      out.push_back(c);
      line();
    } else if (c == ':') {
      out.append(": ");
    } else {
      in_string = c == '"';
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace dragnet
