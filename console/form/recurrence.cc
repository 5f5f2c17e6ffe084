#include "console/form/recurrence.h"

#include <algorithm>

#include "console/form/values.h"
#include "console/output/cell.h"
#include "core/action.h"
#include "core/strings.h"

namespace dragnet::console {

absl::StatusOr<Schedule> ScheduleOf(const v1::Recurrence& recurrence) {
  return Schedule::Parse(recurrence.cron(), recurrence.time_zone());
}

std::string ScheduleWords(const v1::Recurrence& recurrence) {
  const absl::StatusOr<Schedule> schedule = ScheduleOf(recurrence);
  return StrCat(schedule.ok() ? schedule->Describe() : recurrence.cron(), " (",
                recurrence.time_zone(), ")");
}

std::string RecurrenceWords(const v1::Recurrence& recurrence) {
  std::string text;
  const absl::StatusOr<Schedule> schedule = ScheduleOf(recurrence);
  if (!schedule.ok()) {
    StrAppend(&text, "not a schedule that this version knows (", schedule.status().message(),
              "); ");
  } else if (schedule->Describe() != schedule->cron()) {
    StrAppend(&text, schedule->Describe(), "; ");
  }
  StrAppend(&text, recurrence.cron(), " (", recurrence.time_zone(), ")");
  if (recurrence.has_until()) {
    const absl::StatusOr<absl::Time> until = ToTime(recurrence.until());
    StrAppend(&text, ", until ", until.ok() ? LocalTime(*until) : "no valid time");
  }
  if (recurrence.has_jitter()) {
    StrAppend(&text, ", each host later by up to ", DurationWords(ToDuration(recurrence.jitter())),
              " of its own");
  }
  switch (recurrence.missed()) {
    case v1::Recurrence::MISSED_UNSPECIFIED:
    case v1::Recurrence::MISSED_RUN_LATE:
      text.append("; of runs that a host misses the last is run late");
      break;
    case v1::Recurrence::MISSED_SKIP:
      text.append("; runs that a host misses are left out");
      break;
    default:
      StrAppend(&text, "; missed runs: value ", static_cast<int>(recurrence.missed()),
                ", unknown to this version");
  }
  return text;
}

std::vector<absl::Time> Occurrences(const v1::Action& action, absl::Time after, size_t count) {
  const absl::StatusOr<Schedule> schedule = ScheduleOf(action.recurrence());
  const absl::StatusOr<absl::Time> from = ToTime(action.not_before());
  const absl::StatusOr<absl::Time> expires = ToTime(action.expires());
  if (!schedule.ok() || !from.ok() || !expires.ok()) return {};
  absl::Time end = *expires;
  if (action.recurrence().has_until()) {
    const absl::StatusOr<absl::Time> until = ToTime(action.recurrence().until());
    if (!until.ok()) return {};
    end = std::min(end, *until);
  }
  std::vector<absl::Time> occurrences;
  // One at not_before itself is due, too.
  absl::Time last = std::max(after, *from - absl::Nanoseconds(1));
  while (occurrences.size() < count) {
    const std::optional<absl::Time> next = schedule->NextAfter(last);
    if (!next.has_value() || *next > end) break;
    occurrences.push_back(*next);
    last = *next;
  }
  return occurrences;
}

std::string OccurrenceWords(absl::Time occurrence, const absl::TimeZone& zone) {
  return StrCat(absl::FormatTime("%a %Y-%m-%d %H:%M:%S %Z (%Ez)", occurrence, zone), ", here ",
                LocalTime(occurrence));
}

}  // namespace dragnet::console
