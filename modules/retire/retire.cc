#include <memory>

#include "core/strings.h"
#include "core/uuid.h"
#include "modules/manifest.h"
#include "modules/module.h"
#include "modules/retire/retire.pb.h"

namespace dragnet {

extern const ModuleManifest kRetireManifest;

namespace {

using retire::v1::RetireParameters;
using retire::v1::RetireRow;

constexpr int kMaxAgents = 1000;

class RetireModuleImpl : public Module {
 public:
  const ModuleManifest& manifest() const override { return kRetireManifest; }
  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<RetireParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<RetireRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    const auto& retire = dynamic_cast<const RetireParameters&>(parameters);
    if (retire.agent_ids_size() < 1 || retire.agent_ids_size() > kMaxAgents) {
      return absl::InvalidArgumentError(
          StrCat("agent_ids: ", retire.agent_ids_size(), ", must be 1 to ", kMaxAgents));
    }
    for (const std::string& id : retire.agent_ids()) {
      if (!IsUuid(id)) return absl::InvalidArgumentError("agent_ids: one of them is not a UUID");
    }
    return absl::OkStatus();
  }

  absl::Status Run(const google::protobuf::Message&, RunContext&) const override {
    return absl::UnimplementedError("an agent retires itself, in a fleet");
  }
};

}  // namespace

const Module& RetireModule();
const Module& RetireModule() {
  static const RetireModuleImpl module;
  return module;
}

}  // namespace dragnet
