// The bytes of TLS (RFC 8446, section 3): big-endian numbers, and vectors with
// their length in front. Reading copies nothing; a read past the end fails and leaves
// the reader failed. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dragnet::tls {

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : left_(bytes) {}

  // False once anything was missing.
  bool ok() const { return ok_; }
  bool empty() const { return left_.empty(); }

  // 1 to 4 bytes; 0 when they aren't there.
  uint32_t Number(size_t size) {
    uint32_t number = 0;
    for (const char byte : Bytes(size)) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
  }

  std::string_view Bytes(size_t size) {
    if (!ok_ || left_.size() < size) {
      ok_ = false;
      left_ = {};
      return {};
    }
    const std::string_view bytes = left_.substr(0, size);
    left_.remove_prefix(size);
    return bytes;
  }

  // What stands behind a length of `size` bytes.
  std::string_view Vector(size_t size) { return Bytes(Number(size)); }

 private:
  std::string_view left_;
  bool ok_ = true;
};

inline void AppendNumber(uint32_t number, size_t size, std::string* bytes) {
  while (size-- > 0) bytes->push_back(static_cast<char>(number >> (8 * size) & 0xff));
}

inline void AppendVector(std::string_view content, size_t size, std::string* bytes) {
  AppendNumber(static_cast<uint32_t>(content.size()), size, bytes);
  bytes->append(content);
}

}  // namespace dragnet::tls
