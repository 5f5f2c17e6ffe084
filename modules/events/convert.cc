#include "modules/events/convert.h"

#include <arpa/inet.h>

#include <optional>

#include "absl/strings/str_format.h"
#include "core/action.h"
#include "core/strings.h"

namespace dragnet::events {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::optional<uint64_t> NumberOf(const Message& row, const FieldDescriptor* field) {
  const Reflection& reflection = *row.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(row, field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.GetUInt64(row, field);
    default:
      return std::nullopt;
  }
}

void SetFilePath(std::string_view path, std::string_view name, Document* document) {
  document->SetText(name, path);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return;
  const std::string object(name.substr(0, name.rfind('.')));
  const std::string_view base = path.substr(slash + 1);
  document->SetText(object + ".directory", slash == 0 ? "/" : path.substr(0, slash));
  document->SetText(object + ".name", base);
  const size_t dot = base.rfind('.');
  if (dot != std::string_view::npos && dot > 0)
    document->SetText(object + ".extension", base.substr(dot + 1));
}

void SetTransport(std::string_view protocol, std::string_view name, Document* document) {
  for (const std::string_view transport : {"tcp", "udp", "icmp"}) {
    if (!protocol.starts_with(transport)) continue;
    const std::string_view rest = protocol.substr(transport.size());
    if (!rest.empty() && rest != "6") return;
    document->SetText(name, transport);
    if (rest == "6") document->SetText("network.type", "ipv6");
  }
}

void ConvertText(const std::string& text, const FieldMapping& mapping, Document* document) {
  switch (mapping.conversion) {
    case Conversion::kIp:
      document->SetText(mapping.ecs_field, IpOnly(text));
      return document->AddText("related.ip", IpOnly(text));
    case Conversion::kFilePath:
      return SetFilePath(text, mapping.ecs_field, document);
    case Conversion::kOctalMode:
      return document->SetText(mapping.ecs_field, OctalMode(text));
    case Conversion::kFileType:
      return document->SetText(mapping.ecs_field, text == "directory" ? "dir" : text);
    case Conversion::kHash:
      document->SetText(mapping.ecs_field, text);
      return document->AddText("related.hash", text);
    case Conversion::kTransport:
      return SetTransport(text, mapping.ecs_field, document);
    default:
      return document->SetText(mapping.ecs_field, text);
  }
}

}  // namespace

void Convert(const Message& row, const FieldMapping& mapping, Document* document) {
  const FieldDescriptor* field =
      row.GetDescriptor()->FindFieldByName(std::string(mapping.row_field));
  if (field == nullptr || field->is_repeated()) return;
  const Reflection& reflection = *row.GetReflection();
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING)
    return ConvertText(reflection.GetString(row, field), mapping, document);
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    if (!reflection.HasField(row, field)) return;
    google::protobuf::Timestamp timestamp;
    timestamp.ParseFromString(reflection.GetMessage(row, field).SerializeAsString());
    const absl::StatusOr<absl::Time> time = ToTime(timestamp);
    if (time.ok()) document->SetTime(mapping.ecs_field, *time);
    return;
  }
  const std::optional<uint64_t> number = NumberOf(row, field);
  if (!number.has_value()) return;
  if (mapping.conversion == Conversion::kNumberAsText)
    return document->SetText(mapping.ecs_field, StrCat(*number));
  if (mapping.conversion == Conversion::kNonZero && *number == 0) return;
  // ECS's type is long; what is larger would have the whole event refused.
  if (*number <= static_cast<uint64_t>(INT64_MAX))
    document->SetUnsigned(mapping.ecs_field, *number);
}

std::string OctalMode(std::string_view mode) {
  if (mode.size() != 10) return "";
  unsigned bits = 0;
  for (size_t who = 0; who < 3; ++who) {
    const std::string_view three = mode.substr(1 + 3 * who, 3);
    const unsigned special = who == 0 ? 04000 : who == 1 ? 02000 : 01000;
    const char small = who == 2 ? 't' : 's';
    const char large = who == 2 ? 'T' : 'S';
    unsigned digit = 0;
    if (three[0] == 'r') digit |= 4;
    if (three[1] == 'w') digit |= 2;
    if (three[2] == 'x' || three[2] == small) digit |= 1;
    if (three[2] == small || three[2] == large) bits |= special;
    const bool known =
        (three[0] == 'r' || three[0] == '-') && (three[1] == 'w' || three[1] == '-') &&
        (three[2] == 'x' || three[2] == '-' || three[2] == small || three[2] == large);
    if (!known) return "";
    bits |= digit << (3 * (2 - who));
  }
  return absl::StrFormat("%04o", bits);
}

std::string IpOnly(std::string_view text) {
  const std::string address(text.substr(0, text.find('%')));
  unsigned char bytes[16];
  if (::inet_pton(AF_INET, address.c_str(), bytes) == 1 ||
      ::inet_pton(AF_INET6, address.c_str(), bytes) == 1)
    return address;
  return "";
}

}  // namespace dragnet::events
