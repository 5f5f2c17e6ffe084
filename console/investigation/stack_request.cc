#include "console/investigation/stack_request.h"

namespace dragnet::console {

v1::StackRequest NewStackRequest(const std::string& action_id, uint32_t operation,
                                 std::span<const Column> columns, uint32_t limit,
                                 bool most_frequent_first) {
  v1::StackRequest request;
  request.set_action_id(action_id);
  request.set_operation(operation);
  request.set_limit(limit);
  request.set_most_frequent_first(most_frequent_first);
  for (const Column& column : columns) {
    v1::StackColumn* wanted = request.add_columns();
    for (const google::protobuf::FieldDescriptor* field : column.path)
      wanted->add_field_numbers(static_cast<uint32_t>(field->number()));
  }
  return request;
}

}  // namespace dragnet::console
