// A recurrence as people read it before they sign it and afterwards. Nothing here is
// made safe for a terminal. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/schedule.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet::console {

// As Schedule::Parse.
absl::StatusOr<Schedule> ScheduleOf(const v1::Recurrence& recurrence);

// "at 03:00 every day (Europe/Berlin)": for a column. The expression itself where it
// can't be read here.
std::string ScheduleWords(const v1::Recurrence& recurrence);

// All that is signed of it: "at 03:00 every day; 0 3 * * * (Europe/Berlin), each host
// later by up to 30 min of its own; …".
std::string RecurrenceWords(const v1::Recurrence& recurrence);

// The first `count` occurrences that are due within the action's validity and
// Recurrence.until, after `after`. Empty where there are none, or the schedule can't
// be read here.
std::vector<absl::Time> Occurrences(const v1::Action& action, absl::Time after, size_t count);

// "Mon 2026-11-30 03:00:00 CET (+01:00), here 2026-11-30T02:00:00+00:00".
std::string OccurrenceWords(absl::Time occurrence, const absl::TimeZone& zone);

}  // namespace dragnet::console
