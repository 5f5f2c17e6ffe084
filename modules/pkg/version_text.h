// What the orderings of versions have in common. Private to version_*.cc.
// Thread-safe: no state.
#pragma once

#include <cstddef>
#include <string_view>

namespace dragnet::pkg {

// ASCII, whatever the locale.
inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }
inline bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

inline int Sign(int value) { return (value > 0) - (value < 0); }

inline std::string_view TakeDigits(std::string_view& text) {
  size_t length = 0;
  while (length < text.size() && IsDigit(text[length])) ++length;
  const std::string_view digits = text.substr(0, length);
  text.remove_prefix(length);
  return digits;
}

inline std::string_view TakeLetters(std::string_view& text) {
  size_t length = 0;
  while (length < text.size() && IsLetter(text[length])) ++length;
  const std::string_view letters = text.substr(0, length);
  text.remove_prefix(length);
  return letters;
}

// Digits by their value, of any length; none is 0.
inline int CompareNumbers(std::string_view a, std::string_view b) {
  while (!a.empty() && a[0] == '0') a.remove_prefix(1);
  while (!b.empty() && b[0] == '0') b.remove_prefix(1);
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return Sign(a.compare(b));
}

}  // namespace dragnet::pkg
