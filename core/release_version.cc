#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/release.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

constexpr size_t kMaxVersionBytes = 64;

bool IsDigits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A number has one spelling, or two texts would be one version.
bool HasLeadingZero(std::string_view digits) { return digits.size() > 1 && digits[0] == '0'; }

bool IsPrereleaseIdentifier(std::string_view text) {
  if (text.empty() || (IsDigits(text) && HasLeadingZero(text))) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
}

// Section 11.4: numbers by value, before words; words by their ASCII.
std::strong_ordering CompareIdentifiers(const std::string& a, const std::string& b) {
  const bool a_number = IsDigits(a);
  const bool b_number = IsDigits(b);
  if (a_number != b_number) {
    return a_number ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  // No leading zeros, so the longer number is the greater, however long it is.
  if (a_number && a.size() != b.size()) return a.size() <=> b.size();
  return a.compare(b) <=> 0;
}

absl::Status NoVersion(std::string_view text) {
  return absl::InvalidArgumentError(
      StrCat("version \"", ForTerminal(text.substr(0, kMaxVersionBytes)),
             "\": not MAJOR.MINOR.PATCH or MAJOR.MINOR.PATCH-PRERELEASE of Semantic Versioning, "
             "without build metadata"));
}

std::vector<std::string> Split(std::string_view text, char separator) {
  return absl::StrSplit(ToAbsl(text), separator);
}

}  // namespace

absl::StatusOr<Version> Version::Parse(std::string_view text) {
  if (text.size() > kMaxVersionBytes) {
    return absl::InvalidArgumentError(
        StrCat("version of ", text.size(), " bytes, at most ", kMaxVersionBytes));
  }
  Version version;
  version.text_ = std::string(text);
  const size_t hyphen = text.find('-');
  const std::vector<std::string> numbers = Split(text.substr(0, hyphen), '.');
  if (numbers.size() != 3) return NoVersion(text);
  for (size_t i = 0; i < 3; ++i) {
    if (!IsDigits(numbers[i]) || HasLeadingZero(numbers[i]) ||
        !absl::SimpleAtoi(numbers[i], &version.numbers_[i])) {
      return NoVersion(text);
    }
  }
  if (hyphen == std::string_view::npos) return version;
  version.prerelease_ = Split(text.substr(hyphen + 1), '.');
  for (const std::string& identifier : version.prerelease_) {
    if (!IsPrereleaseIdentifier(identifier)) return NoVersion(text);
  }
  return version;
}

std::strong_ordering Version::operator<=>(const Version& other) const {
  for (size_t i = 0; i < 3; ++i) {
    const std::strong_ordering order = numbers_[i] <=> other.numbers_[i];
    if (order != 0) return order;
  }
  // A prerelease comes before the version that it leads to.
  if (prerelease_.empty() != other.prerelease_.empty()) {
    return prerelease_.empty() ? std::strong_ordering::greater : std::strong_ordering::less;
  }
  const size_t shared = std::min(prerelease_.size(), other.prerelease_.size());
  for (size_t i = 0; i < shared; ++i) {
    const std::strong_ordering order = CompareIdentifiers(prerelease_[i], other.prerelease_[i]);
    if (order != 0) return order;
  }
  return prerelease_.size() <=> other.prerelease_.size();
}

}  // namespace dragnet
