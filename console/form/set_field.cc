// SetField: text into one field, by the field's type.
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "console/form/form.h"
#include "console/form/values.h"
#include "console/output/cell.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

absl::Status NotA(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(StrCat("\"", text, "\" is not ", what));
}

// The message that holds the field; makes what lies between.
Message* Descend(const FormField& field, Message* message) {
  for (size_t i = 0; i + 1 < field.path.size(); ++i) {
    const FieldDescriptor* step = field.path[i];
    const Reflection& reflection = *message->GetReflection();
    if (!step->is_repeated()) {
      message = reflection.MutableMessage(message, step);
    } else if (reflection.FieldSize(*message, step) == 0) {
      message = reflection.AddMessage(message, step);
    } else {
      message = reflection.MutableRepeatedMessage(message, step, 0);
    }
  }
  return message;
}

// Writes values of one field, singular or repeated alike.
class Setter {
 public:
  Setter(const FieldDescriptor* field, Message* message)
      : field_(field), message_(message), reflection_(*message->GetReflection()) {}

  template <class Set, class Add, class Value>
  absl::Status Put(Set set, Add add, const Value& value) {
    if (field_->is_repeated()) {
      (reflection_.*add)(message_, field_, value);
    } else {
      (reflection_.*set)(message_, field_, value);
    }
    return absl::OkStatus();
  }

  template <class Number, class Set, class Add>
  absl::Status PutInteger(std::string_view text, Set set, Add add) {
    Number number;
    if (!absl::SimpleAtoi(ToAbsl(text), &number)) {
      return NotA(text, std::is_signed_v<Number> ? "a whole number that fits"
                                                 : "a whole number of at least 0 that fits");
    }
    return Put(set, add, number);
  }

  absl::Status PutBool(std::string_view text) {
    bool value;
    if (!absl::SimpleAtob(ToAbsl(text), &value)) return NotA(text, "yes or no");
    return Put(&Reflection::SetBool, &Reflection::AddBool, value);
  }

  absl::Status PutDouble(std::string_view text) {
    double value;
    if (!absl::SimpleAtod(ToAbsl(text), &value)) return NotA(text, "a number");
    if (field_->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      return Put(&Reflection::SetFloat, &Reflection::AddFloat, static_cast<float>(value));
    }
    return Put(&Reflection::SetDouble, &Reflection::AddDouble, value);
  }

  absl::Status PutString(std::string_view text) {
    std::string value(text);
    if (field_->type() == FieldDescriptor::TYPE_BYTES) {
      if (!HexDecode(text, &value)) return NotA(text, "hexadecimal bytes");
    } else if (!IsValidUtf8(text)) {
      return NotA(ForTerminal(text), "valid UTF-8");
    }
    return field_->is_repeated()
               ? (reflection_.AddString(message_, field_, value), absl::OkStatus())
               : (reflection_.SetString(message_, field_, value), absl::OkStatus());
  }

  absl::Status PutEnum(const FormField& form_field, std::string_view text) {
    const std::string word = absl::StrReplaceAll(absl::AsciiStrToLower(ToAbsl(text)), {{"_", "-"}});
    for (int i = 0; i < field_->enum_type()->value_count(); ++i) {
      const auto* value = field_->enum_type()->value(i);
      if (EnumWord(value) != word || word == "unspecified") continue;
      return Put(&Reflection::SetEnumValue, &Reflection::AddEnumValue, value->number());
    }
    return NotA(text, StrCat("one of: ", absl::StrJoin(form_field.choices, ", ")));
  }

  absl::Status PutMessage(const Message& value) {
    Message* target = field_->is_repeated() ? reflection_.AddMessage(message_, field_)
                                            : reflection_.MutableMessage(message_, field_);
    target->ParseFromString(value.SerializeAsString());
    return absl::OkStatus();
  }

  absl::Status PutMapEntry(std::string_view text) {
    const size_t equals = text.find('=');
    const FieldDescriptor* key = field_->message_type()->map_key();
    const FieldDescriptor* value = field_->message_type()->map_value();
    if (equals == std::string_view::npos || key->cpp_type() != FieldDescriptor::CPPTYPE_STRING ||
        value->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
      return NotA(text, "of the form KEY=VALUE");
    }
    Message* entry = reflection_.AddMessage(message_, field_);
    entry->GetReflection()->SetString(entry, key, std::string(text.substr(0, equals)));
    entry->GetReflection()->SetString(entry, value, std::string(text.substr(equals + 1)));
    return absl::OkStatus();
  }

 private:
  const FieldDescriptor* field_;
  Message* message_;
  const Reflection& reflection_;
};

// A oneof holds one: a second flag of it would silently drop the first.
absl::Status CheckOneof(const FieldDescriptor* field, const Message& message) {
  const auto* oneof = field->real_containing_oneof();
  if (oneof == nullptr) return absl::OkStatus();
  const FieldDescriptor* set = message.GetReflection()->GetOneofFieldDescriptor(message, oneof);
  if (set == nullptr || set == field) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("can't be given together with --", absl::StrReplaceAll(set->name(), {{"_", "-"}})));
}

}  // namespace

absl::Status SetField(const FormField& form_field, std::string_view text, absl::Time now,
                      Message* parameters) {
  const FieldDescriptor* field = form_field.field();
  Message* holder = Descend(form_field, parameters);
  DRAGNET_RETURN_IF_ERROR(CheckOneof(field, *holder));
  Setter setter(field, holder);
  if (field->is_map()) return setter.PutMapEntry(text);
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return setter.PutInteger<int32_t>(text, &Reflection::SetInt32, &Reflection::AddInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return setter.PutInteger<int64_t>(text, &Reflection::SetInt64, &Reflection::AddInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return setter.PutInteger<uint32_t>(text, &Reflection::SetUInt32, &Reflection::AddUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return setter.PutInteger<uint64_t>(text, &Reflection::SetUInt64, &Reflection::AddUInt64);
    case FieldDescriptor::CPPTYPE_BOOL:
      return setter.PutBool(text);
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return setter.PutDouble(text);
    case FieldDescriptor::CPPTYPE_STRING:
      return setter.PutString(text);
    case FieldDescriptor::CPPTYPE_ENUM:
      return setter.PutEnum(form_field, text);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  if (field->message_type()->full_name() == "google.protobuf.Duration") {
    DRAGNET_ASSIGN_OR_RETURN(const absl::Duration duration, ParseDuration(text));
    return setter.PutMessage(ToProtoDuration(duration));
  }
  DRAGNET_ASSIGN_OR_RETURN(const absl::Time time, ParseTime(text, now));
  return setter.PutMessage(ToTimestamp(time));
}

}  // namespace dragnet::console
