// The parameters of a look at TLS services, checked. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "modules/ping/endpoint.h"
#include "modules/tls/guideline.h"
#include "modules/tls/tls.pb.h"

namespace dragnet::tls {

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
};

struct Target {
  // As it was written.
  std::string text;
  ping::HostAndPort place;
  // What to ask it for; empty for nothing.
  std::string sni;
};

struct Plan {
  std::vector<Target> targets;
  // Some of `ports` unless there is none, and none of `not_ports`.
  std::vector<PortRange> ports;
  std::vector<PortRange> not_ports;
  // No ports were named: see IsPrinter.
  bool skip_printers = false;
  // Of the listeners.
  std::string sni;
  const Guideline* guideline = nullptr;
  Level level = Level::kIntermediate;
  absl::Duration timeout;
  uint32_t max_probes = 0;
  bool all = false;
  bool starttls = false;

  bool WantsPort(uint16_t port) const;
};

// Ports of raw printing (JetDirect), where whatever is sent comes out on paper.
bool IsPrinter(uint16_t port);

// InvalidArgument names the field.
absl::StatusOr<Plan> CompilePlan(const v1::TlsParameters& parameters);

}  // namespace dragnet::tls
