#include "modules/mig.h"

#include <cmath>

#include "core/strings.h"

namespace dragnet {
namespace {

// `value` nanoseconds in `unit`, without zeros at the end.
std::string Scaled(int64_t value, int64_t unit, std::string_view name) {
  std::string text = StrCat(value / unit);
  if (value % unit != 0) {
    std::string digits = StrCat(unit + value % unit).substr(1);
    digits.erase(digits.find_last_not_of('0') + 1);
    StrAppend(&text, ".", digits);
  }
  return StrCat(text, name);
}

}  // namespace

std::string GoDuration(absl::Duration duration) {
  constexpr int64_t kMinute = 60'000'000'000;
  if (duration < absl::ZeroDuration()) return StrCat("-", GoDuration(-duration));
  const int64_t nanoseconds = absl::ToInt64Nanoseconds(duration);
  if (nanoseconds == 0) return "0s";
  if (nanoseconds < 1'000) return Scaled(nanoseconds, 1, "ns");
  if (nanoseconds < 1'000'000) return Scaled(nanoseconds, 1'000, "µs");
  if (nanoseconds < 1'000'000'000) return Scaled(nanoseconds, 1'000'000, "ms");
  const int64_t minutes = nanoseconds / kMinute;
  const std::string rest = Scaled(nanoseconds % kMinute, 1'000'000'000, "s");
  if (minutes == 0) return rest;
  if (minutes < 60) return StrCat(minutes, "m", rest);
  return StrCat(minutes / 60, "h", minutes % 60, "m", rest);
}

std::string GoDuration(double seconds) {
  return GoDuration(absl::Nanoseconds(std::llround(seconds * 1e9)));
}

}  // namespace dragnet
