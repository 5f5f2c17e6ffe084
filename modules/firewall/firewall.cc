// The module `firewall`: see firewall.proto for what it does.
//
//   search.h    parameters, checked             run.h     rows
//   dump.h      the kernel's answers, and the privilege for them given up
//   ruleset.h   what they say                   words.h   rules in words
//   reach.h     what rules let in: space.h (sets of packets), registers.h (what
//               rules ask for), extensions.h (iptables' own)
#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/firewall/firewall.pb.h"
#include "modules/firewall/run.h"
#include "modules/firewall/search.h"
#include "modules/module.h"

namespace dragnet {

extern const ModuleManifest kFirewallManifest;

namespace firewall {
namespace {

absl::StatusOr<Search> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::FirewallParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module firewall are a ",
                                             v1::FirewallParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompileSearch(*typed);
}

class FirewallModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kFirewallManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::FirewallParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::FirewallRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Search search, Compile(parameters));
    return RunSearch(search, context);
  }
};

}  // namespace
}  // namespace firewall

const Module& FirewallModule() {
  static const firewall::FirewallModuleImplementation module;
  return module;
}

}  // namespace dragnet
