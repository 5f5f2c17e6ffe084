#include <memory>

#include "modules/check/check.pb.h"
#include "modules/check/validate.h"
#include "modules/manifest.h"
#include "modules/module.h"

namespace dragnet {

extern const ModuleManifest kCheckManifest;

namespace {

class CheckModuleImpl : public Module {
 public:
  const ModuleManifest& manifest() const override { return kCheckManifest; }
  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<check::v1::CheckParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<check::v1::Verdict>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return ValidateChecks(dynamic_cast<const check::v1::CheckParameters&>(parameters), FindModule);
  }

  // Never: a worker of one module must not do the work of others.
  absl::Status Run(const google::protobuf::Message&, RunContext&) const override {
    return absl::UnimplementedError("checks are run by the agent, each in a worker of its own");
  }
};

}  // namespace

const Module& CheckModule();
const Module& CheckModule() {
  static const CheckModuleImpl module;
  return module;
}

}  // namespace dragnet
