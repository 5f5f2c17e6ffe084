#include "console/form/values.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

// absl has no days: "7d" becomes "168h", "1d12h" becomes "24h12h".
bool SpellOutDays(std::string_view text, std::string* spelled) {
  while (!text.empty()) {
    const size_t digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) return false;
    const std::string_view number = text.substr(0, digits);
    text.remove_prefix(digits);
    const size_t end = std::min(text.find_first_of("0123456789."), text.size());
    const std::string_view unit = text.substr(0, end);
    text.remove_prefix(end);
    if (unit == "d" || unit == "w") {
      double value;
      if (!absl::SimpleAtod(ToAbsl(number), &value)) return false;
      StrAppend(spelled, value * (unit == "d" ? 24 : 168), "h");
    } else {
      StrAppend(spelled, number, unit);
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  const bool negative = text.starts_with('-');
  std::string spelled;
  absl::Duration duration;
  if (text != "0" && (text.size() == (negative ? 1 : 0) ||
                      !SpellOutDays(text.substr(negative ? 1 : 0), &spelled) ||
                      !absl::ParseDuration(spelled, &duration))) {
    return absl::InvalidArgumentError(
        StrCat("\"", text, "\" is not a duration: write e.g. 90s, 5m, 2h or 7d"));
  }
  return negative ? -duration : duration;
}

absl::StatusOr<uint64_t> ParseSize(std::string_view text) {
  const absl::Status error = absl::InvalidArgumentError(
      StrCat("\"", text, "\" is not a size: write e.g. 4096, 64k, 512M or 1G"));
  std::string_view digits = text;
  int shift = 0;
  if (!digits.empty()) {
    switch (absl::ascii_tolower(digits.back())) {
      case 'k':
        shift = 10;
        break;
      case 'm':
        shift = 20;
        break;
      case 'g':
        shift = 30;
        break;
      case 't':
        shift = 40;
        break;
      default:
        break;
    }
    if (shift > 0) digits.remove_suffix(1);
  }
  uint64_t value;
  if (digits.empty() || !absl::ascii_isdigit(digits.front()) ||
      !absl::SimpleAtoi(ToAbsl(digits), &value)) {
    return error;
  }
  if (shift > 0 && value > (UINT64_MAX >> shift)) return error;
  return value << shift;
}

absl::StatusOr<absl::Time> ParseTime(std::string_view text, absl::Time now) {
  if (text.starts_with('-')) {
    const absl::StatusOr<absl::Duration> back = ParseDuration(text);
    if (back.ok()) return now + *back;
  }
  static constexpr std::string_view kForms[] = {"%Y-%m-%d%ET%H:%M:%E*S%Ez", "%Y-%m-%d%ET%H:%M:%E*S",
                                                "%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M",
                                                "%Y-%m-%d"};
  absl::Time time;
  std::string ignored;
  for (const std::string_view form : kForms) {
    if (absl::ParseTime(ToAbsl(form), ToAbsl(text), absl::LocalTimeZone(), &time, &ignored))
      return time;
  }
  return absl::InvalidArgumentError(
      StrCat("\"", text, "\" is not a time: write e.g. 2024-05-01, \"2024-05-01 10:30\" or -7d"));
}

std::string DurationWords(absl::Duration duration) {
  if (duration < absl::Seconds(1)) return absl::FormatDuration(duration);
  struct Unit {
    absl::Duration length;
    const char* name;
  };
  static constexpr Unit kUnits[] = {{absl::Hours(24), "d"},
                                    {absl::Hours(1), "h"},
                                    {absl::Minutes(1), "min"},
                                    {absl::Seconds(1), "s"}};
  std::vector<std::string> words;
  for (const Unit& unit : kUnits) {
    const int64_t count = absl::IDivDuration(duration, unit.length, &duration);
    if (count > 0) words.push_back(StrCat(count, " ", unit.name));
  }
  return absl::StrJoin(words, " ");
}

}  // namespace dragnet::console
