// Orderings of language ecosystems: semantic versions and PEP 440.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modules/pkg/version_compare.h"
#include "modules/pkg/version_text.h"

namespace dragnet::pkg {
namespace {

bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsDigit);
}

// The text up to `separator`, which is taken off with it.
std::string_view TakeUntil(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

struct Semantic {
  std::string_view numbers;
  std::string_view prerelease;
};

Semantic ParseSemantic(std::string_view text) {
  if (!text.empty() && (text[0] == 'v' || text[0] == '=')) text.remove_prefix(1);
  text = text.substr(0, text.find('+'));
  const std::string_view numbers = TakeUntil(text, '-');
  return {numbers, text};
}

int CompareIdentifiers(std::string_view a, std::string_view b) {
  const bool left_is_number = AllDigits(a);
  const bool right_is_number = AllDigits(b);
  if (left_is_number && right_is_number) return CompareNumbers(a, b);
  if (left_is_number != right_is_number) return left_is_number ? -1 : 1;
  return Sign(a.compare(b));
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsSeparator(char c) { return c == '.' || c == '-' || c == '_'; }

// A version of PEP 440 in the parts that it is compared by.
struct Python {
  std::string_view epoch;
  std::vector<std::string_view> release;
  // a, b, c (release candidate), or 0.
  char pre = 0;
  std::string_view pre_number;
  std::optional<std::string_view> post;
  std::optional<std::string_view> dev;
  std::string_view local;
};

// Takes `word` off the front of `text`, with separators around it and the
// number after it. `text` is in lower case.
std::optional<std::string_view> TakeWord(std::string_view& text,
                                         std::initializer_list<std::string_view> words,
                                         size_t* which = nullptr) {
  std::string_view rest = text;
  if (!rest.empty() && IsSeparator(rest[0])) rest.remove_prefix(1);
  size_t index = 0;
  for (std::string_view word : words) {
    if (rest.starts_with(word)) {
      rest.remove_prefix(word.size());
      if (rest.size() > 1 && IsSeparator(rest[0]) && IsDigit(rest[1])) rest.remove_prefix(1);
      const std::string_view number = TakeDigits(rest);
      text = rest;
      if (which != nullptr) *which = index;
      return number;
    }
    ++index;
  }
  return std::nullopt;
}

std::optional<Python> ParsePython(std::string_view text) {
  Python version;
  if (!text.empty() && text[0] == 'v') text.remove_prefix(1);
  const size_t bang = text.find('!');
  if (bang != std::string_view::npos) {
    version.epoch = text.substr(0, bang);
    if (!AllDigits(version.epoch)) return std::nullopt;
    text.remove_prefix(bang + 1);
  }
  const std::string_view main = TakeUntil(text, '+');
  version.local = text;
  text = main;
  while (true) {
    const std::string_view digits = TakeDigits(text);
    if (digits.empty()) return std::nullopt;
    version.release.push_back(digits);
    if (text.size() < 2 || text[0] != '.' || !IsDigit(text[1])) break;
    text.remove_prefix(1);
  }
  // 1.0.0 is 1.0 is 1.
  while (version.release.size() > 1 && CompareNumbers(version.release.back(), "0") == 0)
    version.release.pop_back();
  size_t which = 0;
  const auto pre = TakeWord(text, {"alpha", "beta", "preview", "pre", "rc", "a", "b", "c"}, &which);
  if (pre) {
    constexpr std::string_view kLetters = "abcccabc";
    version.pre = kLetters[which];
    version.pre_number = *pre;
  }
  if (text.size() > 1 && text[0] == '-' && IsDigit(text[1])) {
    text.remove_prefix(1);
    version.post = TakeDigits(text);
  } else if (const auto post = TakeWord(text, {"post", "rev", "r"})) {
    version.post = post;
  }
  version.dev = TakeWord(text, {"dev"});
  if (!text.empty()) return std::nullopt;
  return version;
}

// Where a version stands among those of its release: dev alone comes before the
// pre-releases, and these before the release itself.
int PreRank(const Python& version) {
  if (version.pre != 0) return version.pre;
  return version.dev && !version.post ? 0 : 127;
}

template <typename Optional>
int CompareOptional(const Optional& a, const Optional& b, int when_only_a) {
  if (!a && !b) return 0;
  if (!a || !b) return a ? when_only_a : -when_only_a;
  return CompareNumbers(*a, *b);
}

int CompareLocal(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    if (a.empty() || b.empty()) return a.empty() ? -1 : 1;
    const std::string_view left = TakeUntil(a, '.');
    const std::string_view right = TakeUntil(b, '.');
    const bool left_is_number = AllDigits(left);
    if (left_is_number != AllDigits(right)) return left_is_number ? 1 : -1;
    const int order = left_is_number ? CompareNumbers(left, right) : Sign(left.compare(right));
    if (order != 0) return order;
  }
  return 0;
}

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) c = Lower(c);
  return lowered;
}

int CompareParsed(const Python& a, const Python& b) {
  if (const int order = CompareNumbers(a.epoch, b.epoch); order != 0) return order;
  for (size_t i = 0; i < std::max(a.release.size(), b.release.size()); ++i) {
    const std::string_view left = i < a.release.size() ? a.release[i] : "";
    const std::string_view right = i < b.release.size() ? b.release[i] : "";
    if (const int order = CompareNumbers(left, right); order != 0) return order;
  }
  if (const int order = Sign(PreRank(a) - PreRank(b)); order != 0) return order;
  if (const int order = CompareNumbers(a.pre_number, b.pre_number); order != 0) return order;
  if (const int order = CompareOptional(a.post, b.post, 1); order != 0) return order;
  if (const int order = CompareOptional(a.dev, b.dev, -1); order != 0) return order;
  return CompareLocal(a.local, b.local);
}

}  // namespace

int CompareSemantic(std::string_view a, std::string_view b) {
  Semantic left = ParseSemantic(a);
  Semantic right = ParseSemantic(b);
  while (!left.numbers.empty() || !right.numbers.empty()) {
    const int order = CompareNumbers(TakeUntil(left.numbers, '.'), TakeUntil(right.numbers, '.'));
    if (order != 0) return order;
  }
  // A pre-release is older than what it leads to.
  if (left.prerelease.empty() != right.prerelease.empty()) return left.prerelease.empty() ? 1 : -1;
  while (!left.prerelease.empty() || !right.prerelease.empty()) {
    if (left.prerelease.empty()) return -1;
    if (right.prerelease.empty()) return 1;
    const int order =
        CompareIdentifiers(TakeUntil(left.prerelease, '.'), TakeUntil(right.prerelease, '.'));
    if (order != 0) return order;
  }
  return 0;
}

int ComparePython(std::string_view a, std::string_view b) {
  const std::string left_text = Lowered(a);
  const std::string right_text = Lowered(b);
  const std::optional<Python> left = ParsePython(left_text);
  const std::optional<Python> right = ParsePython(right_text);
  if (left && right) return CompareParsed(*left, *right);
  if (left || right) return left ? 1 : -1;
  return Sign(left_text.compare(right_text));
}

}  // namespace dragnet::pkg
