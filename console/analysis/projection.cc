#include "console/analysis/projection.h"

#include <algorithm>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/unknown_field_set.h"

namespace dragnet::console {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// `columns` are those whose paths lead to `message` in their first `depth` steps.
void Keep(const std::vector<const Column*>& columns, size_t depth, Message* message) {
  const auto& reflection = *message->GetReflection();
  reflection.MutableUnknownFields(message)->Clear();
  std::vector<const FieldDescriptor*> present;
  reflection.ListFields(*message, &present);
  for (const FieldDescriptor* field : present) {
    std::vector<const Column*> beneath;
    for (const Column* column : columns)
      if (column->path[depth] == field) beneath.push_back(column);
    const bool whole = std::any_of(beneath.begin(), beneath.end(), [&](const Column* column) {
      return column->path.size() == depth + 1;
    });
    if (beneath.empty()) {
      reflection.ClearField(message, field);
    } else if (!whole) {
      Keep(beneath, depth + 1, reflection.MutableMessage(message, field));
    }
  }
}

}  // namespace

void KeepColumns(const std::vector<Column>& columns, Message* message) {
  std::vector<const Column*> pointers;
  for (const Column& column : columns) pointers.push_back(&column);
  Keep(pointers, 0, message);
}

std::string CanonicalBytes(const Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace dragnet::console
