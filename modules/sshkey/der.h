// Reading DER (X.690) from bytes that nobody vouches for, as much as private keys
// need: definite lengths, tags of one byte. Nothing is copied; a read that
// isn't there fails and leaves the reader failed. Not thread-safe.
#pragma once

#include <string_view>

namespace dragnet::sshkey {

class DerReader {
 public:
  static constexpr unsigned char kInteger = 0x02;
  static constexpr unsigned char kBitString = 0x03;
  static constexpr unsigned char kOctetString = 0x04;
  static constexpr unsigned char kObjectId = 0x06;
  static constexpr unsigned char kSequence = 0x30;
  // [0] and [1], constructed.
  static constexpr unsigned char kContext0 = 0xa0;
  static constexpr unsigned char kContext1 = 0xa1;

  explicit DerReader(std::string_view bytes) : left_(bytes) {}

  bool ok() const { return ok_; }
  bool Next(unsigned char tag) const {
    return ok_ && !left_.empty() && static_cast<unsigned char>(left_.front()) == tag;
  }

  // The content of the next element, which must have this tag.
  std::string_view Take(unsigned char tag) {
    if (!Next(tag) || left_.size() < 2) return Fail();
    size_t length = static_cast<unsigned char>(left_[1]);
    size_t header = 2;
    if (length >= 0x80) {
      const size_t count = length & 0x7f;
      if (count == 0 || count > 4 || left_.size() < header + count) return Fail();
      length = 0;
      for (size_t i = 0; i < count; ++i)
        length = length << 8 | static_cast<unsigned char>(left_[header + i]);
      header += count;
    }
    if (left_.size() - header < length) return Fail();
    const std::string_view content = left_.substr(header, length);
    left_.remove_prefix(header + length);
    return content;
  }

 private:
  std::string_view Fail() {
    ok_ = false;
    return {};
  }

  std::string_view left_;
  bool ok_ = true;
};

}  // namespace dragnet::sshkey
