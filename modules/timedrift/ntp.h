// A client's view of NTP (RFC 5905; as a simple client, section 14). Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace dragnet::timedrift {

inline constexpr size_t kNtpPacket = 48;

// A timestamp as NTP has it: 32 bits of seconds, 32 of the fraction.
uint64_t ToNtpTime(absl::Time time);
// In the era that is nearest to `near`: the seconds wrap in 2036.
absl::Time FromNtpTime(uint64_t timestamp, absl::Time near);

// A client's question. `nonce` stands for the time of transmission: the server
// gives it back and learns nothing of our clock.
std::string MakeQuestion(uint64_t nonce);

struct NtpAnswer {
  enum class Verdict { kGood, kBad, kKissOfDeath, kUnsynchronized };
  Verdict verdict = Verdict::kBad;
  // Why it isn't good; for kisses of death, the code.
  std::string reason;
  absl::Duration offset;
  absl::Duration delay;
  uint32_t stratum = 0;
  // 0 none, 1 add, 2 delete, 3 alarm.
  int leap = 0;
  absl::Duration root_delay;
  absl::Duration root_dispersion;
  std::string reference_id;
};

// Reads the answer to the question with `nonce`. `sent` is the host's time when
// it was sent, `travelled` how long it took by a clock that doesn't jump.
NtpAnswer ReadAnswer(std::string_view packet, uint64_t nonce, absl::Time sent,
                     absl::Duration travelled);

std::string_view LeapName(int leap);

}  // namespace dragnet::timedrift
