#include "modules/timedrift/params.h"

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/ping/endpoint.h"
#include "modules/ping/params.h"

namespace dragnet::timedrift {
namespace {

constexpr int kMaxServers = 16;

}  // namespace

absl::StatusOr<Plan> CompilePlan(const v1::TimedriftParameters& parameters) {
  Plan plan;
  if (parameters.servers_size() > kMaxServers) {
    return absl::InvalidArgumentError(
        StrCat("servers: there are ", parameters.servers_size(), ", at most ", kMaxServers));
  }
  for (int i = 0; i < parameters.servers_size(); ++i) {
    const std::string& server = parameters.servers(i);
    if (const auto parsed = ping::ParseHostAndPort(server, kNtpPort); !parsed.ok()) {
      return absl::InvalidArgumentError(StrCat("servers[", i, "] '",
                                               ForTerminal(Shorten(server, 200)), "' ",
                                               parsed.status().message()));
    }
    plan.servers.push_back(server);
  }
  const auto drift = ping::ParseTime(parameters.max_drift(), absl::Seconds(1),
                                     absl::Milliseconds(1), absl::Hours(8760));
  if (!drift.ok()) return Annotate(drift.status(), "max_drift");
  plan.max_drift = *drift;
  const auto timeout = ping::ParseTime(parameters.timeout(), absl::Seconds(3),
                                       absl::Milliseconds(10), absl::Seconds(60));
  if (!timeout.ok()) return Annotate(timeout.status(), "timeout");
  plan.timeout = *timeout;
  plan.configured = parameters.configured();
  plan.first_answer = parameters.first_answer();
  plan.daemons = !parameters.no_daemons();
  return plan;
}

}  // namespace dragnet::timedrift
