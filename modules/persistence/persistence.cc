// The module `persistence`: see persistence.proto for what it does.
//
//   params.h    parameters, checked        run.h      what is done, in which order
//   readers.h   one for each kind          finding.h  what they find
//   host.h      files within a root        owners.h   packages   facts.h  the files' own
//   unit_file.h cron_line.h udev_rule.h apt_config.h kernel_modules.h   forms of text
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/module.h"
#include "modules/persistence/params.h"
#include "modules/persistence/persistence.pb.h"
#include "modules/persistence/run.h"

namespace dragnet {

extern const ModuleManifest kPersistenceManifest;

namespace persistence {
namespace {

absl::StatusOr<Search> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::PersistenceParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module persistence are a ",
                                             v1::PersistenceParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompileSearch(*typed);
}

class PersistenceModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kPersistenceManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::PersistenceParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::PersistenceRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status ValidateForPrivacy(const google::protobuf::Message& parameters) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    if (!search.commands.empty())
      return absl::PermissionDeniedError(
          "commands: they search the content of files, which privacy mode keeps on the host; "
          "leave it out");
    if (search.no_text) return absl::OkStatus();
    return absl::PermissionDeniedError(
        "no_text: without it commands in people's files are returned, which privacy mode keeps "
        "on the host; set no_text");
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    return RunSearch(search, context);
  }
};

}  // namespace
}  // namespace persistence

const Module& PersistenceModule() {
  static const persistence::PersistenceModuleImplementation module;
  return module;
}

}  // namespace dragnet
