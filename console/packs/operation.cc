#include "console/packs/operation.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "console/investigation/shell_words.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "modules/weights.h"

namespace dragnet::console {
namespace {

using google::protobuf::Message;

// Checks can't hold checks, nor change the agent.
std::vector<std::string> ModuleNames(const ModuleCatalog& modules) {
  std::vector<std::string> names;
  for (const Module* module : modules.modules) {
    const ModuleManifest& manifest = module->manifest();
    if (manifest.name != kCheckModule && !manifest.run_by_monitor)
      names.emplace_back(manifest.name);
  }
  return names;
}

// Deterministic: equal packs are equal bytes, whatever maps they have.
std::string Serialise(const Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

// The words of one command, read as the command line reads them.
class WordReader {
 public:
  WordReader(const Form& form, const OperationReader& reader, Message* parameters)
      : form_(form), reader_(reader), parameters_(parameters) {}

  absl::Status Read(const std::vector<std::string>& words) {
    for (size_t i = 1; i < words.size(); ++i) {
      std::string name = words[i];
      std::optional<std::string> value;
      if (!name.starts_with('-') || name == "-") {
        return absl::InvalidArgumentError(StrCat("unexpected word ", Shorten(name, 100)));
      }
      if (const size_t equals = name.find('='); equals != std::string::npos) {
        value = name.substr(equals + 1);
        name.resize(equals);
      }
      const FormField* field = FindFlag(name);
      if (field == nullptr) return NoSuchFlag(name);
      if (field->is_switch) {
        if (value.has_value()) return absl::InvalidArgumentError(StrCat(name, ": takes no value"));
        value = "true";
      } else if (!value.has_value()) {
        if (++i == words.size()) return absl::InvalidArgumentError(StrCat(name, ": needs a value"));
        value = words[i];
      }
      DRAGNET_RETURN_IF_ERROR(Annotate(Set(*field, *value), name));
    }
    return absl::OkStatus();
  }

 private:
  const FormField* FindFlag(std::string_view name) const {
    if (name.starts_with("--")) return form_.Find(name.substr(2));
    for (const FormField& field : form_.fields())
      if (!field.short_flag.empty() && field.short_flag == name.substr(1)) return &field;
    return nullptr;
  }

  absl::Status NoSuchFlag(std::string_view name) const {
    std::vector<std::string> flags;
    for (const FormField& field : form_.fields()) flags.push_back(StrCat("--", field.flag));
    return absl::InvalidArgumentError(
        StrCat(Shorten(name, 100), ": no such flag of the module", DidYouMean(name, flags)));
  }

  absl::Status Set(const FormField& field, const std::string& value) {
    if (!field.repeated && !given_.insert(&field).second) {
      return absl::InvalidArgumentError("given twice");
    }
    if (!field.from_file) return SetField(field, value, reader_.now, parameters_);
    const absl::StatusOr<std::string> content = reader_.read_file(value, kMaxParameterBytes);
    if (!content.ok()) return Annotate(content.status(), Shorten(value, 100));
    return SetField(field, *content, reader_.now, parameters_);
  }

  const Form& form_;
  const OperationReader& reader_;
  Message* const parameters_;
  std::set<const FormField*> given_;
};

}  // namespace

bool OperationReader::FromParameters(const YamlNode& module_name, const YamlNode* parameters,
                                     std::string_view path, check::v1::Check* check) const {
  const Module* module = module_name.is_scalar() && module_name.text != kCheckModule
                             ? modules.Find(module_name.text)
                             : nullptr;
  if (module == nullptr) {
    const std::vector<std::string> names = ModuleNames(modules);
    const std::string meant = module_name.is_scalar() ? DidYouMean(module_name.text, names) : "";
    problems->Error(
        module_name.place, StrCat(path, ".module"),
        StrCat("no such module: \"", Shorten(module_name.text, 100), "\"",
               meant.empty() ? StrCat("; this version has: ", absl::StrJoin(names, ", ")) : meant));
    return false;
  }
  const std::unique_ptr<Message> message = module->NewParameters();
  if (parameters != nullptr && !parameters->is_null() &&
      !MessageFromYaml(*parameters, StrCat(path, ".parameters"), read_file, message.get(),
                       problems)) {
    return false;
  }
  check->set_module(module_name.text);
  check->set_parameters(Serialise(*message));
  return true;
}

bool OperationReader::FromCommand(const YamlNode& command, std::string_view path,
                                  check::v1::Check* check) const {
  const std::string below = StrCat(path, ".command");
  const auto wrong = [&](std::string_view message) {
    problems->Error(command.place, below, message);
    return false;
  };
  if (!command.is_scalar()) return wrong("must be a text: a module and its flags");
  const absl::StatusOr<std::vector<std::string>> words = SplitShellWords(command.text);
  if (!words.ok()) return wrong(ToStd(words.status().message()));
  if (words->empty()) return wrong("must be a module and its flags");
  const Module* module = words->front() == kCheckModule ? nullptr : modules.Find(words->front());
  if (module == nullptr) {
    const std::string meant = DidYouMean(words->front(), ModuleNames(modules));
    return wrong(StrCat("no such module: \"", Shorten(words->front(), 100), "\"", meant));
  }
  const absl::StatusOr<Documentation> documentation = modules.DocumentationOf(*module);
  if (!documentation.ok()) return wrong(ToStd(documentation.status().message()));
  const Form form = FormOf(*module, *documentation);
  const std::unique_ptr<Message> message = module->NewParameters();
  const absl::Status read = WordReader(form, *this, message.get()).Read(*words);
  if (!read.ok()) return wrong(ToStd(read.message()));
  check->set_module(words->front());
  check->set_parameters(Serialise(*message));
  return true;
}

}  // namespace dragnet::console
