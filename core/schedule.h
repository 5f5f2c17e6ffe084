// When a recurring action runs: a cron expression in a time zone. The console
// shows it, the scheduler expects by it and the agent runs by it: the same code
// decides in all of them, so it depends on nothing but its arguments and the
// time zone data of the host (tzdata). Immutable after construction, so
// thread-safe.
//
// Expressions are those of crontab(5): five fields, apart by blanks,
//
//   minute        0 to 59
//   hour          0 to 23
//   day of month  1 to 31
//   month         1 to 12, or jan to dec
//   day of week   0 to 7, or sun to sat; 0 and 7 are Sunday
//
// each a list (,) of *, values and ranges (first-last); * and ranges may have a
// step (/n). Names in any case. Or one of @hourly, @daily, @midnight, @weekly,
// @monthly, @yearly and @annually; @reboot is no time, so it is refused.
//
// Days. When neither day field begins with *, a day that either of them names
// is meant: "0 3 13 * fri" is every 13th and every Friday. When one begins with
// *, both must hold, and that is so for */n as well: "0 3 */2 * mon" is Mondays
// with an odd number. (The rule of Vixie's cron, which Debian's is.)
//
// Clock changes, by the hour field, as cron(8) treats its fixed and its
// wildcard jobs (for which it looks at the minute field too: "* 2 * * *" names
// its hour here):
// - It begins with *: every instant at which a clock on the wall shows a time
//   that matches. An hour that comes twice has its occurrences twice, one that
//   is skipped has none, and "*/10 * * * *" stays ten minutes apart.
// - It names hours: every day that matches has its occurrences. A time that
//   comes twice counts the first time only. Times that are skipped become one
//   occurrence, however many they are, at the first instant after the gap; if
//   that is an occurrence anyhow, it stays one. "0 0 30 dec *" in Pacific/Apia,
//   where 30 December 2011 didn't exist, was due at 00:00 of the 31st.
// Nothing is said of what a change of the system's own clock does: that is for
// those who hold the last occurrence they ran against LastAtOrBefore().
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/cron.h"

namespace dragnet {

inline constexpr size_t kMaxTimeZoneBytes = 64;

class Schedule {
 public:
  // `time_zone` is a name of the IANA database, e.g. "Europe/Berlin"; "UTC"
  // needs no tzdata. InvalidArgument names the field, the character (from 1) and
  // what is allowed there. NotFound when this host has no such time zone: it
  // isn't one, or tzdata is missing or older than it.
  static absl::StatusOr<Schedule> Parse(std::string_view cron, std::string_view time_zone);

  // Occurrences are instants from 1970 to 9999 (UTC), always whole seconds and,
  // but for the end of an odd gap, whole minutes of the zone's local time.
  // Times outside of that have no next, no last and are none.

  // The first one after `time`, not at it. Nothing when there is none within 5
  // years (of 366 days): 31 February, and 29 February before a year like 2100.
  std::optional<absl::Time> NextAfter(absl::Time time) const;
  // The last one at or before `time`, within as many years.
  std::optional<absl::Time> LastAtOrBefore(absl::Time time) const;
  // False for all that isn't a whole second.
  bool Holds(absl::Time time) const;

  // The shortest time from one occurrence to the next by the local clock, over
  // all years: "0 3 * * *" has 24 hours, "0 3 29 2 *" 4 years. InfiniteDuration
  // when there is no second one. Around a clock change a single interval can be
  // shorter (the day of 23 hours; what a gap put off). Needs no tzdata, so it is
  // the same on every host: a bound for jitter.
  absl::Duration ShortestInterval() const;

  // In words: "at 03:00 every day", "every 10 minutes on Monday". The expression
  // where words would be longer. Doesn't name the time zone.
  std::string Describe() const;

  // As given, without blanks around it.
  const std::string& cron() const { return cron_; }
  const absl::TimeZone& time_zone() const { return time_zone_; }

 private:
  Schedule() = default;

  // By the rule for hours that are named, and by that for *.
  std::optional<absl::Time> NextNamed(absl::Time time) const;
  std::optional<absl::Time> LastNamed(absl::Time time) const;
  std::optional<absl::Time> NextShown(absl::Time time) const;
  std::optional<absl::Time> LastShown(absl::Time time) const;

  std::string cron_;
  absl::TimeZone time_zone_;
  CronFields fields_;
};

// How long after `occurrence` this agent runs it: from 0 to `jitter`, both
// included, in whole milliseconds, evenly spread over agents. Depends on nothing
// but its arguments, so an agent that restarts doesn't draw anew and anyone can
// say when it is due. Zero for a `jitter` that isn't positive.
absl::Duration JitterOf(std::string_view action_id, std::string_view agent_id,
                        absl::Time occurrence, absl::Duration jitter);

}  // namespace dragnet
