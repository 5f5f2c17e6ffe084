#include "console/tui/command/draft.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "console/form/describe.h"
#include "console/investigation/action_builder.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console::tui {
namespace {

using google::protobuf::Message;

absl::StatusOr<OperationDraft> NewOperation(const Module& module, const ModuleCatalog& modules) {
  DRAGNET_ASSIGN_OR_RETURN(Documentation documentation, modules.DocumentationOf(module));
  auto form = std::make_shared<ModuleForm>();
  form->module = &module;
  form->form = FormOf(module, documentation);
  form->documentation = std::move(documentation);
  OperationDraft operation;
  operation.values.resize(form->form.fields().size());
  operation.form = std::move(form);
  operation.base.set_module(std::string(module.manifest().name));
  return operation;
}

void AddWord(std::string_view flag, const std::string& value, std::vector<std::string>* words) {
  // What begins with a dash would be taken for a flag of its own.
  if (value.starts_with('-')) {
    words->push_back(StrCat(flag, "=", value));
  } else {
    words->emplace_back(flag);
    words->push_back(value);
  }
}

// ---- words into a draft

// Flags of the command line that say what the program does with the action.
constexpr std::pair<std::string_view, std::string_view> kNotHere[] = {
    {"--yes", "the console always asks before it signs"},
    {"-y", "the console always asks before it signs"},
    {"--dry-run", "nothing is launched without a question: F5 shows the document"},
    {"--no-launch", "the console doesn't sign to a file; dragnet run --no-launch does"},
    {"--wait", "the console shows what comes as long as you look"},
    {"--output", "the console has no formats"},
    {"-o", "the console has no formats"},
    {"--config", "the console has its configuration already"},
    {"--params", "load a whole action.json in place of it: load FILE"},
};

class WordReader {
 public:
  WordReader(const std::vector<std::string>& words, Draft* draft)
      : words_(words), draft_(*draft), operation_(draft->operations.front()) {}

  absl::Status Read() {
    for (next_ = 1; next_ < words_.size();) {
      const std::string& word = words_[next_++];
      if (word.size() < 2 || !word.starts_with('-')) {
        return absl::InvalidArgumentError(
            StrCat(word, ": a value without a flag (quote what has spaces)"));
      }
      DRAGNET_RETURN_IF_ERROR(word.starts_with("--") ? ReadLong(word) : ReadShort(word));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status ReadLong(const std::string& word) {
    const size_t equals = word.find('=');
    const std::string flag = word.substr(0, equals);
    std::optional<std::string> value;
    if (equals != std::string::npos) value = word.substr(equals + 1);
    for (const LaunchOption& option : AllLaunchOptions())
      if (option.flag == flag) return SetOption(option, value);
    const std::vector<FormField>& fields = operation_.form->form.fields();
    for (size_t i = 0; i < fields.size(); ++i)
      if (fields[i].flag == flag.substr(2)) return Set(i, value);
    return Unknown(flag);
  }

  // "-n VALUE", "-nVALUE"; switches may stand together.
  absl::Status ReadShort(const std::string& word) {
    for (size_t at = 1; at < word.size(); ++at) {
      const std::string letter(1, word[at]);
      std::optional<std::string> value;
      if (at + 1 < word.size()) value = word.substr(at + 1);
      for (const LaunchOption& option : AllLaunchOptions())
        if (option.short_flag == "-" + letter) return SetOption(option, value);
      const std::vector<FormField>& fields = operation_.form->form.fields();
      size_t i = 0;
      while (i < fields.size() && fields[i].short_flag != letter) ++i;
      if (i == fields.size()) return Unknown("-" + letter);
      if (!fields[i].is_switch) return Set(i, value);
      DRAGNET_RETURN_IF_ERROR(Set(i, std::nullopt));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ValueOf(std::string_view flag, std::optional<std::string> value) {
    if (value.has_value()) return *std::move(value);
    if (next_ == words_.size()) return absl::InvalidArgumentError(StrCat(flag, ": needs a value"));
    return words_[next_++];
  }

  absl::Status SetOption(const LaunchOption& option, const std::optional<std::string>& value) {
    DRAGNET_ASSIGN_OR_RETURN(std::string text, ValueOf(option.flag, value));
    std::optional<std::string>& place = draft_.options.*option.value;
    if (place.has_value()) return Twice(option.flag);
    place = std::move(text);
    return absl::OkStatus();
  }

  absl::Status Set(size_t index, const std::optional<std::string>& value) {
    const FormField& field = operation_.form->form.fields()[index];
    std::vector<std::string>& values = operation_.values[index];
    if (field.is_switch) {
      values = {value.value_or("true")};
      return absl::OkStatus();
    }
    if (!values.empty() && !field.repeated) return Twice(StrCat("--", field.flag));
    DRAGNET_ASSIGN_OR_RETURN(std::string text, ValueOf(StrCat("--", field.flag), value));
    values.push_back(field.from_file ? ExpandHome(text) : std::move(text));
    return absl::OkStatus();
  }

  absl::Status Twice(std::string_view flag) const {
    return absl::InvalidArgumentError(StrCat(flag, ": given twice, it takes one value"));
  }

  absl::Status Unknown(std::string_view flag) const {
    for (const auto& [name, why] : kNotHere)
      if (name == flag) return absl::InvalidArgumentError(StrCat(flag, ": not here: ", why));
    return absl::InvalidArgumentError(
        StrCat(flag, ": no such flag of ", operation_.form->name(), "; Tab shows which there are"));
  }

  const std::vector<std::string>& words_;
  Draft& draft_;
  OperationDraft& operation_;
  size_t next_ = 1;
};

// The action's name, if none was given: the command, without what says nothing of
// what is looked for.
std::string DefaultName(const Draft& draft) {
  if (draft.operations.size() != 1 || draft.operations.front().rest != nullptr) return "";
  std::vector<std::string> words = {draft.operations.front().form->name()};
  for (std::string& word : WordsOf(draft.operations.front())) words.push_back(std::move(word));
  return Shorten(ForTerminal(ShellLine(words)), kMaxActionName);
}

absl::StatusOr<v1::Operation> BuildOperation(const OperationDraft& draft, absl::Time now,
                                             BlobContents* blobs) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<Message> parameters, ParametersOf(draft, now));
  const absl::Status valid = draft.form->module->Validate(*parameters);
  if (!valid.ok())
    return absl::InvalidArgumentError(draft.form->form.NameFlags(ToStd(valid.message())));
  v1::Operation operation = draft.base;
  DRAGNET_RETURN_IF_ERROR(SetParameters(parameters.get(), &operation, blobs));
  return operation;
}

}  // namespace

std::string OperationDraft::NotShown() const {
  std::string text;
  if (rest != nullptr) text = DescribeMessage(*rest, 2);
  v1::Operation others = base;
  others.clear_module();
  StrAppend(&text, DescribeMessage(others, 2));
  return text;
}

bool Draft::empty() const {
  if (!file.empty()) return false;
  for (const LaunchOption& option : AllLaunchOptions())
    if ((options.*option.value).has_value()) return false;
  for (const OperationDraft& operation : operations) {
    if (operation.rest != nullptr) return false;
    for (const std::vector<std::string>& values : operation.values)
      if (!values.empty()) return false;
  }
  return true;
}

Draft Draft::WithoutEmpty() const {
  Draft cleaned = *this;
  for (OperationDraft& operation : cleaned.operations)
    for (std::vector<std::string>& values : operation.values) std::erase(values, "");
  return cleaned;
}

absl::StatusOr<Draft> NewDraft(std::string_view module, const ModuleCatalog& modules) {
  DRAGNET_ASSIGN_OR_RETURN(const Module* found, modules.Require(module));
  Draft draft;
  DRAGNET_ASSIGN_OR_RETURN(draft.operations.emplace_back(), NewOperation(*found, modules));
  return draft;
}

absl::StatusOr<Draft> DraftFromWords(const std::vector<std::string>& words,
                                     const ModuleCatalog& modules) {
  if (words.empty()) return absl::InvalidArgumentError("no module is named");
  DRAGNET_ASSIGN_OR_RETURN(Draft draft, NewDraft(words.front(), modules));
  const absl::Status read = WordReader(words, &draft).Read();
  if (!read.ok()) return Annotate(read, words.front());
  return draft;
}

std::vector<std::string> WordsOf(const OperationDraft& operation) {
  std::vector<std::string> words;
  const std::vector<FormField>& fields = operation.form->form.fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string flag = StrCat("--", fields[i].flag);
    for (const std::string& value : operation.values[i]) {
      if (!fields[i].is_switch) {
        AddWord(flag, value, &words);
      } else {
        words.push_back(value == "true" ? flag : StrCat(flag, "=", value));
      }
    }
  }
  return words;
}

std::vector<std::string> WordsOf(const LaunchOptions& options, const LaunchOptions& unless) {
  std::vector<std::string> words;
  for (const LaunchOption& option : AllLaunchOptions()) {
    const std::optional<std::string>& value = options.*option.value;
    if (value == unless.*option.value || !value.has_value()) continue;
    AddWord(option.short_flag.empty() || value->starts_with('-') ? option.flag : option.short_flag,
            *value, &words);
  }
  return words;
}

std::string CommandOf(const Draft& draft) {
  std::vector<std::string> words;
  const OperationDraft& first = draft.operations.front();
  const bool plain =
      draft.operations.size() == 1 && first.NotShown().empty() && draft.base.ByteSizeLong() == 0;
  if (plain) {
    words = {"dragnet", first.form->name()};
    for (std::string& word : WordsOf(first)) words.push_back(std::move(word));
    for (std::string& word : WordsOf(draft.options, {})) words.push_back(std::move(word));
    return ShellLine(words);
  }
  if (draft.file.empty())
    return "(no single command says this: save it with Ctrl-W, then dragnet run FILE)";
  words = {"dragnet", "run", draft.file};
  for (std::string& word : WordsOf(draft.options, draft.file_options))
    words.push_back(std::move(word));
  return ShellLine(words);
}

absl::Status CheckValue(const FormField& field, std::string_view text, absl::Time now) {
  if (field.from_file) return absl::OkStatus();
  const auto* descriptor = field.path.front()->containing_type();
  const std::unique_ptr<Message> scratch(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
  return SetField(field, text, now, scratch.get());
}

absl::Status CheckOption(const LaunchOption& option, const std::string& text) {
  LaunchOptions only;
  only.*option.value = text;
  v1::Action action;
  action.add_operations();
  DRAGNET_RETURN_IF_ERROR(only.Apply(&action));
  return only.Lifetime().status();
}

std::string ExpandHome(std::string_view path) {
  const char* home = std::getenv("HOME");
  if (!path.starts_with("~/") || home == nullptr) return std::string(path);
  return StrCat(home, path.substr(1));
}

absl::StatusOr<std::string> ReadLocalFile(const std::string& path, size_t max_bytes) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) return ErrnoStatus(StrCat("open ", path), errno);
  if (!S_ISREG(status.st_mode))
    return absl::InvalidArgumentError(StrCat(path, ": not a regular file"));
  return ReadFile(path, max_bytes);
}

absl::StatusOr<std::unique_ptr<Message>> ParametersOf(const OperationDraft& operation,
                                                      absl::Time now) {
  std::unique_ptr<Message> parameters = operation.form->module->NewParameters();
  if (operation.rest != nullptr) parameters->CopyFrom(*operation.rest);
  const std::vector<FormField>& fields = operation.form->form.fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    for (const std::string& value : operation.values[i]) {
      absl::StatusOr<std::string> text = value;
      if (fields[i].from_file) {
        text = ReadLocalFile(value, kMaxBlobBytes);
        if (text.ok() && !IsValidUtf8(*text))
          text = absl::InvalidArgumentError(StrCat(value, ": not valid UTF-8"));
      }
      const absl::Status set =
          text.ok() ? SetField(fields[i], *text, now, parameters.get()) : text.status();
      if (!set.ok()) return Annotate(set, StrCat("--", fields[i].flag));
    }
  }
  return parameters;
}

absl::StatusOr<BuiltAction> BuildDraft(const Draft& draft, const BuildContext& context) {
  BuiltAction built;
  v1::Action& action = built.action;
  action = draft.base;
  action.set_target("true");
  action.set_name(DefaultName(draft));
  for (const OperationDraft& operation : draft.operations) {
    absl::StatusOr<v1::Operation> made = BuildOperation(operation, context.now, &built.blobs);
    if (!made.ok()) {
      return draft.operations.size() == 1
                 ? made.status()
                 : Annotate(made.status(), StrCat("operation ", action.operations_size() + 1, " ",
                                                  operation.form->name()));
    }
    *action.add_operations() = *std::move(made);
  }
  DRAGNET_RETURN_IF_ERROR(draft.options.Apply(&action));
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<absl::Duration> lifetime, draft.options.Lifetime());
  DRAGNET_RETURN_IF_ERROR(CompleteAction(context.fleet_id, context.now,
                                         lifetime.value_or(context.lifetime), *context.modules,
                                         built.blobs, &action));
  return built;
}

}  // namespace dragnet::console::tui
