#include "core/strict_proto.h"

#include <vector>

#include "core/strings.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/stubs/logging.h"
#include "google/protobuf/unknown_field_set.h"

namespace dragnet {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Protobuf prints what it can't parse to stderr: with hostile input that is a
// way to fill a log. The status says the same.
void SilenceProtobufLog() {
  [[maybe_unused]] static auto* const previous = google::protobuf::SetLogHandler(nullptr);
}

absl::Status RefuseUnknownFields(const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const auto& unknown = reflection.GetUnknownFields(message);
  if (!unknown.empty()) {
    return absl::InvalidArgumentError(
        StrCat("unknown field ", unknown.field(0).number(), " in ", message.GetTypeName()));
  }
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      if (auto status = RefuseUnknownFields(reflection.GetMessage(message, field)); !status.ok()) {
        return status;
      }
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      if (auto status = RefuseUnknownFields(reflection.GetRepeatedMessage(message, field, i));
          !status.ok()) {
        return status;
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseStrict(std::string_view bytes, size_t max_bytes, Message* message) {
  if (bytes.size() > max_bytes) {
    return absl::InvalidArgumentError(StrCat(message->GetTypeName(), " of ", bytes.size(),
                                             " bytes: at most ", max_bytes, " are allowed"));
  }
  SilenceProtobufLog();
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  stream.SetRecursionLimit(kMaxNesting);
  if (!message->ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    return absl::InvalidArgumentError(StrCat("not a valid encoding of ", message->GetTypeName()));
  }
  return RefuseUnknownFields(*message);
}

}  // namespace dragnet
