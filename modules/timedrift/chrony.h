// What chrony's daemon tells about its work to anyone on the host: its `tracking`
// report (candm.h of chrony, protocol version 6), by UDP on loopback. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace dragnet::timedrift {

inline constexpr uint16_t kChronyPort = 323;
inline constexpr size_t kChronyTracking = 104;

std::string MakeTrackingQuestion(uint32_t sequence);

struct ChronyTracking {
  std::string server;
  uint32_t stratum = 0;
  int leap = 0;
  absl::Time last_sync;
  // Right time minus the host's.
  absl::Duration offset;
  absl::Duration root_delay;
  absl::Duration root_dispersion;
  std::string reference_id;
};

// Nothing unless it is the answer to this question, with all its fields.
std::optional<ChronyTracking> ReadTracking(std::string_view packet, uint32_t sequence);

}  // namespace dragnet::timedrift
