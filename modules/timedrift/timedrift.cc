// The module `timedrift`: see timedrift.proto for what it does.
//
//   params.h   parameters, checked   look.h         each row
//   ntp.h      the servers           host_config.h  which ones the host has
//   chrony.h   chrony's daemon       exchange.h     packets there and back
#include <netinet/in.h>

#include <algorithm>

#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/module.h"
#include "modules/timedrift/chrony.h"
#include "modules/timedrift/host_config.h"
#include "modules/timedrift/look.h"
#include "modules/timedrift/params.h"
#include "modules/timedrift/timedrift.pb.h"

namespace dragnet {

extern const ModuleManifest kTimedriftManifest;

namespace timedrift {
namespace {

constexpr const char* kRunMark = "/run/systemd/timesync/synchronized";
constexpr const char* kStateMark = "/var/lib/systemd/timesync/clock";

absl::StatusOr<Plan> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::TimedriftParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module timedrift are a ",
                                             v1::TimedriftParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompilePlan(*typed);
}

std::optional<v1::TimedriftRow> AskLocalChrony(const Plan& plan) {
  ping::Endpoint loopback;
  auto& address = reinterpret_cast<sockaddr_in&>(loopback.storage);
  address.sin_family = AF_INET;
  address.sin_port = htons(kChronyPort);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  loopback.length = sizeof address;
  return AskChrony(loopback, plan);
}

std::vector<std::string> ServersToAsk(const Plan& plan, RunContext& context) {
  std::vector<std::string> servers;
  if (plan.configured) servers = ConfiguredServers(context);
  for (const std::string& server : plan.servers)
    if (std::find(servers.begin(), servers.end(), server) == servers.end())
      servers.push_back(server);
  return servers;
}

class TimedriftModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kTimedriftManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::TimedriftParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::TimedriftRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Plan plan, Compile(parameters));
    bool any = false;
    const auto emit = [&](const v1::TimedriftRow& row) {
      any = true;
      context.AddExamined(1, 0);
      return context.EmitRow(row);
    };
    for (const std::string& server : ServersToAsk(plan, context)) {
      const v1::TimedriftRow row = AskServer(server, plan);
      if (!emit(row)) return absl::OkStatus();
      if (plan.first_answer && row.status() == "ok") break;
    }
    if (plan.daemons) {
      if (const auto row = AskLocalChrony(plan); row && !emit(*row)) return absl::OkStatus();
      if (const auto row = LookAtTimesyncd(kRunMark, kStateMark); row && !emit(*row))
        return absl::OkStatus();
    }
    if (!any) emit(LocalClock());
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace timedrift

const Module& TimedriftModule() {
  static const timedrift::TimedriftModuleImplementation module;
  return module;
}

}  // namespace dragnet
