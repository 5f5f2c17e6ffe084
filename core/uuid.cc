#include "core/uuid.h"

#include "core/keys.h"
#include "core/text.h"

namespace dragnet {
namespace {

std::string Format(std::string bytes, unsigned char version) {
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | (version << 4));
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  const std::string hex = HexEncode(bytes);
  std::string text;
  text.reserve(36);
  for (size_t i = 0; i < hex.size(); ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) text.push_back('-');
    text.push_back(hex[i]);
  }
  return text;
}

}  // namespace

std::string NewUuidV7(absl::Time now) {
  std::string bytes = RandomBytes(16);
  const auto milliseconds = static_cast<uint64_t>(absl::ToUnixMillis(now));
  for (int i = 0; i < 6; ++i) {
    bytes[static_cast<size_t>(i)] = static_cast<char>(milliseconds >> (8 * (5 - i)));
  }
  return Format(std::move(bytes), 7);
}

std::string NewUuidV4() { return Format(RandomBytes(16), 4); }

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return false;
    } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return false;
    }
  }
  return true;
}

bool IsUuidV7(std::string_view text) {
  return IsUuid(text) && text[14] == '7' &&
         (text[19] == '8' || text[19] == '9' || text[19] == 'a' || text[19] == 'b');
}

absl::Time TimeOfUuidV7(std::string_view text) {
  // 8 hex digits, a hyphen, 4 hex digits.
  int64_t milliseconds = 0;
  for (const char c : text.substr(0, 13)) {
    if (c == '-') continue;
    milliseconds = milliseconds * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return absl::FromUnixMillis(milliseconds);
}

}  // namespace dragnet
