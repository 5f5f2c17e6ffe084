// Drafts from and to templates: parameters back into the texts that one would type.
#include <algorithm>

#include "absl/strings/str_format.h"
#include "console/investigation/action_builder.h"
#include "console/output/cell.h"
#include "console/output/json.h"
#include "console/tui/command/draft.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/text.h"
#include "google/protobuf/util/message_differencer.h"
#include "nlohmann/json.hpp"

namespace dragnet::console::tui {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::util::MessageDifferencer;
using nlohmann::json;

// The message that holds the field; null where nothing lies between.
Message* HolderOf(const FormField& field, Message* message) {
  for (size_t i = 0; i + 1 < field.path.size(); ++i) {
    const FieldDescriptor* step = field.path[i];
    const Reflection& reflection = *message->GetReflection();
    if (step->is_repeated()) {
      if (reflection.FieldSize(*message, step) == 0) return nullptr;
      message = reflection.MutableRepeatedMessage(message, step, 0);
    } else {
      if (!reflection.HasField(*message, step)) return nullptr;
      message = reflection.MutableMessage(message, step);
    }
  }
  return message;
}

std::string TextOfMessage(const Message& value) {
  if (value.GetDescriptor()->full_name() == "google.protobuf.Duration") {
    google::protobuf::Duration duration;
    duration.ParseFromString(value.SerializeAsString());
    return absl::FormatDuration(ToDuration(duration));
  }
  google::protobuf::Timestamp timestamp;
  timestamp.ParseFromString(value.SerializeAsString());
  const absl::StatusOr<absl::Time> time = ToTime(timestamp);
  if (!time.ok()) return "";
  return absl::FormatTime(absl::RFC3339_full, *time, absl::UTCTimeZone());
}

// One value; `index` of a repeated field, else -1.
std::string TextOf(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = index >= 0;
  const auto get = [&](auto single, auto of_many) {
    return repeated ? (reflection.*of_many)(message, field, index)
                    : (reflection.*single)(message, field);
  };
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return StrCat(get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32));
    case FieldDescriptor::CPPTYPE_INT64:
      return StrCat(get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64));
    case FieldDescriptor::CPPTYPE_UINT32:
      return StrCat(get(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32));
    case FieldDescriptor::CPPTYPE_UINT64:
      return StrCat(get(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrFormat("%.17g", get(&Reflection::GetDouble, &Reflection::GetRepeatedDouble));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return absl::StrFormat("%.9g", get(&Reflection::GetFloat, &Reflection::GetRepeatedFloat));
    case FieldDescriptor::CPPTYPE_BOOL:
      return get(&Reflection::GetBool, &Reflection::GetRepeatedBool) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = get(&Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue);
      const auto* value = field->enum_type()->FindValueByNumber(number);
      return value == nullptr ? "" : EnumWord(value);
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text = get(&Reflection::GetString, &Reflection::GetRepeatedString);
      return field->type() == FieldDescriptor::TYPE_BYTES ? HexEncode(text) : text;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  const Message& value = repeated ? reflection.GetRepeatedMessage(message, field, index)
                                  : reflection.GetMessage(message, field);
  if (!field->is_map()) return TextOfMessage(value);
  return StrCat(TextOf(value, field->message_type()->map_key(), -1), "=",
                TextOf(value, field->message_type()->map_value(), -1));
}

std::vector<std::string> TextsOf(const FormField& field, Message* message) {
  std::vector<std::string> texts;
  const Message* holder = HolderOf(field, message);
  if (holder == nullptr) return texts;
  const Reflection& reflection = *holder->GetReflection();
  if (!field.field()->is_repeated()) {
    if (reflection.HasField(*holder, field.field()))
      texts.push_back(TextOf(*holder, field.field(), -1));
    return texts;
  }
  for (int i = 0; i < reflection.FieldSize(*holder, field.field()); ++i)
    texts.push_back(TextOf(*holder, field.field(), i));
  return texts;
}

void Clear(const FormField& field, Message* message) {
  Message* holder = HolderOf(field, message);
  if (holder != nullptr) holder->GetReflection()->ClearField(holder, field.field());
}

// What lies on the way to the form's fields and is empty by now: one that was typed
// has none of it.
void Prune(const FormField& field, Message* message) {
  const FieldDescriptor* step = field.path.front();
  const Reflection& reflection = *message->GetReflection();
  if (field.path.size() < 2) return;
  if (step->is_repeated()) {
    if (reflection.FieldSize(*message, step) == 1 &&
        reflection.GetRepeatedMessage(*message, step, 0).ByteSizeLong() == 0)
      reflection.ClearField(message, step);
  } else if (reflection.HasField(*message, step) &&
             reflection.GetMessage(*message, step).ByteSizeLong() == 0) {
    reflection.ClearField(message, step);
  }
}

// The parameters with the values that ActionFromJson put aside.
absl::StatusOr<std::unique_ptr<Message>> WholeParameters(const Module& module,
                                                         const v1::Operation& operation,
                                                         const BlobContents& blobs) {
  std::unique_ptr<Message> parameters = module.NewParameters();
  DRAGNET_RETURN_IF_ERROR(
      ParseStrict(operation.parameters(), kMaxParameterBytes, parameters.get()));
  for (const v1::Blob& blob : operation.blobs()) {
    const auto content = blobs.find(blob.sha256());
    if (content == blobs.end()) {
      return absl::InvalidArgumentError(
          StrCat("blob for ", blob.field(), ": write the value itself into the parameters"));
    }
    DRAGNET_RETURN_IF_ERROR(InsertBlob(blob.field(), content->second, parameters.get()));
  }
  return parameters;
}

absl::StatusOr<OperationDraft> OperationFrom(const v1::Operation& operation,
                                             const BlobContents& blobs,
                                             const ModuleCatalog& modules) {
  DRAGNET_ASSIGN_OR_RETURN(Draft empty, NewDraft(operation.module(), modules));
  OperationDraft draft = std::move(empty.operations.front());
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Message> parameters,
                           WholeParameters(*draft.form->module, operation, blobs));
  const std::vector<FormField>& fields = draft.form->form.fields();
  for (size_t i = 0; i < fields.size(); ++i)
    draft.values[i] = TakeTexts(fields[i], absl::UnixEpoch(), parameters.get());
  for (const FormField& field : fields) Prune(field, parameters.get());
  if (parameters->ByteSizeLong() > 0) draft.rest = std::move(parameters);
  draft.base = operation;
  draft.base.clear_parameters();
  draft.base.clear_blobs();
  return draft;
}

// Takes away what says no more than its absence, of an object's members.
void DropDefaults(json& value) {
  if (value.is_array()) {
    for (json& element : value) DropDefaults(element);
    return;
  }
  if (!value.is_object()) return;
  for (auto member = value.begin(); member != value.end();) {
    DropDefaults(*member);
    const bool word = member->is_string();
    const std::string text = word ? member->get<std::string>() : "";
    const bool is_default =
        (word && (text.empty() || text == "0" || text.ends_with("_UNSPECIFIED"))) ||
        (member->is_number() && *member == 0) || (member->is_boolean() && !member->get<bool>()) ||
        ((member->is_array() || member->is_object()) && member->empty());
    member = is_default ? value.erase(member) : std::next(member);
  }
}

// Where `short_form` reads as something else, `whole` is what there is to write.
bool SaysTheSame(const std::string& whole, const std::string& short_form,
                 const ModuleCatalog& modules) {
  BlobContents whole_blobs;
  BlobContents short_blobs;
  const auto a = ActionFromJson(whole, modules, &whole_blobs);
  const auto b = ActionFromJson(short_form, modules, &short_blobs);
  return a.ok() && b.ok() && MessageDifferencer::Equals(*a, *b) && whole_blobs == short_blobs;
}

}  // namespace

std::vector<std::string> TakeTexts(const FormField& field, absl::Time now, Message* message) {
  // The content is not the name of a file, which is what one would type.
  if (field.from_file) return {};
  std::vector<std::string> texts = TextsOf(field, message);
  if (texts.empty()) return {};
  const std::unique_ptr<Message> again(message->New());
  again->CopyFrom(*message);
  Clear(field, again.get());
  for (const std::string& text : texts)
    if (text.empty() || !SetField(field, text, now, again.get()).ok()) return {};
  if (!MessageDifferencer::Equals(*again, *message)) return {};
  Clear(field, message);
  return texts;
}

absl::StatusOr<Draft> DraftFromTemplate(std::string_view text, const std::string& file,
                                        const ModuleCatalog& modules,
                                        std::vector<std::string>* notices) {
  BlobContents blobs;
  DRAGNET_ASSIGN_OR_RETURN(v1::Action action, ActionFromJson(text, modules, &blobs));
  if (action.operations().empty())
    return absl::InvalidArgumentError("operations: missing: one is needed");
  if (!action.id().empty() || action.has_not_before() || action.has_expires()) {
    notices->push_back("its id and times are not taken over: it becomes a new action");
    action.clear_id();
    action.clear_not_before();
    action.clear_expires();
  }
  Draft draft;
  draft.options = LaunchOptions::TakeFrom(&action);
  for (int i = 0; i < action.operations_size(); ++i) {
    absl::StatusOr<OperationDraft> operation = OperationFrom(action.operations(i), blobs, modules);
    if (!operation.ok()) return Annotate(operation.status(), StrCat("operations[", i, "]"));
    draft.operations.push_back(*std::move(operation));
  }
  action.clear_operations();
  draft.base = std::move(action);
  draft.file = file;
  draft.file_options = draft.options;
  return draft;
}

absl::StatusOr<std::string> TemplateOf(const Draft& draft, absl::Time now,
                                       const ModuleCatalog& modules) {
  v1::Action action = draft.base;
  action.clear_fleet_id();
  for (const OperationDraft& operation : draft.operations) {
    DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<Message> parameters,
                             ParametersOf(operation, now));
    v1::Operation* made = action.add_operations();
    *made = operation.base;
    made->set_parameters(parameters->SerializeAsString());
    if (made->parameters().size() > kMaxParameterBytes) {
      return absl::InvalidArgumentError(
          StrCat(operation.form->name(), ": a template holds what files say, too, at most ",
                 kMaxParameterBytes / 1024, " KiB of parameters; here are ",
                 made->parameters().size() / 1024, " KiB"));
    }
  }
  action.set_target("true");
  DRAGNET_RETURN_IF_ERROR(draft.options.Apply(&action));
  const std::string whole = ActionToJson(action, modules);
  json document = json::parse(whole, nullptr, /*allow_exceptions=*/false);
  DropDefaults(document);
  const std::string short_form =
      document.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
  return StrCat(IndentJson(SaysTheSame(whole, short_form, modules) ? short_form : whole), "\n");
}

}  // namespace dragnet::console::tui
