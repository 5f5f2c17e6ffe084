// Cron expressions in words.
#include <array>
#include <bit>
#include <vector>

#include "core/cron.h"
#include "core/strings.h"

namespace dragnet {
namespace {

std::string TwoDigits(int number) { return StrCat(number < 10 ? "0" : "", number); }

std::vector<int> Values(uint64_t bits) {
  std::vector<int> values;
  for (int bit = 0; bit < 64; ++bit) {
    if (bits >> bit & 1) values.push_back(bit);
  }
  return values;
}

// "a", "a and b", "a, b and c".
std::string Enumerate(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " and " : ", ";
    text += words[i];
  }
  return text;
}

// Of what goes evenly round `size` from 0: the step; 0 for anything else.
int EvenStep(uint64_t bits, int size) {
  const int count = std::popcount(bits);
  if (count < 2 || size % count != 0) return 0;
  const int step = size / count;
  for (int value = 0; value < size; value += step) {
    if ((bits >> value & 1) == 0) return 0;
  }
  return step;
}

constexpr size_t kMostTimes = 4;
constexpr size_t kMostDays = 6;
constexpr int kMostMonths = 4;

std::string DescribeTimes(const CronFields& fields) {
  const int every_minutes = EvenStep(fields.minutes, 60);
  const int every_hours = EvenStep(fields.hours, 24);
  if (every_minutes > 0 && every_hours == 1) {
    return every_minutes == 1 ? "every minute" : StrCat("every ", every_minutes, " minutes");
  }
  const std::vector<int> minutes = Values(fields.minutes);
  const std::vector<int> hours = Values(fields.hours);
  if (minutes.size() == 1 && every_hours > 0 && hours.size() > kMostTimes) {
    std::string text = every_hours == 1 ? "every hour" : StrCat("every ", every_hours, " hours");
    if (minutes[0] != 0) StrAppend(&text, " at minute ", minutes[0]);
    return text;
  }
  if (minutes.size() * hours.size() > kMostTimes) return "";
  std::vector<std::string> times;
  for (const int hour : hours) {
    for (const int minute : minutes) {
      times.push_back(StrCat(TwoDigits(hour), ":", TwoDigits(minute)));
    }
  }
  return StrCat("at ", Enumerate(times));
}

std::string DescribeWeekdays(uint64_t weekdays) {
  constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                     "Thursday", "Friday", "Saturday"};
  if (weekdays == CronBits(1, 5)) return "from Monday to Friday";
  std::vector<std::string> names;
  // A week that people look at begins on Monday.
  for (const size_t day : {1, 2, 3, 4, 5, 6, 0}) {
    if (weekdays >> day & 1) names.emplace_back(kDays[day]);
  }
  return StrCat("on ", Enumerate(names));
}

std::string DescribeMonths(uint64_t months) {
  constexpr std::array<std::string_view, 12> kMonths = {
      "January", "February", "March",     "April",   "May",      "June",
      "July",    "August",   "September", "October", "November", "December"};
  std::vector<std::string> names;
  for (const int month : Values(months))
    names.emplace_back(kMonths[static_cast<size_t>(month) - 1]);
  return Enumerate(names);
}

// Empty for too many.
std::string DescribeDays(uint64_t days) {
  const std::vector<int> values = Values(days);
  if (values.size() > kMostDays) return "";
  std::vector<std::string> numbers;
  for (const int value : values) numbers.push_back(StrCat(value));
  return StrCat("on day", values.size() > 1 ? "s " : " ", Enumerate(numbers));
}

}  // namespace

std::string DescribeCron(const CronFields& fields) {
  const bool all_days = fields.days == CronBits(1, 31);
  const bool all_weekdays = fields.weekdays == CronBits(0, 6);
  const bool all_months = fields.months == CronBits(1, 12);
  const bool either = !fields.any_day && !fields.any_weekday;
  const std::string times = DescribeTimes(fields);
  if (times.empty() || (!all_months && std::popcount(fields.months) > kMostMonths)) return "";

  std::string days;
  if (either ? all_days || all_weekdays : all_days && all_weekdays) {
    const bool at_times = times.starts_with("at ");
    if (all_months) return at_times ? StrCat(times, " every day") : times;
    return StrCat(times, at_times ? " every day in " : " in ", DescribeMonths(fields.months));
  }
  if (!all_days) {
    days = DescribeDays(fields.days);
    // Both must hold: a rule that few expect is better shown than told.
    if (days.empty() || (!either && !all_weekdays)) return "";
    days += all_months ? " of every month" : StrCat(" of ", DescribeMonths(fields.months));
  }
  if (!all_weekdays) {
    if (!days.empty()) return StrCat(times, " ", days, " or ", DescribeWeekdays(fields.weekdays));
    days = DescribeWeekdays(fields.weekdays);
    if (!all_months) days += StrCat(" in ", DescribeMonths(fields.months));
  }
  return StrCat(times, " ", days);
}

}  // namespace dragnet
