#include "modules/ping/params.h"

#include <sys/socket.h>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::ping {
namespace {

constexpr int kMaxDestinations = 64;
constexpr uint32_t kDefaultCount = 3;
constexpr uint32_t kMaxCount = 100;
constexpr absl::Duration kDefaultTimeout = absl::Seconds(5);
constexpr absl::Duration kMinTimeout = absl::Milliseconds(10);
constexpr absl::Duration kMaxTimeout = absl::Seconds(60);

std::string Quoted(std::string_view text) {
  return StrCat("'", ForTerminal(Shorten(text, 200)), "'");
}

absl::StatusOr<Protocol> ParseProtocol(std::string_view text) {
  if (text.empty() || text == "icmp") return Protocol::kIcmp;
  if (text == "tcp") return Protocol::kTcp;
  if (text == "udp") return Protocol::kUdp;
  return absl::InvalidArgumentError(
      StrCat("protocol ", Quoted(text), " is unknown; write icmp, tcp or udp"));
}

absl::StatusOr<int> ParseFamily(std::string_view text) {
  if (text.empty() || text == "any") return AF_UNSPEC;
  if (text == "4") return AF_INET;
  if (text == "6") return AF_INET6;
  return absl::InvalidArgumentError(
      StrCat("family ", Quoted(text), " is unknown; write 4, 6 or any"));
}

}  // namespace

absl::StatusOr<absl::Duration> ParseTime(std::string_view text, absl::Duration fallback,
                                         absl::Duration least, absl::Duration most) {
  if (text.empty()) return fallback;
  absl::Duration parsed;
  if (!absl::ParseDuration(ToAbsl(text), &parsed)) {
    return absl::InvalidArgumentError(
        StrCat(Quoted(text), " is not a time; write a number and a unit, as in 5s or 500ms"));
  }
  if (parsed < least || parsed > most) {
    return absl::InvalidArgumentError(StrCat(Quoted(text), " is not between ",
                                             absl::FormatDuration(least), " and ",
                                             absl::FormatDuration(most)));
  }
  return parsed;
}

absl::StatusOr<Plan> CompilePlan(const v1::PingParameters& parameters) {
  Plan plan;
  if (parameters.destinations().empty())
    return absl::InvalidArgumentError("destinations: there is none; name a host or an address");
  if (parameters.destinations_size() > kMaxDestinations) {
    return absl::InvalidArgumentError(StrCat("destinations: there are ",
                                             parameters.destinations_size(), ", at most ",
                                             kMaxDestinations));
  }
  for (int i = 0; i < parameters.destinations_size(); ++i) {
    const std::string& destination = parameters.destinations(i);
    if (const absl::Status status = CheckHost(destination); !status.ok()) {
      return absl::InvalidArgumentError(
          StrCat("destinations[", i, "] ", Quoted(destination), " ", status.message()));
    }
    plan.destinations.push_back(destination);
  }
  DRAGNET_ASSIGN_OR_RETURN(plan.protocol, ParseProtocol(parameters.protocol()));
  if (plan.protocol == Protocol::kIcmp) {
    if (parameters.port() != 0) {
      return absl::InvalidArgumentError(
          "port: icmp has no ports; leave it out, or write protocol tcp or udp");
    }
  } else if (parameters.port() < 1 || parameters.port() > 65535) {
    return absl::InvalidArgumentError(
        StrCat("port ", parameters.port(), ": ", parameters.protocol(), " needs one, 1 to 65535"));
  }
  plan.port = static_cast<uint16_t>(parameters.port());
  if (parameters.count() > kMaxCount) {
    return absl::InvalidArgumentError(
        StrCat("count ", parameters.count(), " is too large, at most ", kMaxCount));
  }
  plan.count = parameters.count() == 0 ? kDefaultCount : parameters.count();
  const auto timeout = ParseTime(parameters.timeout(), kDefaultTimeout, kMinTimeout, kMaxTimeout);
  if (!timeout.ok()) return Annotate(timeout.status(), "timeout");
  plan.timeout = *timeout;
  DRAGNET_ASSIGN_OR_RETURN(plan.family, ParseFamily(parameters.family()));
  return plan;
}

}  // namespace dragnet::ping
