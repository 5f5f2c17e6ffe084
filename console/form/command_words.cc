#include "console/form/command_words.h"

#include <memory>

#include "absl/time/time.h"
#include "console/output/cell.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "google/protobuf/util/message_differencer.h"

namespace dragnet::console {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The message that holds the field; null when nothing on the way is set.
const Message* Holder(const FormField& field, const Message& parameters) {
  const Message* message = &parameters;
  for (size_t i = 0; i + 1 < field.path.size(); ++i) {
    const FieldDescriptor* step = field.path[i];
    const Reflection& reflection = *message->GetReflection();
    if (step->is_repeated()) {
      if (reflection.FieldSize(*message, step) == 0) return nullptr;
      message = &reflection.GetRepeatedMessage(*message, step, 0);
    } else {
      if (!reflection.HasField(*message, step)) return nullptr;
      message = &reflection.GetMessage(*message, step);
    }
  }
  return message;
}

// One message of times, durations or a map, as SetField reads it.
std::string MessageText(const Message& value) {
  const std::string& type = value.GetDescriptor()->full_name();
  if (type == "google.protobuf.Duration") {
    google::protobuf::Duration duration;
    duration.ParseFromString(value.SerializeAsString());
    return absl::FormatDuration(ToDuration(duration));
  }
  if (type == "google.protobuf.Timestamp") {
    google::protobuf::Timestamp timestamp;
    timestamp.ParseFromString(value.SerializeAsString());
    const absl::StatusOr<absl::Time> time = ToTime(timestamp);
    return time.ok() ? absl::FormatTime(absl::RFC3339_full, *time, absl::UTCTimeZone()) : "";
  }
  return "";
}

std::string MapText(const Message& entry) {
  const Reflection& reflection = *entry.GetReflection();
  const auto text = [&](const FieldDescriptor* field) {
    return field->cpp_type() == FieldDescriptor::CPPTYPE_STRING ? reflection.GetString(entry, field)
                                                                : std::string();
  };
  return StrCat(text(entry.GetDescriptor()->map_key()), "=",
                text(entry.GetDescriptor()->map_value()));
}

// A scalar as SetField reads it. `index` -1: the field is singular.
std::string ScalarText(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool one = index < 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return StrCat(one ? reflection.GetInt32(message, field)
                        : reflection.GetRepeatedInt32(message, field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return StrCat(one ? reflection.GetInt64(message, field)
                        : reflection.GetRepeatedInt64(message, field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return StrCat(one ? reflection.GetUInt32(message, field)
                        : reflection.GetRepeatedUInt32(message, field, index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return StrCat(one ? reflection.GetUInt64(message, field)
                        : reflection.GetRepeatedUInt64(message, field, index));
    case FieldDescriptor::CPPTYPE_BOOL:
      return (one ? reflection.GetBool(message, field)
                  : reflection.GetRepeatedBool(message, field, index))
                 ? "true"
                 : "false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return StrCat(one ? reflection.GetDouble(message, field)
                        : reflection.GetRepeatedDouble(message, field, index));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return StrCat(one ? reflection.GetFloat(message, field)
                        : reflection.GetRepeatedFloat(message, field, index));
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = one ? reflection.GetEnumValue(message, field)
                             : reflection.GetRepeatedEnumValue(message, field, index);
      const auto* value = field->enum_type()->FindValueByNumber(number);
      return value == nullptr ? StrCat(number) : EnumWord(value);
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text = one ? reflection.GetString(message, field)
                                   : reflection.GetRepeatedString(message, field, index);
      return field->type() == FieldDescriptor::TYPE_BYTES ? HexEncode(text) : text;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Message& value = one ? reflection.GetMessage(message, field)
                                 : reflection.GetRepeatedMessage(message, field, index);
      return field->is_map() ? MapText(value) : MessageText(value);
    }
  }
  return "";
}

std::vector<std::string> ValuesOf(const FormField& form_field, const Message& parameters) {
  const Message* holder = Holder(form_field, parameters);
  const FieldDescriptor* field = form_field.field();
  if (holder == nullptr) return {};
  const Reflection& reflection = *holder->GetReflection();
  if (!field->is_repeated()) {
    if (!reflection.HasField(*holder, field)) return {};
    return {ScalarText(*holder, field, -1)};
  }
  std::vector<std::string> values;
  for (int i = 0; i < reflection.FieldSize(*holder, field); ++i)
    values.push_back(ScalarText(*holder, field, i));
  return values;
}

absl::Status NotAsWords(std::string_view why) {
  return absl::FailedPreconditionError(StrCat("this action can't be said as one line: ", why));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> CommandWords(const v1::Action& action,
                                                      const ModuleCatalog& modules,
                                                      absl::Time now) {
  if (action.operations_size() != 1)
    return NotAsWords(StrCat("it has ", action.operations_size(), " operations"));
  const v1::Operation& operation = action.operations(0);
  if (!operation.blobs().empty()) return NotAsWords("it carries files (rules, lists)");
  DRAGNET_ASSIGN_OR_RETURN(const Module* module, modules.Require(operation.module()));
  DRAGNET_ASSIGN_OR_RETURN(const Documentation documentation, modules.DocumentationOf(*module));
  const std::unique_ptr<Message> parameters = module->NewParameters();
  if (!parameters->ParseFromString(operation.parameters()))
    return NotAsWords("its parameters are not readable");
  const Form form = FormOf(*module, documentation);
  std::vector<std::string> words = {operation.module()};
  const std::unique_ptr<Message> again = module->NewParameters();
  for (const FormField& field : form.fields()) {
    for (const std::string& value : ValuesOf(field, *parameters)) {
      if (field.from_file) return NotAsWords(StrCat("--", field.flag, " names a file"));
      DRAGNET_RETURN_IF_ERROR(
          Annotate(SetField(field, value, now, again.get()), StrCat("--", field.flag)));
      words.push_back(StrCat("--", field.flag));
      if (!field.is_switch) words.push_back(value);
    }
  }
  if (!google::protobuf::util::MessageDifferencer::Equals(*parameters, *again))
    return NotAsWords("it has parameters that no flags stand for");
  return words;
}

}  // namespace dragnet::console
