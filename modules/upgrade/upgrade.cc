#include <memory>

#include "core/strings.h"
#include "modules/manifest.h"
#include "modules/module.h"
#include "modules/upgrade/upgrade.pb.h"

namespace dragnet {

extern const ModuleManifest kUpgradeManifest;

namespace {

using upgrade::v1::UpgradeParameters;
using upgrade::v1::UpgradeRow;

constexpr size_t kMaxReleaseBytes = 64 * 1024;

class UpgradeModuleImpl : public Module {
 public:
  const ModuleManifest& manifest() const override { return kUpgradeManifest; }
  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<UpgradeParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<UpgradeRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    const auto& upgrade = dynamic_cast<const UpgradeParameters&>(parameters);
    if (upgrade.release().empty()) {
      return absl::InvalidArgumentError("release: missing; `dragnet release` makes one");
    }
    if (upgrade.release().size() > kMaxReleaseBytes) {
      return absl::InvalidArgumentError(
          StrCat("release: ", upgrade.release().size(), " bytes, at most ", kMaxReleaseBytes));
    }
    return absl::OkStatus();
  }

  absl::Status Run(const google::protobuf::Message&, RunContext&) const override {
    return absl::UnimplementedError("an upgrade is made by the agent itself, in a fleet");
  }
};

}  // namespace

const Module& UpgradeModule();
const Module& UpgradeModule() {
  static const UpgradeModuleImpl module;
  return module;
}

}  // namespace dragnet
