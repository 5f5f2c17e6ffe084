// Numbers as files have them. Thread-safe: no state.
#pragma once

#include <cstdint>

namespace dragnet::pkg {

inline uint32_t Little16(const char* bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes);
  return static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8;
}
inline uint32_t Little32(const char* bytes) { return Little16(bytes) | Little16(bytes + 2) << 16; }
inline uint64_t Little64(const char* bytes) {
  return Little32(bytes) | static_cast<uint64_t>(Little32(bytes + 4)) << 32;
}
inline uint32_t Big16(const char* bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes);
  return static_cast<uint32_t>(p[0]) << 8 | static_cast<uint32_t>(p[1]);
}
inline uint32_t Big32(const char* bytes) { return Big16(bytes) << 16 | Big16(bytes + 2); }
inline uint64_t Big64(const char* bytes) {
  return static_cast<uint64_t>(Big32(bytes)) << 32 | Big32(bytes + 4);
}

}  // namespace dragnet::pkg
