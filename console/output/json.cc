#include "console/output/json.h"

namespace dragnet::console {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void AppendColumnJson(const Message& message, const Column& column, std::string* json) {
  const Message* holder = &message;
  for (size_t i = 0; i + 1 < column.path.size(); ++i) {
    const Reflection& reflection = *holder->GetReflection();
    if (!reflection.HasField(*holder, column.path[i])) {
      json->append("null");
      return;
    }
    holder = &reflection.GetMessage(*holder, column.path[i]);
  }
  const FieldDescriptor* field = column.path.back();
  if (field->has_presence() && !holder->GetReflection()->HasField(*holder, field)) {
    json->append("null");
  } else {
    AppendFieldJson(*holder, field, json);
  }
}

}  // namespace dragnet::console
