#include "console/form/form.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "console/output/cell.h"
#include "core/strings.h"
#include "dragnet/v1/options.pb.h"
#include "google/protobuf/util/json_util.h"

namespace dragnet::console {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

bool IsScalarMessage(const FieldDescriptor* field) {
  return field->message_type()->full_name() == "google.protobuf.Timestamp" ||
         field->message_type()->full_name() == "google.protobuf.Duration";
}

std::string DefaultValueName(const FieldDescriptor* field) {
  if (field->is_map()) return "KEY=VALUE";
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return field->type() == FieldDescriptor::TYPE_BYTES ? "HEX" : "TEXT";
    case FieldDescriptor::CPPTYPE_ENUM:
      return "WORD";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return field->message_type()->name() == "Duration" ? "DURATION" : "TIME";
    default:
      return "N";
  }
}

std::vector<std::string> Choices(const FieldDescriptor* field) {
  std::vector<std::string> choices;
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_ENUM) return choices;
  for (int i = 0; i < field->enum_type()->value_count(); ++i) {
    const std::string word = EnumWord(field->enum_type()->value(i));
    // The zero value says that nothing was chosen.
    if (word != "unspecified") choices.push_back(word);
  }
  return choices;
}

// The comments of an enum's values belong to the flag that takes them.
std::string DocumentChoices(const FieldDescriptor* field, const Documentation& documentation) {
  std::string text;
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_ENUM) return text;
  for (int i = 0; i < field->enum_type()->value_count(); ++i) {
    const auto* value = field->enum_type()->value(i);
    const std::string& comment = documentation.Of(value->full_name());
    if (!comment.empty()) StrAppend(&text, "\n  ", EnumWord(value), ": ", comment);
  }
  return text;
}

void Collect(const Descriptor* type, const std::vector<const FieldDescriptor*>& above,
             const Documentation& documentation, std::vector<FormField>* fields) {
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const v1::CliOptions& options = field->options().GetExtension(v1::cli);
    if (options.hidden()) continue;
    std::vector<const FieldDescriptor*> path = above;
    path.push_back(field);
    if (options.flatten() && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Collect(field->message_type(), path, documentation, fields);
      continue;
    }
    const bool message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (message && !field->is_map() && !IsScalarMessage(field)) continue;
    FormField entry;
    entry.flag =
        options.flag().empty() ? absl::StrReplaceAll(field->name(), {{"_", "-"}}) : options.flag();
    entry.short_flag = options.short_flag();
    entry.is_switch = field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL && !field->is_repeated();
    if (!entry.is_switch) {
      entry.value_name =
          options.value_name().empty() ? DefaultValueName(field) : options.value_name();
    }
    entry.from_file = options.from_file();
    entry.repeated = field->is_repeated();
    entry.choices = Choices(field);
    entry.documentation =
        StrCat(documentation.Of(field->full_name()), DocumentChoices(field, documentation));
    if (entry.documentation.starts_with('\n')) entry.documentation.erase(0, 1);
    entry.path = std::move(path);
    fields->push_back(std::move(entry));
  }
}

// Ways in which a module's message may name a field: "searches[0].name",
// "searches.name", "name".
std::vector<std::string> NamesOf(const FormField& field) {
  std::string indexed;
  std::string dotted;
  for (const FieldDescriptor* step : field.path) {
    if (!dotted.empty()) {
      indexed.push_back('.');
      dotted.push_back('.');
    }
    StrAppend(&dotted, step->name());
    StrAppend(&indexed, step->name());
    if (step->is_repeated() && step != field.field()) indexed.append("[0]");
  }
  return {indexed, dotted, field.field()->name()};
}

bool IsNameCharacter(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '.'; }

}  // namespace

Form Form::Of(const Descriptor* parameters, const Documentation& documentation) {
  Form form;
  Collect(parameters, {}, documentation, &form.fields_);
  return form;
}

const FormField* Form::Find(std::string_view flag) const {
  for (const FormField& field : fields_)
    if (field.flag == flag) return &field;
  return nullptr;
}

std::string Form::NameFlags(std::string_view message) const {
  for (const FormField& field : fields_) {
    for (const std::string& name : NamesOf(field)) {
      if (!message.starts_with(name)) continue;
      std::string_view rest = message.substr(name.size());
      if (!rest.empty() && IsNameCharacter(rest.front())) continue;
      // "names[2] 'x('": the value that follows says which one it was.
      const size_t bracket = rest.find(']');
      if (rest.starts_with('[') && bracket != std::string_view::npos) {
        rest.remove_prefix(bracket + 1);
      }
      return StrCat("--", field.flag, rest);
    }
  }
  return std::string(message);
}

absl::Status MessageFromJson(std::string_view json, google::protobuf::Message* message) {
  message->Clear();
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), message);
  if (status.ok()) return absl::OkStatus();
  // Protobuf's message quotes the offending text over several lines.
  std::string text(status.message().data(), status.message().size());
  text = absl::StrReplaceAll(text, {{"(parameters) ", ""}, {"\n", " "}});
  absl::RemoveExtraAsciiWhitespace(&text);
  return absl::InvalidArgumentError(text);
}

}  // namespace dragnet::console
