#include "modules/tls/params.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/ping/params.h"

namespace dragnet::tls {
namespace {

constexpr int kMaxTargets = 64;
constexpr int kMaxPorts = 64;
constexpr uint16_t kHttpsPort = 443;
constexpr uint32_t kDefaultProbes = 500;
constexpr uint32_t kMinProbes = 10;
constexpr uint32_t kMaxProbes = 2000;

std::string Quoted(std::string_view text) {
  return StrCat("'", ForTerminal(Shorten(text, 200)), "'");
}

bool IsAddress(const std::string& host) {
  in6_addr ignored;
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

// SNI has names without the dot at the end (RFC 6066, 3).
std::string SniOf(std::string name) {
  if (name.ends_with('.')) name.pop_back();
  return name;
}

absl::StatusOr<std::string> CheckSni(const std::string& sni) {
  if (sni.empty()) return "";
  absl::Status status = ping::CheckHost(sni);
  if (status.ok() && IsAddress(sni)) status = absl::InvalidArgumentError("is an address, no name");
  if (!status.ok())
    return absl::InvalidArgumentError(StrCat("sni ", Quoted(sni), " ", status.message()));
  return SniOf(sni);
}

bool ParsePort(std::string_view text, uint16_t* port) {
  uint32_t number = 0;
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(ToAbsl(text), &number) || number < 1 || number > 65535)
    return false;
  *port = static_cast<uint16_t>(number);
  return true;
}

bool ParseRange(std::string_view text, PortRange* range) {
  const size_t dash = text.find('-');
  if (!ParsePort(text.substr(0, dash), &range->first)) return false;
  range->last = range->first;
  if (dash != std::string_view::npos && !ParsePort(text.substr(dash + 1), &range->last))
    return false;
  return range->first <= range->last;
}

absl::Status CompilePorts(const v1::TlsParameters& parameters, Plan* plan) {
  if (parameters.ports_size() > kMaxPorts) {
    return absl::InvalidArgumentError(
        StrCat("ports: there are ", parameters.ports_size(), ", at most ", kMaxPorts));
  }
  for (int i = 0; i < parameters.ports_size(); ++i) {
    std::string_view text = parameters.ports(i);
    const bool is_not = text.starts_with('!');
    if (is_not) text.remove_prefix(1);
    PortRange range;
    if (!ParseRange(text, &range)) {
      return absl::InvalidArgumentError(
          StrCat("ports[", i, "] ", Quoted(parameters.ports(i)),
                 " is neither a port nor a range of ports; write 443, 8000-8999 or !8080"));
    }
    (is_not ? plan->not_ports : plan->ports).push_back(range);
  }
  plan->skip_printers = parameters.ports().empty();
  return absl::OkStatus();
}

absl::Status CompileTargets(const v1::TlsParameters& parameters, Plan* plan) {
  if (parameters.targets_size() > kMaxTargets) {
    return absl::InvalidArgumentError(
        StrCat("targets: there are ", parameters.targets_size(), ", at most ", kMaxTargets));
  }
  if (!parameters.targets().empty() && !parameters.ports().empty())
    return absl::InvalidArgumentError("ports: targets have their own; leave one of both out");
  for (int i = 0; i < parameters.targets_size(); ++i) {
    Target target;
    target.text = parameters.targets(i);
    const auto place = ping::ParseHostAndPort(target.text, kHttpsPort);
    if (!place.ok()) {
      return absl::InvalidArgumentError(
          StrCat("targets[", i, "] ", Quoted(target.text), " ", place.status().message()));
    }
    target.place = *place;
    target.sni = plan->sni;
    if (target.sni.empty() && !IsAddress(place->host)) target.sni = SniOf(place->host);
    plan->targets.push_back(std::move(target));
  }
  return absl::OkStatus();
}

absl::Status CompileLevel(const v1::TlsParameters& parameters, Plan* plan) {
  const std::string& level = parameters.level();
  if (level == "modern") {
    plan->level = Level::kModern;
  } else if (level == "old") {
    plan->level = Level::kOld;
  } else if (!level.empty() && level != "intermediate") {
    return absl::InvalidArgumentError(
        StrCat("level ", Quoted(level), " is unknown; write modern, intermediate or old"));
  }
  if (parameters.guideline().empty()) {
    for (const Guideline& guideline : AllGuidelines())
      if (FindLevel(guideline, plan->level) != nullptr) plan->guideline = &guideline;
    return absl::OkStatus();
  }
  plan->guideline = FindGuideline(parameters.guideline());
  if (plan->guideline == nullptr) {
    return absl::InvalidArgumentError(StrCat("guideline ", Quoted(parameters.guideline()),
                                             " is unknown; write 4.0, 5.0, 5.8 or 6.0"));
  }
  if (FindLevel(*plan->guideline, plan->level) == nullptr) {
    return absl::InvalidArgumentError(
        StrCat("level: guideline ", plan->guideline->version, " has no level old; 5.8 has"));
  }
  return absl::OkStatus();
}

bool Contains(const std::vector<PortRange>& ranges, uint16_t port) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const PortRange& range) {
    return range.first <= port && port <= range.last;
  });
}

}  // namespace

bool IsPrinter(uint16_t port) { return port >= 9100 && port <= 9107; }

bool Plan::WantsPort(uint16_t port) const {
  return (ports.empty() || Contains(ports, port)) && !Contains(not_ports, port);
}

absl::StatusOr<Plan> CompilePlan(const v1::TlsParameters& parameters) {
  Plan plan;
  DRAGNET_ASSIGN_OR_RETURN(plan.sni, CheckSni(parameters.sni()));
  DRAGNET_RETURN_IF_ERROR(CompileTargets(parameters, &plan));
  DRAGNET_RETURN_IF_ERROR(CompilePorts(parameters, &plan));
  DRAGNET_RETURN_IF_ERROR(CompileLevel(parameters, &plan));
  const auto timeout = ping::ParseTime(parameters.timeout(), absl::Seconds(3),
                                       absl::Milliseconds(100), absl::Seconds(60));
  if (!timeout.ok()) return Annotate(timeout.status(), "timeout");
  plan.timeout = *timeout;
  plan.max_probes = parameters.max_probes() == 0 ? kDefaultProbes : parameters.max_probes();
  if (plan.max_probes < kMinProbes || plan.max_probes > kMaxProbes) {
    return absl::InvalidArgumentError(StrCat("max_probes ", plan.max_probes, " is not between ",
                                             kMinProbes, " and ", kMaxProbes));
  }
  plan.all = parameters.all();
  plan.starttls = parameters.starttls();
  return plan;
}

}  // namespace dragnet::tls
