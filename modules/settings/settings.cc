// The module `settings`: see settings.proto for what it does.
//
//   search.h   parameters, checked           files.h     which files, and their text
//   formats.h  sshd.cc plain.cc pam.cc apt.cc: what they say
//   setting.h  which setting counts          run.h       rows
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/module.h"
#include "modules/settings/run.h"
#include "modules/settings/search.h"
#include "modules/settings/settings.pb.h"

namespace dragnet {

extern const ModuleManifest kSettingsManifest;

namespace settings {
namespace {

absl::StatusOr<Search> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::SettingsParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module settings are a ",
                                             v1::SettingsParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompileSearch(*typed);
}

class SettingsModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kSettingsManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::SettingsParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::SettingsRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status ValidateForPrivacy(const google::protobuf::Message& parameters) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    if (search.no_text) return absl::OkStatus();
    return absl::PermissionDeniedError(
        "no_text: without it any value of a configuration file is returned, which privacy mode "
        "keeps on the host; set no_text");
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    DRAGNET_ASSIGN_OR_RETURN(const pkg::Root root, pkg::Root::Open("/"));
    RunSearch(search, root, context);
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace settings

const Module& SettingsModule() {
  static const settings::SettingsModuleImplementation module;
  return module;
}

}  // namespace dragnet
