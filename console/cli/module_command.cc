// `dragnet MODULE`: the module's parameters as flags, by reflection.
#include <map>

#include "console/investigation/action_builder.h"
#include "console/cli/command.h"
#include "console/cli/launch.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

class ModuleCommand : public Command {
 public:
  ModuleCommand(const Module& module, const ModuleCatalog& modules)
      : module_(module), modules_(modules) {}

  std::string name() const override { return std::string(module_.manifest().name); }
  std::string summary() const override { return std::string(module_.manifest().summary); }
  CommandGroup group() const override { return CommandGroup::kModules; }

  absl::Status Define(CommandLine& line) override {
    DRAGNET_ASSIGN_OR_RETURN(const Documentation documentation, modules_.DocumentationOf(module_));
    form_ = FormOf(module_, documentation);
    line.SetDescription(documentation.Introduction());
    line.StartGroup("What to look for");
    for (const FormField& field : form_.fields()) AddFlag(field, line);
    line.AddValue({.name = "--params",
                   .value_name = "FILE",
                   .help = "Parameters as JSON from FILE (- for standard input), in place of the "
                           "flags above.",
                   .completion = Completion::kFile},
                  &params_);
    launch_.Define(line, {});
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    const std::unique_ptr<google::protobuf::Message> parameters = module_.NewParameters();
    DRAGNET_RETURN_IF_ERROR(Fill(session, parameters.get()));
    if (const absl::Status valid = module_.Validate(*parameters); !valid.ok()) {
      const std::string message = params_.has_value() ? StrCat("--params: ", valid.message())
                                                      : form_.NameFlags(ToStd(valid.message()));
      return absl::InvalidArgumentError(StrCat(name(), ": ", message));
    }
    v1::Action action;
    action.set_target("true");
    action.set_name(Shorten(ForTerminal(ShellLine(typed_)), kMaxActionName));
    v1::Operation* operation = action.add_operations();
    operation->set_module(name());
    DRAGNET_RETURN_IF_ERROR(SetParameters(parameters.get(), operation, &session.blobs()));
    DRAGNET_RETURN_IF_ERROR(launch_.Apply(&action));
    DRAGNET_ASSIGN_OR_RETURN(const auto lifetime, launch_.Lifetime());
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    DRAGNET_RETURN_IF_ERROR(CompleteAction(config->fleet_id, session.now(), lifetime, modules_,
                                           session.blobs(), &action));
    launch_.lifetime_is_default = !lifetime.has_value();
    return LaunchAction(action, launch_, session);
  }

 private:
  void AddFlag(const FormField& field, CommandLine& line) {
    OptionSpec spec{.name = StrCat("--", field.flag),
                    .short_name = field.short_flag.empty() ? "" : StrCat("-", field.short_flag),
                    .value_name = field.value_name,
                    .help = field.documentation,
                    .choices = field.choices,
                    // Hosts have other files than this machine, but mostly the same places.
                    .completion = field.value_name == "PATH" || field.from_file
                                      ? Completion::kFile
                                      : Completion::kNothing};
    if (field.is_switch) {
      line.AddSwitch(std::move(spec), &switches_[field.flag]);
    } else if (field.repeated) {
      line.AddValues(std::move(spec), &lists_[field.flag]);
    } else {
      line.AddValue(std::move(spec), &values_[field.flag]);
    }
  }

  // The values given for one field.
  std::vector<std::string> Given(const FormField& field) {
    if (field.is_switch) {
      return switches_[field.flag] ? std::vector<std::string>{"true"} : std::vector<std::string>();
    }
    if (field.repeated) return lists_[field.flag];
    const std::optional<std::string>& value = values_[field.flag];
    return value.has_value() ? std::vector<std::string>{*value} : std::vector<std::string>();
  }

  absl::Status Fill(Session& session, google::protobuf::Message* parameters) {
    typed_ = {name()};
    for (const FormField& field : form_.fields()) {
      for (const std::string& value : Given(field)) {
        if (params_.has_value()) {
          return absl::InvalidArgumentError(
              StrCat("--params can't be given together with --", field.flag));
        }
        absl::StatusOr<std::string> text =
            field.from_file ? ReadInput(session.io(), value, kMaxBlobBytes) : value;
        if (text.ok() && field.from_file && !IsValidUtf8(*text)) {
          text = absl::InvalidArgumentError(StrCat(value, ": not valid UTF-8"));
        }
        const absl::Status set =
            text.ok() ? SetField(field, *text, session.now(), parameters) : text.status();
        if (!set.ok()) return Annotate(set, StrCat("--", field.flag));
        typed_.push_back(StrCat("--", field.flag));
        if (!field.is_switch) typed_.push_back(value);
      }
    }
    if (!params_.has_value()) return absl::OkStatus();
    typed_.insert(typed_.end(), {"--params", *params_});
    DRAGNET_ASSIGN_OR_RETURN(const std::string json, ReadInput(session.io(), *params_));
    return Annotate(MessageFromJson(json, parameters), StrCat("--params ", *params_));
  }

  const Module& module_;
  const ModuleCatalog& modules_;
  Form form_;
  LaunchFlags launch_;
  std::optional<std::string> params_;
  // By flag.
  std::map<std::string, bool> switches_;
  std::map<std::string, std::optional<std::string>> values_;
  std::map<std::string, std::vector<std::string>> lists_;
  // The command without the flags that say nothing of what is looked for: the
  // action's name, if no other was given.
  std::vector<std::string> typed_;
};

}  // namespace

std::unique_ptr<Command> NewModuleCommand(const Module& module, const ModuleCatalog& modules) {
  return std::make_unique<ModuleCommand>(module, modules);
}

}  // namespace dragnet::console
