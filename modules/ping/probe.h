// One probe of one endpoint. Thread-safe: no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "modules/ping/endpoint.h"

namespace dragnet::ping {

enum class Protocol { kIcmp, kTcp, kUdp };

// The better ones first.
enum class PingStatus {
  kReachable,
  kRefused,
  kUnreachable,
  kNotPermitted,
  kTimeout,
  kError,
  kNameNotFound,
  kNameLookupFailed,
};

std::string_view ProtocolName(Protocol protocol);
// As PingRow's status has it.
std::string_view StatusName(PingStatus status);

// What errno `error` of a socket means; and the system's words for it.
PingStatus StatusOfErrno(int error);
std::string ErrorWords(int error);

struct ProbeResult {
  PingStatus status = PingStatus::kError;
  // When there was an answer.
  std::optional<absl::Duration> rtt;
  // The system's words when there was none, or it was no good one.
  std::string error;
};

// Waits `timeout` at most. With kIcmp the endpoint's port does not matter.
// `sequence` tells the probes of one destination apart.
ProbeResult ProbeOnce(Protocol protocol, const Endpoint& endpoint, uint16_t sequence,
                      absl::Duration timeout);

}  // namespace dragnet::ping
