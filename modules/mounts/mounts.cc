// The module `mounts`: see mounts.proto for what it does.
//
//   tables.h   what the kernel and fstab say     run.h      parameters, rows
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/module.h"
#include "modules/mounts/mounts.pb.h"
#include "modules/mounts/run.h"

namespace dragnet {

extern const ModuleManifest kMountsManifest;

namespace mounts {
namespace {

absl::StatusOr<Search> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::MountsParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module mounts are a ",
                                             v1::MountsParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompileSearch(*typed);
}

class MountsModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kMountsManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::MountsParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::MountsRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    RunSearch(search, Places(), context);
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace mounts

const Module& MountsModule() {
  static const mounts::MountsModuleImplementation module;
  return module;
}

}  // namespace dragnet
