#include "modules/timedrift/chrony.h"

#include <arpa/inet.h>

#include <cmath>

#include "core/text.h"

namespace dragnet::timedrift {
namespace {

constexpr uint8_t kVersion = 6;
constexpr uint8_t kRequest = 1;
constexpr uint8_t kReply = 2;
constexpr uint16_t kTrackingCommand = 33;
constexpr uint16_t kTrackingReply = 5;
constexpr uint16_t kSuccess = 0;
constexpr uint16_t kFamilyIpv4 = 1;
constexpr uint16_t kFamilyIpv6 = 2;

uint64_t NumberAt(std::string_view packet, size_t at, size_t size) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; ++i) number = number << 8 | static_cast<uint8_t>(packet[at + i]);
  return number;
}
uint16_t Uint16At(std::string_view packet, size_t at) {
  return static_cast<uint16_t>(NumberAt(packet, at, 2));
}
uint32_t Uint32At(std::string_view packet, size_t at) {
  return static_cast<uint32_t>(NumberAt(packet, at, 4));
}

// Chrony's own form: 7 bits of exponent and 25 of coefficient, both signed.
absl::Duration SecondsAt(std::string_view packet, size_t at) {
  const uint32_t value = Uint32At(packet, at);
  int exponent = static_cast<int>(value >> 25);
  if (exponent >= 64) exponent -= 128;
  int32_t coefficient = static_cast<int32_t>(value & 0x1ffffff);
  if (coefficient >= 1 << 24) coefficient -= 1 << 25;
  return absl::Seconds(std::ldexp(coefficient, exponent - 25));
}

std::string AddressAt(std::string_view packet, size_t at) {
  char text[INET6_ADDRSTRLEN] = "";
  const uint16_t family = Uint16At(packet, at + 16);
  if (family == kFamilyIpv4) inet_ntop(AF_INET, packet.data() + at, text, sizeof text);
  if (family == kFamilyIpv6) inet_ntop(AF_INET6, packet.data() + at, text, sizeof text);
  return text;
}

void Put(std::string* packet, size_t at, size_t size, uint32_t number) {
  for (size_t i = 0; i < size; ++i)
    (*packet)[at + i] = static_cast<char>(number >> 8 * (size - 1 - i));
}

}  // namespace

std::string MakeTrackingQuestion(uint32_t sequence) {
  // As long as the answer: chrony amplifies for nobody.
  std::string packet(kChronyTracking, '\0');
  Put(&packet, 0, 1, kVersion);
  Put(&packet, 1, 1, kRequest);
  Put(&packet, 4, 2, kTrackingCommand);
  Put(&packet, 8, 4, sequence);
  return packet;
}

std::optional<ChronyTracking> ReadTracking(std::string_view packet, uint32_t sequence) {
  if (packet.size() != kChronyTracking || packet[0] != kVersion || packet[1] != kReply)
    return std::nullopt;
  if (Uint16At(packet, 4) != kTrackingCommand || Uint16At(packet, 6) != kTrackingReply ||
      Uint16At(packet, 8) != kSuccess || Uint32At(packet, 16) != sequence) {
    return std::nullopt;
  }
  ChronyTracking tracking;
  tracking.reference_id = HexEncode(packet.substr(28, 4));
  tracking.server = AddressAt(packet, 32);
  tracking.stratum = Uint16At(packet, 52);
  tracking.leap = Uint16At(packet, 54);
  // The upper half has a value of its own where time has only 32 bits.
  constexpr uint32_t kNoUpperHalf = 0x7fffffff;
  const bool is_short = Uint32At(packet, 56) == kNoUpperHalf;
  const auto seconds =
      static_cast<int64_t>(is_short ? NumberAt(packet, 60, 4) : NumberAt(packet, 56, 8));
  // A year that protobuf can hold.
  if (seconds < 0 || seconds > 253402300799 || tracking.leap > 3) return std::nullopt;
  tracking.last_sync = absl::FromUnixSeconds(seconds);
  tracking.offset = SecondsAt(packet, 68);
  tracking.root_delay = SecondsAt(packet, 92);
  tracking.root_dispersion = SecondsAt(packet, 96);
  return tracking;
}

}  // namespace dragnet::timedrift
