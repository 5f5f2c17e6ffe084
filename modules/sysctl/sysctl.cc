// The module `sysctl`: see sysctl.proto for what it does.
//
//   configured.h   what the files say     run.h   parameters, /proc/sys, rows
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/module.h"
#include "modules/sysctl/run.h"
#include "modules/sysctl/sysctl.pb.h"

namespace dragnet {

extern const ModuleManifest kSysctlManifest;

namespace sysctl {
namespace {

absl::StatusOr<Search> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::SysctlParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module sysctl are a ",
                                             v1::SysctlParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompileSearch(*typed);
}

class SysctlModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kSysctlManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::SysctlParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::SysctlRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
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
}  // namespace sysctl

const Module& SysctlModule() {
  static const sysctl::SysctlModuleImplementation module;
  return module;
}

}  // namespace dragnet
