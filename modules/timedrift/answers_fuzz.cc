// libFuzzer target: packets that pretend to be answers of NTP servers or chrony.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "modules/timedrift/chrony.h"
#include "modules/timedrift/ntp.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using dragnet::timedrift::NtpAnswer;
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  const NtpAnswer answer = dragnet::timedrift::ReadAnswer(
      packet, 0x6464646464646464, absl::FromUnixSeconds(1'700'000'000), absl::Milliseconds(20));
  const bool is_good = answer.verdict == NtpAnswer::Verdict::kGood;
  if (is_good != answer.reason.empty() && answer.verdict != NtpAnswer::Verdict::kKissOfDeath)
    std::abort();
  if (is_good && (answer.stratum < 1 || answer.stratum > 15)) std::abort();
  dragnet::timedrift::ReadTracking(packet, 0x64646464);
  return 0;
}
