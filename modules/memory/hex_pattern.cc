#include "modules/memory/hex_pattern.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::memory {
namespace {

struct Digit {
  int value = 0;
  int mask = 0;
};

absl::StatusOr<Digit> ParseDigit(char c) {
  if (c == '?') return Digit{0, 0};
  if (absl::ascii_isdigit(c)) return Digit{c - '0', 0xf};
  if (absl::ascii_isxdigit(c)) return Digit{absl::ascii_tolower(c) - 'a' + 10, 0xf};
  return absl::InvalidArgumentError(StrCat("has '", ForTerminal(std::string_view(&c, 1)),
                                           "' in it: write hexadecimal digits, ? for any"));
}

}  // namespace

absl::StatusOr<HexPattern> HexPattern::Parse(std::string_view text) {
  HexPattern pattern;
  while (!text.empty()) {
    if (text[0] == ' ') {
      text.remove_prefix(1);
      continue;
    }
    const absl::StatusOr<Digit> high = ParseDigit(text[0]);
    if (!high.ok()) return high.status();
    if (text.size() < 2 || text[1] == ' ')
      return absl::InvalidArgumentError("has half a byte: each byte is two digits");
    const absl::StatusOr<Digit> low = ParseDigit(text[1]);
    if (!low.ok()) return low.status();
    text.remove_prefix(2);
    if (pattern.values_.size() == kMaxHexBytes)
      return absl::InvalidArgumentError(StrCat("is longer than ", kMaxHexBytes, " bytes"));
    pattern.values_.push_back(static_cast<char>(high->value << 4 | low->value));
    pattern.masks_.push_back(static_cast<char>(high->mask << 4 | low->mask));
  }
  if (pattern.values_.empty()) return absl::InvalidArgumentError("is empty");
  size_t begin = 0;
  for (size_t i = 0; i <= pattern.masks_.size(); ++i) {
    if (i < pattern.masks_.size() && pattern.masks_[i] == '\xff') continue;
    if (i - begin > pattern.anchor_size_) {
      pattern.anchor_begin_ = begin;
      pattern.anchor_size_ = i - begin;
    }
    begin = i + 1;
  }
  if (pattern.anchor_size_ == 0) {
    return absl::InvalidArgumentError(
        "has a ? in every byte: it would match nearly everywhere; write at least one whole byte");
  }
  return pattern;
}

bool HexPattern::MatchesAt(const char* bytes) const {
  for (size_t i = 0; i < values_.size(); ++i)
    if ((bytes[i] & masks_[i]) != values_[i]) return false;
  return true;
}

}  // namespace dragnet::memory
