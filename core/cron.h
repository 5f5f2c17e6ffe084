// The expressions of crontab(5) as sets of minutes, hours and days, without a
// time zone. What they mean is written down in core/schedule.h, through which
// everybody else uses them. Thread-safe: no state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace dragnet {

inline constexpr size_t kMaxCronBytes = 256;

// A bit for each value that a field names.
struct CronFields {
  uint64_t minutes = 0;   // bits 0 to 59
  uint64_t hours = 0;     // bits 0 to 23
  uint64_t days = 0;      // bits 1 to 31
  uint64_t months = 0;    // bits 1 to 12
  uint64_t weekdays = 0;  // bits 0 to 6, from Sunday
  // The field begins with *, which means more than all of its values.
  bool any_hour = false;
  bool any_day = false;
  bool any_weekday = false;

  bool operator==(const CronFields&) const = default;

  // Bits 1 to 31: the days of this month that match.
  uint64_t DaysOf(absl::CivilMonth month) const;
  // The first time that matches, from `from` on; the last one up to `last`.
  // They look through 62 months.
  std::optional<absl::CivilMinute> MatchFrom(absl::CivilMinute from) const;
  std::optional<absl::CivilMinute> MatchUpTo(absl::CivilMinute last) const;
  // As Schedule::ShortestInterval.
  absl::Duration ShortestInterval() const;
};

// The bits of all values from `first` to `last`, 63 at most.
constexpr uint64_t CronBits(int first, int last) {
  return (~uint64_t{0} >> (63 - last)) & (~uint64_t{0} << first);
}

// InvalidArgument names the field, the character (from 1) and what is allowed.
absl::StatusOr<CronFields> ParseCron(std::string_view cron);

// In words; empty where words would be longer than the expression.
std::string DescribeCron(const CronFields& fields);

}  // namespace dragnet
