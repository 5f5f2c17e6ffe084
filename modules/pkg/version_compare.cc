#include "modules/pkg/version_compare.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "modules/pkg/version_text.h"

namespace dragnet::pkg {
namespace {

struct EpochAndRest {
  std::string_view epoch;
  std::string_view rest;
};

// An epoch is digits before the first colon; anything else there is part of the
// version.
EpochAndRest SplitEpoch(std::string_view version) {
  size_t digits = 0;
  while (digits < version.size() && IsDigit(version[digits])) ++digits;
  if (digits == version.size() || version[digits] != ':') return {{}, version};
  return {version.substr(0, digits), version.substr(digits + 1)};
}

struct VersionAndRevision {
  std::string_view version;
  std::string_view revision;
  bool has_revision = false;
};

VersionAndRevision SplitRevision(std::string_view version) {
  const size_t dash = version.rfind('-');
  if (dash == std::string_view::npos) return {version, {}, false};
  return {version.substr(0, dash), version.substr(dash + 1), true};
}

// Debian's order of characters outside of numbers: ~, the end (and digits,
// which end such a part), letters, the rest.
int DpkgRank(std::string_view text, size_t at) {
  if (at >= text.size() || IsDigit(text[at])) return 0;
  if (text[at] == '~') return -1;
  const int value = static_cast<unsigned char>(text[at]);
  return IsLetter(text[at]) ? value : value + 256;
}

int CompareDpkgPart(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    // A part of anything but digits, as long as either has one…
    size_t i = 0;
    while ((i < a.size() && !IsDigit(a[i])) || (i < b.size() && !IsDigit(b[i]))) {
      const int left = DpkgRank(a, i);
      const int right = DpkgRank(b, i);
      if (left != right) return left < right ? -1 : 1;
      // The same rank: the same character in both, or the end of both parts.
      if (left == 0) break;
      ++i;
    }
    a.remove_prefix(std::min(i, a.size()));
    b.remove_prefix(std::min(i, b.size()));
    // …then a number, none being 0.
    if (const int order = CompareNumbers(TakeDigits(a), TakeDigits(b)); order != 0) return order;
  }
  return 0;
}

// Starts with a character that a version of RPM consists of.
void SkipRpmSeparators(std::string_view& text) {
  while (!text.empty() && !IsDigit(text[0]) && !IsLetter(text[0]) && text[0] != '~' &&
         text[0] != '^')
    text.remove_prefix(1);
}

bool StartsWith(std::string_view text, char c) { return !text.empty() && text[0] == c; }

// The kinds of an Alpine version's parts. Where two versions first differ in
// kind, the higher one is the newer version.
enum class ApkKind : int8_t {
  kPreSuffix = -1,
  kEnd = 0,
  kRevision,
  kCommit,
  kSuffixNumber,
  kPostSuffix,
  kLetter,
  kFraction,
  kNumber,
};

struct ApkPart {
  ApkKind kind = ApkKind::kEnd;
  // Of numbers: its digits; of a commit: its text.
  std::string_view text;
  // Of suffixes and letters: its place among them.
  int place = 0;
};

constexpr std::string_view kPreSuffixes[] = {"alpha", "beta", "pre", "rc"};
constexpr std::string_view kPostSuffixes[] = {"cvs", "svn", "git", "hg", "p"};

// Takes an Alpine version apart. After anything that isn't of its form there is
// only the end, and valid() is false.
class ApkParts {
 public:
  explicit ApkParts(std::string_view version) : rest_(version) {}

  ApkPart Next() {
    if (rest_.empty() || !valid_) return {};
    ApkPart part = first_ ? Number() : Following();
    first_ = false;
    last_ = part.kind;
    if (part.kind == ApkKind::kEnd) valid_ = false;
    return part;
  }

  bool valid() const { return valid_; }

 private:
  ApkPart Number() { return Digits(ApkKind::kNumber); }

  ApkPart Digits(ApkKind kind) {
    const std::string_view digits = TakeDigits(rest_);
    if (digits.empty()) return {};
    return {kind, digits, 0};
  }

  ApkPart Following() {
    const char c = rest_[0];
    const bool in_numbers = last_ == ApkKind::kNumber || last_ == ApkKind::kFraction;
    const bool in_suffixes = last_ == ApkKind::kPreSuffix || last_ == ApkKind::kPostSuffix;
    if (in_numbers && c == '.') {
      rest_.remove_prefix(1);
      // Beginning with 0 it is a fraction, as in 1.02: it sorts before all that don't.
      return Digits(StartsWith(rest_, '0') ? ApkKind::kFraction : ApkKind::kNumber);
    }
    if (in_numbers && c >= 'a' && c <= 'z') {
      rest_.remove_prefix(1);
      return {ApkKind::kLetter, {}, c};
    }
    if (in_suffixes && IsDigit(c)) return Digits(ApkKind::kSuffixNumber);
    if (c == '_' && last_ != ApkKind::kRevision && last_ != ApkKind::kCommit) return Suffix();
    if (c == '~' && last_ != ApkKind::kRevision && last_ != ApkKind::kCommit) return Commit();
    if (c == '-' && last_ != ApkKind::kRevision && rest_.size() > 2 && rest_[1] == 'r') {
      rest_.remove_prefix(2);
      return Digits(ApkKind::kRevision);
    }
    return {};
  }

  ApkPart Suffix() {
    rest_.remove_prefix(1);
    size_t letters = 0;
    while (letters < rest_.size() && rest_[letters] >= 'a' && rest_[letters] <= 'z') ++letters;
    const std::string_view name = rest_.substr(0, letters);
    rest_.remove_prefix(letters);
    for (size_t i = 0; i < std::size(kPreSuffixes); ++i)
      if (name == kPreSuffixes[i]) return {ApkKind::kPreSuffix, {}, static_cast<int>(i)};
    for (size_t i = 0; i < std::size(kPostSuffixes); ++i)
      if (name == kPostSuffixes[i]) return {ApkKind::kPostSuffix, {}, static_cast<int>(i)};
    return {};
  }

  ApkPart Commit() {
    rest_.remove_prefix(1);
    size_t length = 0;
    while (length < rest_.size() &&
           (IsDigit(rest_[length]) || (rest_[length] >= 'a' && rest_[length] <= 'f')))
      ++length;
    const std::string_view commit = rest_.substr(0, length);
    rest_.remove_prefix(length);
    if (commit.empty()) return {};
    return {ApkKind::kCommit, commit, 0};
  }

  std::string_view rest_;
  ApkKind last_ = ApkKind::kEnd;
  bool first_ = true;
  bool valid_ = true;
};

int CompareApkParts(const ApkPart& a, const ApkPart& b) {
  if (a.kind != b.kind) {
    // 1.02 and 1.2 are both numbers; the fraction is the lower one.
    return Sign(static_cast<int>(a.kind) - static_cast<int>(b.kind));
  }
  switch (a.kind) {
    case ApkKind::kFraction:
    case ApkKind::kCommit:
      return Sign(a.text.compare(b.text));
    case ApkKind::kNumber:
    case ApkKind::kSuffixNumber:
    case ApkKind::kRevision:
      return CompareNumbers(a.text, b.text);
    default:
      return Sign(a.place - b.place);
  }
}

}  // namespace

int CompareDpkg(std::string_view a, std::string_view b) {
  const EpochAndRest left = SplitEpoch(a);
  const EpochAndRest right = SplitEpoch(b);
  if (const int order = CompareNumbers(left.epoch, right.epoch); order != 0) return order;
  const VersionAndRevision left_parts = SplitRevision(left.rest);
  const VersionAndRevision right_parts = SplitRevision(right.rest);
  if (const int order = CompareDpkgPart(left_parts.version, right_parts.version); order != 0)
    return order;
  return CompareDpkgPart(left_parts.revision, right_parts.revision);
}

int CompareRpmSegment(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  while (!a.empty() || !b.empty()) {
    SkipRpmSeparators(a);
    SkipRpmSeparators(b);
    if (StartsWith(a, '~') || StartsWith(b, '~')) {
      if (!StartsWith(a, '~')) return 1;
      if (!StartsWith(b, '~')) return -1;
      a.remove_prefix(1);
      b.remove_prefix(1);
      continue;
    }
    if (StartsWith(a, '^') || StartsWith(b, '^')) {
      if (a.empty()) return -1;
      if (b.empty()) return 1;
      if (!StartsWith(a, '^')) return 1;
      if (!StartsWith(b, '^')) return -1;
      a.remove_prefix(1);
      b.remove_prefix(1);
      continue;
    }
    if (a.empty() || b.empty()) break;
    if (IsDigit(a[0])) {
      const std::string_view left = TakeDigits(a);
      const std::string_view right = TakeDigits(b);
      // A number is newer than letters.
      if (right.empty()) return 1;
      if (const int order = CompareNumbers(left, right); order != 0) return order;
    } else {
      const std::string_view left = TakeLetters(a);
      const std::string_view right = TakeLetters(b);
      if (right.empty()) return -1;
      if (const int order = left.compare(right); order != 0) return Sign(order);
    }
  }
  // What has more is newer.
  if (a.empty() && b.empty()) return 0;
  return a.empty() ? -1 : 1;
}

int CompareRpm(std::string_view a, std::string_view b) {
  const EpochAndRest left = SplitEpoch(a);
  const EpochAndRest right = SplitEpoch(b);
  if (const int order = CompareNumbers(left.epoch, right.epoch); order != 0) return order;
  const VersionAndRevision left_parts = SplitRevision(left.rest);
  const VersionAndRevision right_parts = SplitRevision(right.rest);
  if (const int order = CompareRpmSegment(left_parts.version, right_parts.version); order != 0)
    return order;
  if (!left_parts.has_revision || !right_parts.has_revision) return 0;
  return CompareRpmSegment(left_parts.revision, right_parts.revision);
}

int CompareApk(std::string_view a, std::string_view b) {
  ApkParts left(a);
  ApkParts right(b);
  while (true) {
    const ApkPart from_left = left.Next();
    const ApkPart from_right = right.Next();
    if (const int order = CompareApkParts(from_left, from_right); order != 0) return order;
    if (from_left.kind == ApkKind::kEnd) return 0;
  }
}

bool IsDpkgVersion(std::string_view version) {
  const auto [epoch, rest] = SplitEpoch(version);
  if (epoch.size() > 9) return false;
  const auto [upstream, revision, has_revision] = SplitRevision(rest);
  if (upstream.empty() || !IsDigit(upstream[0]) || (has_revision && revision.empty())) return false;
  const auto is_version = [](char c) {
    return IsDigit(c) || IsLetter(c) || std::string_view(".+~-").find(c) != std::string_view::npos;
  };
  return std::all_of(upstream.begin(), upstream.end(), is_version) &&
         std::all_of(revision.begin(), revision.end(), is_version);
}

bool IsRpmVersion(std::string_view version) {
  const auto [epoch, rest] = SplitEpoch(version);
  if (epoch.size() > 10) return false;
  const auto [upstream, release, has_release] = SplitRevision(rest);
  if (upstream.empty() || (has_release && release.empty())) return false;
  const auto is_version = [](char c) {
    return IsDigit(c) || IsLetter(c) || std::string_view("._+~^").find(c) != std::string_view::npos;
  };
  return std::all_of(upstream.begin(), upstream.end(), is_version) &&
         std::all_of(release.begin(), release.end(), is_version);
}

bool IsApkVersion(std::string_view version) {
  if (version.empty()) return false;
  ApkParts parts(version);
  while (parts.Next().kind != ApkKind::kEnd) {
  }
  return parts.valid();
}

}  // namespace dragnet::pkg
