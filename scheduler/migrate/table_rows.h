// Rows of tables as both engines have them, and what tells whether they are the same on
// both sides: how many there are, and a hash over all of them. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace dragnet::scheduler {

// A value of a row. Valid until the next row.
struct Field {
  enum class Kind : uint8_t { kNull, kInteger, kBytes };
  Kind kind = Kind::kNull;
  int64_t integer = 0;
  std::string_view bytes{};
};

using Row = std::span<const Field>;
// Gets one row after the other; an error ends it.
using RowReader = std::function<absl::Status(Row)>;

// Over rows in whatever order: the engines need not agree on one. A row that is missing,
// there twice, or other by one bit changes it.
class RowsDigest {
 public:
  void Add(Row row);

  uint64_t rows() const { return rows_; }
  // 64 hexadecimal digits.
  std::string Hex() const;
  bool operator==(const RowsDigest&) const = default;

 private:
  // The sum of the rows' SHA-256, modulo 2^256; least significant word first. A sum,
  // because exclusive or would take two equal rows for none.
  std::array<uint64_t, 4> sum_{};
  uint64_t rows_ = 0;
};

}  // namespace dragnet::scheduler
