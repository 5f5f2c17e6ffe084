// The module `process`: see process.proto for what it does.
//
//   run.h   parameters, all processes, rows     facts.h   what files of /proc say
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/module.h"
#include "modules/process/process.pb.h"
#include "modules/process/run.h"

namespace dragnet {

extern const ModuleManifest kProcessManifest;

namespace process {
namespace {

absl::StatusOr<Search> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::ProcessParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module process are a ",
                                             v1::ProcessParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompileSearch(*typed);
}

class ProcessModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kProcessManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::ProcessParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::ProcessRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status ValidateForPrivacy(const google::protobuf::Message& parameters) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    if (search.no_command_lines) return absl::OkStatus();
    return absl::PermissionDeniedError(
        "no_command_lines: without it arguments of processes are returned, which privacy mode "
        "keeps on the host; set no_command_lines");
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    return RunSearch(search, context);
  }
};

}  // namespace
}  // namespace process

const Module& ProcessModule() {
  static const process::ProcessModuleImplementation module;
  return module;
}

}  // namespace dragnet
