#include "modules/timedrift/ntp.h"

#include "absl/strings/ascii.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::timedrift {
namespace {

// From 1900 to 1970.
constexpr int64_t kUnixEpoch = 2'208'988'800;
constexpr int64_t kEraSeconds = int64_t{1} << 32;
constexpr uint32_t kMaxStratum = 15;
constexpr int kServerMode = 4;
constexpr int kAlarm = 3;

uint32_t Uint32At(std::string_view packet, size_t at) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<uint8_t>(packet[at + i]);
  return number;
}

uint64_t Uint64At(std::string_view packet, size_t at) {
  return uint64_t{Uint32At(packet, at)} << 32 | Uint32At(packet, at + 4);
}

// 16 bits of seconds, 16 of the fraction.
absl::Duration Short(uint32_t value) { return absl::Seconds(1) * value / 65536; }

// What is printable of four bytes.
std::string Letters(std::string_view bytes) {
  std::string text;
  for (char c : bytes)
    if (absl::ascii_isgraph(static_cast<unsigned char>(c))) text.push_back(c);
  return text;
}

}  // namespace

uint64_t ToNtpTime(absl::Time time) {
  const absl::Duration since = time - absl::UnixEpoch();
  absl::Duration fraction;
  int64_t seconds = absl::IDivDuration(since, absl::Seconds(1), &fraction);
  if (fraction < absl::ZeroDuration()) {
    fraction += absl::Seconds(1);
    --seconds;
  }
  const auto nanoseconds = static_cast<uint64_t>(absl::ToInt64Nanoseconds(fraction));
  return static_cast<uint64_t>(seconds + kUnixEpoch) << 32 | (nanoseconds << 32) / 1'000'000'000;
}

absl::Time FromNtpTime(uint64_t timestamp, absl::Time near) {
  const int64_t near_seconds = absl::ToUnixSeconds(near) + kUnixEpoch;
  int64_t seconds = static_cast<int64_t>(timestamp >> 32);
  const int64_t eras = near_seconds - seconds + kEraSeconds / 2;
  seconds +=
      (eras >= 0 ? eras / kEraSeconds : (eras - kEraSeconds + 1) / kEraSeconds) * kEraSeconds;
  const uint64_t nanoseconds = ((timestamp & 0xffffffff) * 1'000'000'000) >> 32;
  return absl::FromUnixSeconds(seconds - kUnixEpoch) +
         absl::Nanoseconds(static_cast<int64_t>(nanoseconds));
}

std::string MakeQuestion(uint64_t nonce) {
  std::string packet(kNtpPacket, '\0');
  // No leap warning, version 4, client.
  packet[0] = 4 << 3 | 3;
  for (size_t i = 0; i < 8; ++i) packet[40 + i] = static_cast<char>(nonce >> (56 - 8 * i));
  return packet;
}

NtpAnswer ReadAnswer(std::string_view packet, uint64_t nonce, absl::Time sent,
                     absl::Duration travelled) {
  NtpAnswer answer;
  const auto bad = [&](std::string reason) {
    answer.reason = std::move(reason);
    return answer;
  };
  if (packet.size() < kNtpPacket)
    return bad(StrCat("an answer of ", packet.size(), " bytes; one has 48"));
  const auto first = static_cast<uint8_t>(packet[0]);
  const int mode = first & 7;
  const int version = first >> 3 & 7;
  answer.leap = first >> 6;
  if (mode != kServerMode) return bad(StrCat("mode ", mode, ", a server's is 4"));
  if (version < 1 || version > 4) return bad(StrCat("version ", version));
  // Who can't see our question can't know this.
  if (Uint64At(packet, 24) != nonce) return bad("the origin timestamp isn't that of our question");
  answer.stratum = static_cast<uint8_t>(packet[1]);
  answer.root_delay = Short(Uint32At(packet, 4));
  answer.root_dispersion = Short(Uint32At(packet, 8));
  const std::string_view reference = packet.substr(12, 4);
  answer.reference_id = answer.stratum <= 1 ? Letters(reference) : HexEncode(reference);
  if (answer.stratum == 0) {
    answer.verdict = NtpAnswer::Verdict::kKissOfDeath;
    return bad(answer.reference_id);
  }
  if (answer.leap == kAlarm || answer.stratum > kMaxStratum) {
    answer.verdict = NtpAnswer::Verdict::kUnsynchronized;
    return bad(answer.leap == kAlarm ? "the server's leap indicator is an alarm"
                                     : StrCat("stratum ", answer.stratum));
  }
  const uint64_t received_raw = Uint64At(packet, 32);
  const uint64_t transmitted_raw = Uint64At(packet, 40);
  if (received_raw == 0 || transmitted_raw == 0) return bad("a timestamp is missing");
  const absl::Time received = FromNtpTime(received_raw, sent);
  const absl::Time transmitted = FromNtpTime(transmitted_raw, sent);
  answer.delay = travelled - (transmitted - received);
  // More than clocks' own noise, and the server's times can't be true.
  if (transmitted < received || answer.delay < -absl::Milliseconds(1))
    return bad("the server's times contradict each other");
  answer.delay = std::max(answer.delay, absl::ZeroDuration());
  answer.offset = ((received - sent) + (transmitted - (sent + travelled))) / 2;
  answer.verdict = NtpAnswer::Verdict::kGood;
  return answer;
}

std::string_view LeapName(int leap) {
  switch (leap) {
    case 0:
      return "none";
    case 1:
      return "add";
    case 2:
      return "delete";
    default:
      return "alarm";
  }
}

}  // namespace dragnet::timedrift
