// An action while it is being filled in: what was typed, line by line, as text;
// nothing here is valid yet. The form shows and changes it, a command line and a
// template fill it, BuildDraft makes of it what is signed.
//
// A plain value: copies can be handed to other threads. The functions are
// thread-safe; those that say so read files.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/form/documentation.h"
#include "console/form/form.h"
#include "console/form/module_catalog.h"
#include "console/investigation/launch_options.h"
#include "dragnet/v1/action.pb.h"
#include "modules/blobs.h"

namespace dragnet::console::tui {

// A module with its form and its documentation.
struct ModuleForm {
  const Module* module = nullptr;
  Form form;
  Documentation documentation;

  std::string name() const { return std::string(module->manifest().name); }
};

struct OperationDraft {
  std::shared_ptr<const ModuleForm> form;
  // By index of form->form.fields(): the values as typed; of one that is not
  // repeated at most one. A switch has "true", "false" or nothing.
  std::vector<std::vector<std::string>> values;
  // Parameters of a template that no line of the form stands for (further
  // searches, what is for JSON only). Null: none.
  std::shared_ptr<const google::protobuf::Message> rest;
  // Likewise: limits and the like of the operation.
  v1::Operation base;

  // Lines about what can't be changed here; empty: all can.
  std::string NotShown() const;
};

struct Draft {
  // At least one.
  std::vector<OperationDraft> operations;
  LaunchOptions options;
  // What a template says beside that.
  v1::Action base;
  // The file that it was loaded from, and its options as they were there. Empty
  // once an operation was changed.
  std::string file;
  LaunchOptions file_options;

  bool empty() const;
  // Values that were begun and are still empty say nothing.
  Draft WithoutEmpty() const;
};

absl::StatusOr<Draft> NewDraft(std::string_view module, const ModuleCatalog& modules);

// `words` as for the command line, with the module first: "file", "--path", "/etc".
// InvalidArgument names the word that means nothing; values are not looked at.
absl::StatusOr<Draft> DraftFromWords(const std::vector<std::string>& words,
                                     const ModuleCatalog& modules);

// The command that does the same, as one would type it to a shell. Where no command
// does, what there is to do, in brackets.
std::string CommandOf(const Draft& draft);

// Whether one value of a field can be one; says nothing of files.
absl::Status CheckValue(const FormField& field, std::string_view text, absl::Time now);
// The same for a launch option.
absl::Status CheckOption(const LaunchOption& option, const std::string& text);

// "~/x" as the shell has it.
std::string ExpandHome(std::string_view path);

struct BuiltAction {
  v1::Action action;
  BlobContents blobs;
};
struct BuildContext {
  std::string fleet_id;
  absl::Time now;
  // Where --expires says nothing.
  absl::Duration lifetime;
  const ModuleCatalog* modules;
};
// Complete and checked by its modules: what is signed. Reads the files that are
// named. InvalidArgument names the flag.
absl::StatusOr<BuiltAction> BuildDraft(const Draft& draft, const BuildContext& context);

// ---- templates: action.json without id, fleet and times, so that `dragnet run`
// takes it too

// InvalidArgument says where in the file. `notices`: what of it was left out.
absl::StatusOr<Draft> DraftFromTemplate(std::string_view json, const std::string& file,
                                        const ModuleCatalog& modules,
                                        std::vector<std::string>* notices);
// Reads the files that are named: their content is part of the template.
absl::StatusOr<std::string> TemplateOf(const Draft& draft, absl::Time now,
                                       const ModuleCatalog& modules);

// A file of this machine: regular ones only, for a pipe would keep a thread for ever.
absl::StatusOr<std::string> ReadLocalFile(const std::string& path, size_t max_bytes);

// ---- parts of the above, for each other

// The texts with which SetField makes the field what it is in `message`, taken out
// of it. Nothing, and nothing taken, where there are no such texts.
std::vector<std::string> TakeTexts(const FormField& field, absl::Time now,
                                   google::protobuf::Message* message);
// The parameters, not yet looked at by their module.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ParametersOf(
    const OperationDraft& operation, absl::Time now);
// "--path /etc --name x", without the module.
std::vector<std::string> WordsOf(const OperationDraft& operation);
// Options of which `unless` says something else.
std::vector<std::string> WordsOf(const LaunchOptions& options, const LaunchOptions& unless);

}  // namespace dragnet::console::tui
