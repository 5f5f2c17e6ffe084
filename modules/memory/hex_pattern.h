// A byte string with wildcards, as it is written: '4d 5a ?? 00', 'e8????????5?'.
// Immutable and thread-safe once made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::memory {

inline constexpr size_t kMaxHexBytes = 256;

class HexPattern {
 public:
  // InvalidArgument says what is wrong with `text`.
  static absl::StatusOr<HexPattern> Parse(std::string_view text);

  size_t size() const { return values_.size(); }
  // The longest part without wildcards, and where it is in the pattern.
  std::string_view anchor() const {
    return std::string_view(values_).substr(anchor_begin_, anchor_size_);
  }
  size_t anchor_begin() const { return anchor_begin_; }

  // Whether the size() bytes at `bytes` match.
  bool MatchesAt(const char* bytes) const;

 private:
  // A byte matches if it has the value's bits where the mask has ones.
  std::string values_;
  std::string masks_;
  size_t anchor_begin_ = 0;
  size_t anchor_size_ = 0;
};

}  // namespace dragnet::memory
