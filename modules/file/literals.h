// Finds short literals, whatever the case of their ASCII letters, in a text: all
// of them at once.
//
// Every position is asked whether the three bytes there can begin a literal, 32
// positions at a time: two tables for each of the three bytes, by its halves,
// tell for which of eight groups of literals they can. All literals set their
// bits in the tables, so that none is lost; where a group is left, its literals
// are compared.
//
// Not Vectorscan: 5.4.9 loses two-byte literals, rarely, when there are several.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"

namespace dragnet::file {

// Immutable and thread-safe once made.
class Literals {
 public:
  // None of them empty.
  explicit Literals(std::span<const std::string> literals);

  // Calls `hit(literal, end)` for every occurrence, by its index and where it ends
  // in `text`, in the order in which they begin, until that says false. False if
  // it did.
  using OnHit = absl::FunctionRef<bool(uint32_t literal, size_t end)>;
  bool Find(std::string_view text, OnHit hit) const;

 private:
  static constexpr size_t kGroups = 8;
  static constexpr size_t kBytes = 3;
  // By half a byte: a bit for each group.
  using Table = std::array<uint8_t, 16>;

  void AllowByte(size_t at, unsigned char byte, uint8_t group);
  bool FindFrom(size_t begin, std::string_view text, OnHit hit) const;
  bool FindFast(std::string_view text, OnHit hit, size_t* done) const;
  // The literals of these groups that are at `position`.
  bool Compare(uint8_t groups, std::string_view text, size_t position, OnHit hit) const;

  // In lower case.
  std::vector<std::string> literals_;
  std::array<std::vector<uint32_t>, kGroups> groups_;
  alignas(16) std::array<Table, kBytes> low_{};
  alignas(16) std::array<Table, kBytes> high_{};
};

}  // namespace dragnet::file
