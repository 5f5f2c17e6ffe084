// The module `ping`: see ping.proto for what it does.
//
//   params.h    parameters, checked     endpoint.h  names and addresses
//   probe.h     one probe               wait.h      sockets and deadlines
#include <algorithm>

#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/module.h"
#include "modules/ping/params.h"
#include "modules/ping/ping.pb.h"
#include "modules/ping/probe.h"
#include "modules/ping/wait.h"

namespace dragnet {

extern const ModuleManifest kPingManifest;

namespace ping {
namespace {

// Between the probes of a destination, so that nobody takes them for a flood.
constexpr absl::Duration kBetweenProbes = absl::Milliseconds(100);

absl::StatusOr<Plan> Compile(const google::protobuf::Message& parameters) {
  const auto* typed = dynamic_cast<const v1::PingParameters*>(&parameters);
  if (typed == nullptr) {
    return absl::InvalidArgumentError(StrCat("parameters of module ping are a ",
                                             v1::PingParameters::descriptor()->full_name(),
                                             ", not a ", parameters.GetTypeName()));
  }
  return CompilePlan(*typed);
}

void SetStatus(PingStatus status, v1::PingRow& row) {
  row.set_status(std::string(StatusName(status)));
}

void ProbeEndpoint(const Plan& plan, const Endpoint& endpoint, const RunContext& context,
                   v1::PingRow& row) {
  PingStatus best = PingStatus::kError;
  absl::Duration sum;
  for (uint32_t i = 0; i < plan.count && !context.stopping(); ++i) {
    if (i > 0) Pause(kBetweenProbes);
    const ProbeResult result =
        ProbeOnce(plan.protocol, endpoint, static_cast<uint16_t>(i + 1), plan.timeout);
    v1::Probe& probe = *row.add_probes();
    probe.set_status(std::string(StatusName(result.status)));
    probe.set_error(result.error);
    row.set_sent(row.sent() + 1);
    if (i == 0 || result.status < best) {
      best = result.status;
      row.set_error(result.error);
    }
    if (!result.rtt) continue;
    const double milliseconds = absl::ToDoubleMilliseconds(*result.rtt);
    probe.set_rtt_ms(milliseconds);
    row.set_answered(row.answered() + 1);
    row.set_min_ms(row.has_min_ms() ? std::min(row.min_ms(), milliseconds) : milliseconds);
    row.set_max_ms(row.has_max_ms() ? std::max(row.max_ms(), milliseconds) : milliseconds);
    sum += *result.rtt;
    row.set_avg_ms(absl::ToDoubleMilliseconds(sum) / row.answered());
  }
  SetStatus(best, row);
}

v1::PingRow ProbeDestination(const Plan& plan, const std::string& destination,
                             const RunContext& context) {
  v1::PingRow row;
  row.set_destination(destination);
  row.set_protocol(std::string(ProtocolName(plan.protocol)));
  row.set_port(plan.port);
  const auto endpoints = Resolve(destination, plan.port, plan.family);
  if (!endpoints.ok()) {
    SetStatus(absl::IsNotFound(endpoints.status()) ? PingStatus::kNameNotFound
                                                   : PingStatus::kNameLookupFailed,
              row);
    row.set_error(std::string(ToStd(endpoints.status().message())));
    return row;
  }
  row.set_address(endpoints->front().Text());
  ProbeEndpoint(plan, endpoints->front(), context, row);
  return row;
}

class PingModuleImplementation : public Module {
 public:
  const ModuleManifest& manifest() const override { return kPingManifest; }

  std::unique_ptr<google::protobuf::Message> NewParameters() const override {
    return std::make_unique<v1::PingParameters>();
  }
  std::unique_ptr<google::protobuf::Message> NewRow() const override {
    return std::make_unique<v1::PingRow>();
  }

  absl::Status Validate(const google::protobuf::Message& parameters) const override {
    return Compile(parameters).status();
  }

  absl::Status Run(const google::protobuf::Message& parameters,
                   RunContext& context) const override {
    DRAGNET_ASSIGN_OR_RETURN(const Plan plan, Compile(parameters));
    for (const std::string& destination : plan.destinations) {
      if (context.stopping()) break;
      const v1::PingRow row = ProbeDestination(plan, destination, context);
      context.AddExamined(row.sent(), 0);
      if (!context.EmitRow(row)) break;
    }
    return absl::OkStatus();
  }
};

}  // namespace
}  // namespace ping

const Module& PingModule() {
  static const ping::PingModuleImplementation module;
  return module;
}

}  // namespace dragnet
