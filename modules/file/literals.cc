#include "modules/file/literals.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <numeric>

#include "absl/strings/ascii.h"

namespace dragnet::file {

Literals::Literals(std::span<const std::string> literals)
    : literals_(literals.begin(), literals.end()) {
  for (std::string& literal : literals_) absl::AsciiStrToLower(&literal);
  // What begins alike, and what is as short, in the same group.
  std::vector<uint32_t> order(literals_.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const bool short_a = literals_[a].size() < kBytes, short_b = literals_[b].size() < kBytes;
    return short_a != short_b ? short_a : literals_[a] < literals_[b];
  });
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t group = i * kGroups / order.size();
    const std::string& literal = literals_[order[i]];
    groups_[group].push_back(order[i]);
    const auto bit = static_cast<uint8_t>(1u << group);
    for (size_t at = 0; at < kBytes; ++at) {
      if (at < literal.size()) {
        AllowByte(at, static_cast<unsigned char>(literal[at]), bit);
        AllowByte(at, static_cast<unsigned char>(absl::ascii_toupper(literal[at])), bit);
      } else {
        for (uint8_t& groups : low_[at]) groups |= bit;
        for (uint8_t& groups : high_[at]) groups |= bit;
      }
    }
  }
}

void Literals::AllowByte(size_t at, unsigned char byte, uint8_t group) {
  low_[at][byte & 15] |= group;
  high_[at][byte >> 4] |= group;
}

bool Literals::Compare(uint8_t groups, std::string_view text, size_t position, OnHit hit) const {
  for (; groups != 0; groups &= static_cast<uint8_t>(groups - 1)) {
    for (uint32_t literal : groups_[std::countr_zero(groups)]) {
      const std::string& bytes = literals_[literal];
      if (bytes.size() > text.size() - position) continue;
      size_t same = 0;
      while (same < bytes.size() && absl::ascii_tolower(text[position + same]) == bytes[same])
        ++same;
      if (same == bytes.size() && !hit(literal, position + same)) return false;
    }
  }
  return true;
}

bool Literals::FindFrom(size_t begin, std::string_view text, OnHit hit) const {
  for (size_t at = begin; at < text.size(); ++at) {
    uint8_t groups = 0xFF;
    for (size_t i = 0; i < kBytes && at + i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[at + i]);
      groups &= low_[i][byte & 15] & high_[i][byte >> 4];
    }
    if (groups != 0 && !Compare(groups, text, at, hit)) return false;
  }
  return true;
}

#ifdef __x86_64__
__attribute__((target("avx2"))) bool Literals::FindFast(std::string_view text, OnHit hit,
                                                        size_t* done) const {
  __m256i low[kBytes], high[kBytes];
  for (size_t i = 0; i < kBytes; ++i) {
    low[i] = _mm256_broadcastsi128_si256(
        _mm_load_si128(reinterpret_cast<const __m128i*>(low_[i].data())));
    high[i] = _mm256_broadcastsi128_si256(
        _mm_load_si128(reinterpret_cast<const __m128i*>(high_[i].data())));
  }
  const __m256i half = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
  size_t at = 0;
  for (; at + 32 + kBytes - 1 <= text.size(); at += 32) {
    __m256i groups = _mm256_set1_epi8(-1);
    for (size_t i = 0; i < kBytes; ++i) {
      const __m256i bytes =
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text.data() + at + i));
      const __m256i above = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half);
      groups = _mm256_and_si256(groups, _mm256_shuffle_epi8(low[i], _mm256_and_si256(bytes, half)));
      groups = _mm256_and_si256(groups, _mm256_shuffle_epi8(high[i], above));
    }
    uint32_t possible =
        ~static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(groups, zero)));
    if (possible == 0) continue;
    alignas(32) uint8_t each[32];
    _mm256_store_si256(reinterpret_cast<__m256i*>(each), groups);
    for (; possible != 0; possible &= possible - 1) {
      const int i = std::countr_zero(possible);
      if (!Compare(each[i], text, at + static_cast<size_t>(i), hit)) return false;
    }
  }
  *done = at;
  return true;
}
#endif

bool Literals::Find(std::string_view text, OnHit hit) const {
  size_t done = 0;
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && !FindFast(text, hit, &done)) return false;
#endif
  return FindFrom(done, text, hit);
}

}  // namespace dragnet::file
