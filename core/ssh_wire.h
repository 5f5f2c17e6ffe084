// SSH's wire format (RFC 4251, section 5): reading it from bytes that nobody
// vouches for, and writing it. A read that isn't there fails and leaves the
// reader failed; nothing is copied. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dragnet {

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : left_(bytes) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && left_.empty(); }
  std::string_view left() const { return left_; }

  std::string_view Bytes(size_t count) {
    if (!ok_ || left_.size() < count) {
      ok_ = false;
      return {};
    }
    const std::string_view bytes = left_.substr(0, count);
    left_.remove_prefix(count);
    return bytes;
  }
  uint8_t Byte() { return static_cast<uint8_t>(Number(1)); }
  uint32_t Uint32() { return static_cast<uint32_t>(Number(4)); }
  uint64_t Uint64() { return Number(8); }
  std::string_view String() { return Bytes(Uint32()); }

 private:
  uint64_t Number(size_t count) {
    uint64_t number = 0;
    for (char c : Bytes(count)) number = number << 8 | static_cast<uint8_t>(c);
    return number;
  }

  std::string_view left_;
  bool ok_ = true;
};

inline void AppendWireUint32(std::string* out, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(number >> shift));
}

// Appends `text` as a string.
inline void AppendWireString(std::string* out, std::string_view text) {
  AppendWireUint32(out, static_cast<uint32_t>(text.size()));
  out->append(text);
}

// Appends an unsigned number, big-endian without its leading zeros or with, as
// an mpint.
inline void AppendWireNumber(std::string* out, std::string_view magnitude) {
  while (!magnitude.empty() && magnitude.front() == '\0') magnitude.remove_prefix(1);
  std::string number;
  if (!magnitude.empty() && (magnitude.front() & 0x80) != 0) number.push_back('\0');
  number.append(magnitude);
  AppendWireString(out, number);
}

}  // namespace dragnet
