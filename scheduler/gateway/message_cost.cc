#include "scheduler/gateway/message_cost.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>

#include "dragnet/v1/agent_gateway.pb.h"

namespace dragnet::scheduler {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;

// Of the generated classes, their place in a repeated field and what the
// allocator adds, with room to spare.
constexpr size_t kMessageBytes = 256;
// std::string, its pointer, and the allocator's part of both.
constexpr size_t kStringBytes = 72;
constexpr size_t kScalarBytes = 16;
// google::protobuf::UnknownField in a vector that doubles.
constexpr size_t kUnknownBytes = 64;

// Adds what the fields up to the stream's limit take. False when they are
// malformed; so are groups, which these messages never had.
bool AddFields(const Descriptor& type, google::protobuf::io::CodedInputStream* input,
               size_t* bytes);

bool AddLengthDelimited(const FieldDescriptor* field, google::protobuf::io::CodedInputStream* input,
                        size_t* bytes) {
  uint32_t length = 0;
  if (!input->ReadVarint32(&length)) return false;
  if (field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE) {
    if (static_cast<int64_t>(length) > input->BytesUntilLimit()) return false;
    *bytes += kMessageBytes;
    const auto limit = input->PushLimit(static_cast<int>(length));
    if (!AddFields(*field->message_type(), input, bytes)) return false;
    input->PopLimit(limit);
    return true;
  }
  *bytes += (field == nullptr ? kUnknownBytes : 0) + kStringBytes + length;
  return input->Skip(static_cast<int>(length));
}

bool AddFields(const Descriptor& type, google::protobuf::io::CodedInputStream* input,
               size_t* bytes) {
  const FieldDescriptor* field = nullptr;
  while (input->BytesUntilLimit() > 0) {
    const uint32_t tag = input->ReadTag();
    if (tag == 0) return false;
    const int number = WireFormatLite::GetTagFieldNumber(tag);
    if (field == nullptr || field->number() != number) field = type.FindFieldByNumber(number);
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        if (!AddLengthDelimited(field, input, bytes)) return false;
        break;
      case WireFormatLite::WIRETYPE_START_GROUP:
      case WireFormatLite::WIRETYPE_END_GROUP:
        return false;
      default:
        if (!WireFormatLite::SkipField(input, tag)) return false;
        *bytes += field == nullptr ? kUnknownBytes : kScalarBytes;
    }
  }
  return input->BytesUntilLimit() == 0;
}

// Whether a field `number` stands at the top of the message.
bool HasField(std::string_view serialised, int number) {
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(serialised.data()),
                                               static_cast<int>(serialised.size()));
  while (const uint32_t tag = input.ReadTag()) {
    if (WireFormatLite::GetTagFieldNumber(tag) == number) return true;
    if (!WireFormatLite::SkipField(&input, tag)) return false;
  }
  return false;
}

}  // namespace

absl::StatusOr<MessageCost> CostOfAgentMessage(std::string_view serialised) {
  MessageCost cost;
  cost.bytes = kMessageBytes + 2 * serialised.size();
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(serialised.data()),
                                               static_cast<int>(serialised.size()));
  input.PushLimit(static_cast<int>(serialised.size()));
  if (!AddFields(*v1::AgentMessage::descriptor(), &input, &cost.bytes))
    return absl::InvalidArgumentError("not an AgentMessage");
  cost.is_record = HasField(serialised, v1::AgentMessage::kRecordFieldNumber);
  return cost;
}

}  // namespace dragnet::scheduler
