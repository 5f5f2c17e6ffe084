#include "core/cron.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

constexpr int kMonthsToLookAt = 62;
constexpr int kMinutesOfDay = 24 * 60;
// After 400 years months and weekdays come again as they were.
constexpr int kCycleMonths = 400 * 12;
constexpr int64_t kCycleDays = 146097;

constexpr std::string_view kWanted =
    "wanted are five fields (minute, hour, day of month, month, day of week), or one of @hourly, "
    "@daily, @midnight, @weekly, @monthly, @yearly and @annually";

constexpr std::array<std::string_view, 12> kMonthNames = {"jan", "feb", "mar", "apr", "may", "jun",
                                                          "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdayNames = {"sun", "mon", "tue", "wed",
                                                           "thu", "fri", "sat"};

struct FieldKind {
  std::string_view name;
  int first;
  int last;
  // The last value of *, where that isn't `last`.
  int last_of_all;
  std::span<const std::string_view> names;
  std::string_view allowed;
};

constexpr FieldKind kMinute = {"minute", 0, 59, 59, {}, "0 to 59"};
constexpr FieldKind kHour = {"hour", 0, 23, 23, {}, "0 to 23"};
constexpr FieldKind kDay = {"day of month", 1, 31, 31, {}, "1 to 31"};
constexpr FieldKind kMonth = {"month", 1, 12, 12, kMonthNames, "1 to 12 and jan to dec"};
constexpr FieldKind kWeekday = {"day of week", 0, 7, 6, kWeekdayNames, "0 to 7 and sun to sat"};
constexpr std::array kFields = {kMinute, kHour, kDay, kMonth, kWeekday};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNicknames = {{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
}};

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

std::string Quoted(std::string_view text) {
  return StrCat("\"", ForTerminal(Shorten(text, 20)), "\"");
}

// One field: items apart by commas.
class FieldParser {
 public:
  // `position` is where the field begins in the expression, from 0.
  FieldParser(const FieldKind& kind, std::string_view text, size_t position)
      : kind_(kind), text_(text), position_(position) {}

  absl::StatusOr<uint64_t> Parse() {
    do {
      DRAGNET_RETURN_IF_ERROR(ParseItem());
    } while (Take(','));
    if (at_ < text_.size()) {
      return Error(at_, StrCat(Quoted(text_.substr(at_)),
                               " is neither a comma, a range (-) nor a step (/)"));
    }
    return values_;
  }

 private:
  absl::Status ParseItem() {
    const size_t begin = at_;
    int first = kind_.first;
    int last = kind_.last_of_all;
    bool may_step = true;
    if (!Take('*')) {
      DRAGNET_ASSIGN_OR_RETURN(first, ParseValue());
      last = first;
      may_step = Take('-');
      if (may_step) {
        const size_t end_at = at_;
        DRAGNET_ASSIGN_OR_RETURN(last, ParseValue());
        // "fri-sun" has one meaning only.
        if (last == 0 && kind_.last == 7 && first > 0) last = 7;
        if (last < first) {
          return Error(end_at, StrCat("the range ", text_.substr(begin, at_ - begin),
                                      " ends before it begins: write two, with a comma"));
        }
      }
    }
    int step = 1;
    const size_t step_at = at_;
    if (Take('/')) {
      if (!may_step) return Error(step_at, "a step (/) is for * and for ranges (first-last)");
      DRAGNET_ASSIGN_OR_RETURN(step, ParseStep());
    }
    for (int value = first; value <= last; value += step) values_ |= uint64_t{1} << value;
    return absl::OkStatus();
  }

  absl::StatusOr<int> ParseValue() {
    const size_t begin = at_;
    const std::string_view word = TakeWord();
    if (const std::optional<int> number = Number(word)) {
      if (*number >= kind_.first && *number <= kind_.last) return *number;
      return Error(begin, StrCat(Quoted(word), " is out of range"));
    }
    for (size_t i = 0; i < kind_.names.size(); ++i) {
      if (absl::EqualsIgnoreCase(ToAbsl(word), ToAbsl(kind_.names[i]))) {
        return kind_.first + static_cast<int>(i);
      }
    }
    if (word.empty()) {
      return Error(begin, at_ < text_.size() ? StrCat(Quoted(text_.substr(at_)), " is no value")
                                             : std::string("a value is missing"));
    }
    return Error(begin, StrCat(Quoted(word), " is no value"));
  }

  absl::StatusOr<int> ParseStep() {
    const size_t begin = at_;
    const std::string_view word = TakeWord();
    const std::optional<int> number = Number(word);
    // A longer one would silently mean the first value alone.
    const int most = kind_.last_of_all - kind_.first;
    if (number.has_value() && *number >= 1 && *number <= most) return *number;
    return absl::InvalidArgumentError(StrCat("schedule: step of ", kind_.name, " at character ",
                                             position_ + begin + 1, ": ", Quoted(word),
                                             " is out of range; allowed are 1 to ", most));
  }

  bool Take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string_view TakeWord() {
    const size_t begin = at_;
    while (at_ < text_.size() && absl::ascii_isalnum(static_cast<unsigned char>(text_[at_]))) {
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

  static std::optional<int> Number(std::string_view word) {
    if (word.empty()) return std::nullopt;
    int number = 0;
    for (const char c : word) {
      if (c < '0' || c > '9') return std::nullopt;
      number = std::min(number * 10 + (c - '0'), 1000);
    }
    return number;
  }

  absl::Status Error(size_t at, std::string_view what) const {
    return absl::InvalidArgumentError(StrCat("schedule: ", kind_.name, " at character ",
                                             position_ + at + 1, ": ", what, "; allowed are ",
                                             kind_.allowed));
  }

  const FieldKind& kind_;
  const std::string_view text_;
  const size_t position_;
  size_t at_ = 0;
  uint64_t values_ = 0;
};

absl::StatusOr<CronFields> ParseNickname(std::string_view cron, size_t position) {
  std::string_view name = cron.substr(position);
  while (!name.empty() && IsBlank(name.back())) name.remove_suffix(1);
  for (const auto& [nickname, meaning] : kNicknames) {
    if (absl::EqualsIgnoreCase(ToAbsl(name), ToAbsl(nickname))) return ParseCron(meaning);
  }
  if (absl::EqualsIgnoreCase(ToAbsl(name), "@reboot")) {
    return absl::InvalidArgumentError(
        StrCat("schedule: @reboot at character ", position + 1, " is no time; ", kWanted));
  }
  return absl::InvalidArgumentError(StrCat("schedule: ", Quoted(name), " at character ",
                                           position + 1, " is not known; ", kWanted));
}

// The lowest of the bits from `from` on, and the highest up to `last`; -1 for none.
int FirstBit(uint64_t bits, int from) {
  if (from > 63) return -1;
  bits &= ~uint64_t{0} << from;
  return bits == 0 ? -1 : std::countr_zero(bits);
}

int LastBit(uint64_t bits, int last) {
  if (last < 0) return -1;
  bits &= ~uint64_t{0} >> (63 - last);
  return bits == 0 ? -1 : 63 - std::countl_zero(bits);
}

// Minutes of the day that match, from `from` on and up to `last`; -1 for none.
int MinuteFrom(const CronFields& fields, int from) {
  int hour = FirstBit(fields.hours, from / 60);
  if (hour == from / 60) {
    const int minute = FirstBit(fields.minutes, from % 60);
    if (minute >= 0) return hour * 60 + minute;
    hour = FirstBit(fields.hours, hour + 1);
  }
  return hour < 0 ? -1 : hour * 60 + FirstBit(fields.minutes, 0);
}

int MinuteUpTo(const CronFields& fields, int last) {
  if (last < 0) return -1;
  int hour = LastBit(fields.hours, last / 60);
  if (hour == last / 60) {
    const int minute = LastBit(fields.minutes, last % 60);
    if (minute >= 0) return hour * 60 + minute;
    hour = LastBit(fields.hours, hour - 1);
  }
  return hour < 0 ? -1 : hour * 60 + LastBit(fields.minutes, 59);
}

absl::CivilMinute At(absl::CivilMonth month, int day, int minute_of_day) {
  return absl::CivilMinute(month.year(), month.month(), day) + minute_of_day;
}

int ShortestWithinADay(const CronFields& fields) {
  int shortest = kMinutesOfDay;
  int before = MinuteFrom(fields, 0);
  for (int now = MinuteFrom(fields, before + 1); now >= 0; now = MinuteFrom(fields, now + 1)) {
    shortest = std::min(shortest, now - before);
    before = now;
  }
  return shortest;
}

// Days from one that matches to the next, at least; 0 when there is none.
int64_t ShortestInDays(const CronFields& fields) {
  const absl::CivilMonth begin(2000, 1);
  std::optional<absl::CivilDay> first;
  absl::CivilDay before;
  int64_t shortest = kCycleDays;
  for (int i = 0; i < kCycleMonths && shortest > 1; ++i) {
    const absl::CivilMonth month = begin + i;
    const uint64_t days = fields.DaysOf(month);
    for (int day = FirstBit(days, 0); day >= 0; day = FirstBit(days, day + 1)) {
      const absl::CivilDay now(month.year(), month.month(), day);
      if (first.has_value()) shortest = std::min<int64_t>(shortest, now - before);
      if (!first.has_value()) first = now;
      before = now;
    }
  }
  if (!first.has_value()) return 0;
  return std::min<int64_t>(shortest, *first + kCycleDays - before);
}

}  // namespace

uint64_t CronFields::DaysOf(absl::CivilMonth month) const {
  if ((months >> month.month() & 1) == 0) return 0;
  const absl::CivilDay first(month);
  const absl::CivilDay next(month + 1);
  // Sunday is 0 here and the last of Abseil's.
  const int weekday = (static_cast<int>(absl::GetWeekday(first)) + 1) % 7;
  const uint64_t week = ((weekdays >> weekday) | (weekdays << (7 - weekday))) & CronBits(0, 6);
  const uint64_t by_weekday = (week | week << 7 | week << 14 | week << 21 | week << 28) << 1;
  const uint64_t either = any_day || any_weekday ? days & by_weekday : days | by_weekday;
  return either & CronBits(1, static_cast<int>(next - first));
}

std::optional<absl::CivilMinute> CronFields::MatchFrom(absl::CivilMinute from) const {
  absl::CivilMonth month(from);
  // On the first day only what is left of it counts.
  const int minute = MinuteFrom(*this, from.hour() * 60 + from.minute());
  if (minute >= 0 && DaysOf(month) >> from.day() & 1) return At(month, from.day(), minute);
  int first_day = from.day() + 1;
  for (int i = 0; i < kMonthsToLookAt; ++i, ++month, first_day = 1) {
    const int day = FirstBit(DaysOf(month), first_day);
    if (day >= 0) return At(month, day, MinuteFrom(*this, 0));
  }
  return std::nullopt;
}

std::optional<absl::CivilMinute> CronFields::MatchUpTo(absl::CivilMinute last) const {
  absl::CivilMonth month(last);
  const int minute = MinuteUpTo(*this, last.hour() * 60 + last.minute());
  if (minute >= 0 && DaysOf(month) >> last.day() & 1) return At(month, last.day(), minute);
  int last_day = last.day() - 1;
  for (int i = 0; i < kMonthsToLookAt; ++i, --month, last_day = 31) {
    const int day = LastBit(DaysOf(month), last_day);
    if (day >= 0) return At(month, day, MinuteUpTo(*this, kMinutesOfDay - 1));
  }
  return std::nullopt;
}

absl::Duration CronFields::ShortestInterval() const {
  const int64_t shortest_in_days = ShortestInDays(*this);
  if (shortest_in_days == 0) return absl::InfiniteDuration();
  const int64_t overnight = shortest_in_days * kMinutesOfDay -
                            MinuteUpTo(*this, kMinutesOfDay - 1) + MinuteFrom(*this, 0);
  const bool several_a_day = std::popcount(minutes) * std::popcount(hours) > 1;
  if (!several_a_day) return absl::Minutes(overnight);
  return absl::Minutes(std::min<int64_t>(overnight, ShortestWithinADay(*this)));
}

absl::StatusOr<CronFields> ParseCron(std::string_view cron) {
  if (cron.size() > kMaxCronBytes) {
    return absl::InvalidArgumentError(StrCat("schedule: the expression has ", cron.size(),
                                             " bytes; allowed are ", kMaxCronBytes));
  }
  std::array<uint64_t, kFields.size()> values = {};
  std::array<bool, kFields.size()> any = {};
  size_t at = 0;
  const auto skip_blanks = [&] {
    while (at < cron.size() && IsBlank(cron[at])) ++at;
  };
  skip_blanks();
  if (at == cron.size()) {
    return absl::InvalidArgumentError(StrCat("schedule: the expression is empty; ", kWanted));
  }
  if (cron[at] == '@') return ParseNickname(cron, at);
  for (size_t i = 0; i < kFields.size(); ++i) {
    if (at == cron.size()) {
      return absl::InvalidArgumentError(StrCat("schedule: ", kFields[i].name,
                                               " is missing at character ", at + 1, "; ", kWanted));
    }
    const size_t begin = at;
    while (at < cron.size() && !IsBlank(cron[at])) ++at;
    any[i] = cron[begin] == '*';
    DRAGNET_ASSIGN_OR_RETURN(
        values[i], FieldParser(kFields[i], cron.substr(begin, at - begin), begin).Parse());
    skip_blanks();
  }
  if (at < cron.size()) {
    return absl::InvalidArgumentError(StrCat("schedule: ", Quoted(cron.substr(at)),
                                             " at character ", at + 1,
                                             " is more than five fields; ", kWanted));
  }
  CronFields fields = {.minutes = values[0],
                       .hours = values[1],
                       .days = values[2],
                       .months = values[3],
                       .weekdays = values[4],
                       .any_hour = any[1],
                       .any_day = any[2],
                       .any_weekday = any[4]};
  // 7 is Sunday, as 0.
  if (fields.weekdays >> 7 & 1) fields.weekdays = (fields.weekdays | 1) & CronBits(0, 6);
  return fields;
}

}  // namespace dragnet
