#include "core/schedule.h"

#include <algorithm>
#include <random>
#include <sstream>
#include <vector>

#include "absl/time/civil_time.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::Time Instant(std::string_view rfc3339) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, ToAbsl(rfc3339), &time, &error)) << error;
  return time;
}

Schedule Parsed(std::string_view cron, std::string_view zone = "UTC") {
  auto schedule = Schedule::Parse(cron, zone);
  EXPECT_TRUE(schedule.ok()) << schedule.status();
  return *std::move(schedule);
}

std::string Shown(absl::Time time, const absl::TimeZone& zone) {
  return absl::FormatTime("%a %Y-%m-%d %H:%M:%S%Ez", time, zone);
}

// The next ones after `from` in the schedule's own time zone; each must be found
// from all sides.
std::vector<std::string> Next(std::string_view cron, std::string_view zone, std::string_view from,
                              int count) {
  const Schedule schedule = Parsed(cron, zone);
  std::vector<std::string> shown;
  absl::Time time = Instant(from);
  for (int i = 0; i < count; ++i) {
    const std::optional<absl::Time> next = schedule.NextAfter(time);
    if (!next.has_value() || *next <= time) break;
    shown.push_back(Shown(*next, schedule.time_zone()));
    EXPECT_TRUE(schedule.Holds(*next)) << shown.back();
    EXPECT_FALSE(schedule.Holds(*next + absl::Seconds(1))) << shown.back();
    EXPECT_FALSE(schedule.Holds(*next + absl::Nanoseconds(1))) << shown.back();
    EXPECT_EQ(schedule.LastAtOrBefore(*next), next) << shown.back();
    EXPECT_EQ(schedule.LastAtOrBefore(*next + absl::Milliseconds(1)), next) << shown.back();
    EXPECT_EQ(schedule.NextAfter(*next - absl::Nanoseconds(1)), next) << shown.back();
    if (i > 0) {
      EXPECT_EQ(schedule.LastAtOrBefore(*next - absl::Nanoseconds(1)), time) << shown.back();
    }
    time = *next;
  }
  return shown;
}

std::string ErrorOf(std::string_view cron) {
  const auto schedule = Schedule::Parse(cron, "UTC");
  EXPECT_EQ(schedule.status().code(), absl::StatusCode::kInvalidArgument) << cron;
  return std::string(schedule.status().message());
}

TEST(ScheduleTest, FieldsAreValuesListsRangesStepsAndNames) {
  EXPECT_THAT(Next("0,30 8-9 * * *", "UTC", "2026-01-05T08:10:00Z", 4),
              ElementsAre("Mon 2026-01-05 08:30:00+00:00", "Mon 2026-01-05 09:00:00+00:00",
                          "Mon 2026-01-05 09:30:00+00:00", "Tue 2026-01-06 08:00:00+00:00"));
  EXPECT_THAT(Next("5-59/20 */12 1 JAN,Jul *", "UTC", "2026-01-01T12:25:00Z", 3),
              ElementsAre("Thu 2026-01-01 12:45:00+00:00", "Wed 2026-07-01 00:05:00+00:00",
                          "Wed 2026-07-01 00:25:00+00:00"));
  EXPECT_THAT(Next("00 03 * * mon-wed/2", "UTC", "2026-01-05T03:00:00Z", 2),
              ElementsAre("Wed 2026-01-07 03:00:00+00:00", "Mon 2026-01-12 03:00:00+00:00"));
  EXPECT_THAT(Next("\t0  3 1 * *  ", "UTC", "2026-12-01T03:00:00Z", 1),
              ElementsAre("Fri 2027-01-01 03:00:00+00:00"));
}

TEST(ScheduleTest, SevenAndZeroAreSundayAndARangeMayEndThere) {
  for (const std::string_view days : {"0", "7", "sun", "SUN", "7,0", "sun-0", "7-7"}) {
    EXPECT_THAT(Next(StrCat("0 3 * * ", days), "UTC", "2026-01-05T00:00:00Z", 2),
                ElementsAre("Sun 2026-01-11 03:00:00+00:00", "Sun 2026-01-18 03:00:00+00:00"))
        << days;
  }
  for (const std::string_view days : {"5-7", "fri-sun", "fri-7"}) {
    EXPECT_THAT(Next(StrCat("0 3 * * ", days), "UTC", "2026-01-05T00:00:00Z", 4),
                ElementsAre("Fri 2026-01-09 03:00:00+00:00", "Sat 2026-01-10 03:00:00+00:00",
                            "Sun 2026-01-11 03:00:00+00:00", "Fri 2026-01-16 03:00:00+00:00"))
        << days;
  }
}

TEST(ScheduleTest, NicknamesAreWhatCrontabSays) {
  const std::pair<std::string_view, std::string_view> pairs[] = {
      {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
      {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
      {"@annually", "0 0 1 1 *"}, {" @Daily ", "0 0 * * *"}};
  for (const auto& [nickname, meaning] : pairs) {
    EXPECT_EQ(Next(nickname, "Europe/Berlin", "2026-03-01T00:00:00Z", 5),
              Next(meaning, "Europe/Berlin", "2026-03-01T00:00:00Z", 5))
        << nickname;
  }
  EXPECT_EQ(Parsed(" @Daily ").cron(), "@Daily");
}

TEST(ScheduleTest, TwoRestrictedDayFieldsMeanEither) {
  EXPECT_THAT(Next("0 3 13 * fri", "UTC", "2026-02-06T12:00:00Z", 3),
              ElementsAre("Fri 2026-02-13 03:00:00+00:00", "Fri 2026-02-20 03:00:00+00:00",
                          "Fri 2026-02-27 03:00:00+00:00"));
  EXPECT_THAT(Next("0 3 13 * fri", "UTC", "2026-04-10T12:00:00Z", 2),
              ElementsAre("Mon 2026-04-13 03:00:00+00:00", "Fri 2026-04-17 03:00:00+00:00"));
  // 1-31 is all days, and still restricted.
  EXPECT_THAT(Next("0 3 1-31 * fri", "UTC", "2026-04-10T12:00:00Z", 1),
              ElementsAre("Sat 2026-04-11 03:00:00+00:00"));
}

TEST(ScheduleTest, ALeadingAsteriskInADayFieldMeansBoth) {
  EXPECT_THAT(Next("0 3 */2 * mon", "UTC", "2026-01-01T00:00:00Z", 3),
              ElementsAre("Mon 2026-01-05 03:00:00+00:00", "Mon 2026-01-19 03:00:00+00:00",
                          "Mon 2026-02-09 03:00:00+00:00"));
  EXPECT_THAT(Next("0 3 13 * */5", "UTC", "2026-01-01T00:00:00Z", 2),
              ElementsAre("Fri 2026-02-13 03:00:00+00:00", "Fri 2026-03-13 03:00:00+00:00"));
}

TEST(ScheduleTest, LeapDaysAreFoundWithinFiveYears) {
  EXPECT_THAT(Next("0 3 29 2 *", "UTC", "2026-01-01T00:00:00Z", 2),
              ElementsAre("Tue 2028-02-29 03:00:00+00:00", "Sun 2032-02-29 03:00:00+00:00"));
  // 2100 isn't a leap year, so the next one is eight years away.
  EXPECT_THAT(Next("0 3 29 2 *", "UTC", "2096-03-01T00:00:00Z", 1), IsEmpty());
  EXPECT_THAT(Next("0 3 29 2 *", "UTC", "2100-01-01T00:00:00Z", 1),
              ElementsAre("Fri 2104-02-29 03:00:00+00:00"));
  const Schedule schedule = Parsed("0 3 29 2 *");
  const absl::Duration horizon = absl::Hours(5 * 366 * 24);
  const absl::Time before = Instant("2096-02-29T03:00:00Z");
  const absl::Time after = Instant("2104-02-29T03:00:00Z");
  EXPECT_EQ(schedule.NextAfter(after - horizon), after);
  EXPECT_EQ(schedule.NextAfter(after - horizon - absl::Seconds(1)), std::nullopt);
  EXPECT_EQ(schedule.LastAtOrBefore(before + horizon), before);
  EXPECT_EQ(schedule.LastAtOrBefore(before + horizon + absl::Seconds(1)), std::nullopt);
}

TEST(ScheduleTest, WhatNeverComesHasNoOccurrence) {
  for (const std::string_view cron : {"0 3 31 2 *", "0 3 31 4,6,9,11 *", "0 3 30,31 feb *"}) {
    const Schedule schedule = Parsed(cron, "Europe/Berlin");
    EXPECT_EQ(schedule.NextAfter(Instant("2026-01-01T00:00:00Z")), std::nullopt);
    EXPECT_EQ(schedule.LastAtOrBefore(Instant("2026-01-01T00:00:00Z")), std::nullopt);
    EXPECT_EQ(schedule.ShortestInterval(), absl::InfiniteDuration());
  }
}

TEST(ScheduleTest, TimeBeginsIn1970AndEndsWith9999) {
  const Schedule schedule = Parsed("* * * * *", "Europe/Berlin");
  const absl::Time end = Instant("9999-12-31T23:59:00Z");
  EXPECT_EQ(schedule.NextAfter(absl::UnixEpoch()), absl::UnixEpoch() + absl::Minutes(1));
  EXPECT_EQ(schedule.LastAtOrBefore(absl::UnixEpoch()), absl::UnixEpoch());
  EXPECT_EQ(schedule.NextAfter(end - absl::Seconds(1)), end);
  EXPECT_EQ(schedule.NextAfter(end), std::nullopt);
  EXPECT_EQ(schedule.LastAtOrBefore(end + absl::Seconds(59)), end);
  for (const absl::Time time :
       {absl::UnixEpoch() - absl::Minutes(1), end + absl::Minutes(1), absl::InfinitePast(),
        absl::InfiniteFuture(), Instant("1900-01-01T00:00:00Z")}) {
    EXPECT_EQ(schedule.NextAfter(time), std::nullopt) << time;
    EXPECT_EQ(schedule.LastAtOrBefore(time), std::nullopt) << time;
    EXPECT_FALSE(schedule.Holds(time)) << time;
  }
  EXPECT_EQ(Parsed("1 0 1 1 *").LastAtOrBefore(absl::UnixEpoch()), std::nullopt);
}

TEST(ScheduleTest, ANamedHourThatIsSkippedRunsOnceAtTheEndOfTheGap) {
  EXPECT_THAT(Next("30 2 * * *", "Europe/Berlin", "2024-03-30T00:00:00Z", 3),
              ElementsAre("Sat 2024-03-30 02:30:00+01:00", "Sun 2024-03-31 03:00:00+02:00",
                          "Mon 2024-04-01 02:30:00+02:00"));
  EXPECT_THAT(Next("*/15 2 * * *", "America/New_York", "2025-03-09T05:00:00Z", 2),
              ElementsAre("Sun 2025-03-09 03:00:00-04:00", "Mon 2025-03-10 02:00:00-04:00"));
  // What is due at the gap's end anyhow isn't due twice.
  EXPECT_THAT(Next("0,30 2,3 * * *", "Europe/Berlin", "2024-03-31T00:00:00Z", 3),
              ElementsAre("Sun 2024-03-31 03:00:00+02:00", "Sun 2024-03-31 03:30:00+02:00",
                          "Mon 2024-04-01 02:00:00+02:00"));
}

TEST(ScheduleTest, ANamedHourThatComesTwiceCountsTheFirstTimeOnly) {
  EXPECT_THAT(Next("30 2 * * *", "Europe/Berlin", "2024-10-26T12:00:00Z", 2),
              ElementsAre("Sun 2024-10-27 02:30:00+02:00", "Mon 2024-10-28 02:30:00+01:00"));
  EXPECT_THAT(Next("0,30 1-2 * * *", "America/New_York", "2025-11-02T05:00:00Z", 3),
              ElementsAre("Sun 2025-11-02 01:30:00-04:00", "Sun 2025-11-02 02:00:00-05:00",
                          "Sun 2025-11-02 02:30:00-05:00"));
  // From within the second pass.
  EXPECT_THAT(Next("30 2 * * *", "Europe/Berlin", "2024-10-27T01:05:00Z", 1),
              ElementsAre("Mon 2024-10-28 02:30:00+01:00"));
  const Schedule schedule = Parsed("30 2 * * *", "Europe/Berlin");
  EXPECT_FALSE(schedule.Holds(Instant("2024-10-27T02:30:00+01:00")));
  EXPECT_EQ(schedule.LastAtOrBefore(Instant("2024-10-27T02:05:00+01:00")),
            Instant("2024-10-27T02:30:00+02:00"));
}

TEST(ScheduleTest, AnyHourFollowsTheClockOnTheWall) {
  EXPECT_THAT(Next("30 * * * *", "Europe/Berlin", "2024-03-31T00:00:00Z", 2),
              ElementsAre("Sun 2024-03-31 01:30:00+01:00", "Sun 2024-03-31 03:30:00+02:00"));
  EXPECT_THAT(Next("30 */2 * * *", "Europe/Berlin", "2024-03-31T00:00:00Z", 1),
              ElementsAre("Sun 2024-03-31 04:30:00+02:00"));
  EXPECT_THAT(Next("30 * * * *", "Europe/Berlin", "2024-10-27T00:00:00Z", 3),
              ElementsAre("Sun 2024-10-27 02:30:00+02:00", "Sun 2024-10-27 02:30:00+01:00",
                          "Sun 2024-10-27 03:30:00+01:00"));
  EXPECT_THAT(Next("*/40 * * * *", "America/New_York", "2025-11-02T05:30:00Z", 4),
              ElementsAre("Sun 2025-11-02 01:40:00-04:00", "Sun 2025-11-02 01:00:00-05:00",
                          "Sun 2025-11-02 01:40:00-05:00", "Sun 2025-11-02 02:00:00-05:00"));
}

TEST(ScheduleTest, HalfAnHourOfLordHoweIsSkippedAndComesTwice) {
  EXPECT_THAT(Next("0,15,45 2 * * *", "Australia/Lord_Howe", "2024-10-05T15:00:00Z", 3),
              ElementsAre("Sun 2024-10-06 02:30:00+11:00", "Sun 2024-10-06 02:45:00+11:00",
                          "Mon 2024-10-07 02:00:00+11:00"));
  EXPECT_THAT(Next("20,40 1 * * *", "Australia/Lord_Howe", "2024-04-06T14:00:00Z", 3),
              ElementsAre("Sun 2024-04-07 01:20:00+11:00", "Sun 2024-04-07 01:40:00+11:00",
                          "Mon 2024-04-08 01:20:00+10:30"));
  EXPECT_THAT(Next("20,40 * * * *", "Australia/Lord_Howe", "2024-04-06T14:00:00Z", 4),
              ElementsAre("Sun 2024-04-07 01:20:00+11:00", "Sun 2024-04-07 01:40:00+11:00",
                          "Sun 2024-04-07 01:40:00+10:30", "Sun 2024-04-07 02:20:00+10:30"));
}

TEST(ScheduleTest, TheDayThatApiaSkippedIsOneOccurrence) {
  EXPECT_THAT(Next("0 3,9,21 * * *", "Pacific/Apia", "2011-12-30T06:00:00Z", 4),
              ElementsAre("Thu 2011-12-29 21:00:00-10:00", "Sat 2011-12-31 00:00:00+14:00",
                          "Sat 2011-12-31 03:00:00+14:00", "Sat 2011-12-31 09:00:00+14:00"));
  EXPECT_THAT(Next("0 0 30 dec *", "Pacific/Apia", "2011-12-01T00:00:00Z", 2),
              ElementsAre("Sat 2011-12-31 00:00:00+14:00", "Sun 2012-12-30 00:00:00+14:00"));
  EXPECT_THAT(Next("0 */8 * * *", "Pacific/Apia", "2011-12-30T00:00:00Z", 3),
              ElementsAre("Thu 2011-12-29 16:00:00-10:00", "Sat 2011-12-31 00:00:00+14:00",
                          "Sat 2011-12-31 08:00:00+14:00"));
}

TEST(ScheduleTest, AMidnightThatIsSkippedOrComesTwice) {
  EXPECT_THAT(Next("@daily", "Asia/Beirut", "2022-03-26T00:00:00Z", 2),
              ElementsAre("Sun 2022-03-27 01:00:00+03:00", "Mon 2022-03-28 00:00:00+03:00"));
  EXPECT_THAT(Next("@daily", "Africa/Cairo", "2024-04-25T00:00:00Z", 2),
              ElementsAre("Fri 2024-04-26 01:00:00+03:00", "Sat 2024-04-27 00:00:00+03:00"));
  EXPECT_THAT(Next("@daily", "America/Sao_Paulo", "2017-10-14T12:00:00Z", 2),
              ElementsAre("Sun 2017-10-15 01:00:00-02:00", "Mon 2017-10-16 00:00:00-02:00"));
  // 23:00 to 24:00 comes twice, and midnight once.
  EXPECT_THAT(Next("0 0,23 * * *", "America/Sao_Paulo", "2017-02-18T12:00:00Z", 3),
              ElementsAre("Sat 2017-02-18 23:00:00-02:00", "Sun 2017-02-19 00:00:00-03:00",
                          "Sun 2017-02-19 23:00:00-03:00"));
  EXPECT_THAT(Next("0 * 19 2 *", "America/Sao_Paulo", "2017-02-18T12:00:00Z", 1),
              ElementsAre("Sun 2017-02-19 00:00:00-03:00"));
  EXPECT_THAT(Next("30 * 18 2 *", "America/Sao_Paulo", "2017-02-19T00:45:00Z", 3),
              ElementsAre("Sat 2017-02-18 23:30:00-02:00", "Sat 2017-02-18 23:30:00-03:00",
                          "Sun 2018-02-18 00:30:00-03:00"));
}

TEST(ScheduleTest, AGapMayEndBetweenMinutes) {
  // Liberia was 44 minutes and 30 seconds behind until 1972.
  EXPECT_THAT(Next("10,44 0 * * *", "Africa/Monrovia", "1972-01-07T00:00:00Z", 2),
              ElementsAre("Fri 1972-01-07 00:44:30+00:00", "Sat 1972-01-08 00:10:00+00:00"));
  EXPECT_THAT(Next("*/5 * * * *", "Africa/Monrovia", "1972-01-07T00:35:00Z", 3),
              ElementsAre("Thu 1972-01-06 23:55:00-00:44", "Fri 1972-01-07 00:45:00+00:00",
                          "Fri 1972-01-07 00:50:00+00:00"));
}

TEST(ScheduleTest, ErrorsNameTheFieldTheCharacterAndWhatIsAllowed) {
  const std::pair<std::string_view, std::string_view> errors[] = {
      {"60 * * * *", "minute at character 1: \"60\" is out of range; allowed are 0 to 59"},
      {"0 24 * * *", "hour at character 3: \"24\" is out of range; allowed are 0 to 23"},
      {"0 0 0 * *", "day of month at character 5: \"0\" is out of range; allowed are 1 to 31"},
      {"0 0 1 jan,13 *",
       "month at character 11: \"13\" is out of range; allowed are 1 to 12 and jan to dec"},
      {"0 0 * * 8", "day of week at character 9: \"8\" is out of range; allowed are 0 to 7 and "},
      {"0 0 * * monday", "day of week at character 9: \"monday\" is no value; allowed are 0 to 7"},
      {"mon * * * *", "minute at character 1: \"mon\" is no value; allowed are 0 to 59"},
      {"18446744073709551617 * * * *", "minute at character 1: \"18446744073709551617\" is out"},
      {"1-x * * * *", "minute at character 3: \"x\" is no value"},
      {"1,,2 * * * *", "minute at character 3: \",2\" is no value"},
      {"1, * * * *", "minute at character 3: a value is missing"},
      {"-5 * * * *", "minute at character 1: \"-5\" is no value"},
      {"0 22-2 * * *", "hour at character 6: the range 22-2 ends before it begins"},
      {"0 0 * * fri-mon", "day of week at character 13: the range fri-mon ends before it begins"},
      {"5/10 * * * *", "minute at character 2: a step (/) is for * and for ranges"},
      {"*/0 * * * *", "step of minute at character 3: \"0\" is out of range; allowed are 1 to 59"},
      {"*/60 * * * *", "step of minute at character 3: \"60\" is out of range"},
      {"0 */24 * * *", "step of hour at character 5: \"24\" is out of range; allowed are 1 to 23"},
      {"*/ * * * *", "step of minute at character 3: \"\" is out of range"},
      {"*/2/2 * * * *", "minute at character 4: \"/2\" is neither a comma"},
      {"** * * * *", "minute at character 2: \"*\" is neither a comma"},
      {"1-2-3 * * * *", "minute at character 4: \"-3\" is neither a comma"},
      {"0 3 L * *", "day of month at character 5: \"L\" is no value"},
      {"0 3 ? * *", "day of month at character 5: \"?\" is no value"},
      {"0 3 \x1b[31m * *", "day of month at character 5: \"\\x1b[31m\" is no value"},
      {"0\n3 * * * *", "minute at character 2: \"\\n3\" is neither a comma"},
      {"0 3 * *", "day of week is missing at character 8; wanted are five fields"},
      {"0 3 * * * *", "\"*\" at character 11 is more than five fields; wanted are five fields"},
      {"0 3 * * * root /bin/true", "at character 11 is more than five fields"},
      {"", "the expression is empty; wanted are five fields"},
      {" \t ", "the expression is empty"},
      {"@reboot", "@reboot at character 1 is no time; wanted are"},
      {" @every 5m", "\"@every 5m\" at character 2 is not known; wanted are"},
      {"@daily 3", "\"@daily 3\" at character 1 is not known"},
      {"@", "\"@\" at character 1 is not known"},
  };
  for (const auto& [cron, error] : errors) {
    EXPECT_THAT(ErrorOf(cron), ::testing::StartsWith("schedule: ")) << cron;
    EXPECT_THAT(ErrorOf(cron), HasSubstr(error)) << cron;
  }
  EXPECT_THAT(ErrorOf(std::string("0 3 * * *\0", 10)), HasSubstr("day of week at character 10"));
  EXPECT_THAT(ErrorOf(std::string(kMaxCronBytes + 1, '*')),
              HasSubstr("257 bytes; allowed are 256"));
}

TEST(ScheduleTest, OnlyNamesOfTheIanaDatabaseAreTimeZones) {
  for (const std::string_view zone :
       {"", "/etc/passwd", "/usr/share/zoneinfo/Europe/Berlin", "../zoneinfo/Europe/Berlin",
        "Europe/../Europe/Berlin", "./Europe/Berlin", "Fixed/UTC+05:00:00", "libc:localtime",
        "localtime", "posixrules", "posix/Europe/Berlin", "right/Europe/Berlin", "UTC0",
        "Europe/Berlin ", "Europe/B\xc3\xa9rlin", "zone.tab", "CET-1CEST,M3.5.0"}) {
    EXPECT_EQ(Schedule::Parse("@daily", zone).status().code(), absl::StatusCode::kInvalidArgument)
        << zone;
  }
  EXPECT_EQ(Schedule::Parse("@daily", std::string("UTC\0", 4)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Schedule::Parse("@daily", std::string(65, 'A')).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Schedule::Parse("@daily", "Mars\n").status().message()),
              HasSubstr("time zone \"Mars\\n\": wanted is"));
}

TEST(ScheduleTest, ATimeZoneThatThisHostHasNotIsNotFound) {
  for (const std::string_view zone :
       {"Mars/Olympus", "Europe", "Europe/", "Europe//", "europe/berlin", "leapseconds"}) {
    const absl::Status status = Schedule::Parse("@daily", zone).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << zone;
    EXPECT_THAT(std::string(status.message()), HasSubstr("tzdata")) << zone;
  }
  for (const std::string_view zone : {"UTC", "Europe/Berlin", "Etc/GMT+5", "EST5EDT",
                                      "America/Argentina/Buenos_Aires", "America/Port-au-Prince"}) {
    EXPECT_EQ(Parsed("@daily", zone).time_zone().name(), ToAbsl(zone));
  }
}

TEST(ScheduleTest, ShortestIntervalIsOverAllYearsByTheLocalClock) {
  const std::pair<std::string_view, absl::Duration> intervals[] = {
      {"* * * * *", absl::Minutes(1)},
      {"*/10 * * * *", absl::Minutes(10)},
      {"*/7 * * * *", absl::Minutes(4)},
      {"0 * * * *", absl::Hours(1)},
      {"0,59 0,23 * * *", absl::Minutes(1)},
      {"0,59 0,23 1,3 * *", absl::Minutes(59)},
      {"0 3 * * *", absl::Hours(24)},
      {"0 3,9 * * *", absl::Hours(6)},
      {"0 1,23 * * *", absl::Hours(2)},
      {"0 3 * * sun", absl::Hours(24 * 7)},
      {"0 3 * * mon,wed", absl::Hours(48)},
      {"0 3 1 * *", absl::Hours(24 * 28)},
      {"0 3 1 3,4 *", absl::Hours(24 * 31)},
      {"0 3 13 * fri", absl::Hours(24)},
      {"0 3 1 1 *", absl::Hours(24 * 365)},
      {"0 3 31 12 *", absl::Hours(24 * 365)},
      {"0 3 29 2 *", absl::Hours(24 * (4 * 365 + 1))},
  };
  for (const auto& [cron, interval] : intervals) {
    EXPECT_EQ(Parsed(cron).ShortestInterval(), interval) << cron;
  }
}

TEST(ScheduleTest, DescribesInWordsWhatWordsCanSay) {
  const std::pair<std::string_view, std::string_view> descriptions[] = {
      {"0 3 * * *", "at 03:00 every day"},
      {"@daily", "at 00:00 every day"},
      {"* * * * *", "every minute"},
      {"*/1 * * * *", "every minute"},
      {"*/10 * * * mon", "every 10 minutes on Monday"},
      {"0,15,30,45 0-23 1-31 * *", "every 15 minutes"},
      {"@hourly", "every hour"},
      {"17 * * * *", "every hour at minute 17"},
      {"0 */4 * * *", "every 4 hours"},
      {"5 */2 * * sun", "every 2 hours at minute 5 on Sunday"},
      {"0 */12 * * *", "at 00:00 and 12:00 every day"},
      {"0,30 6,18 * * *", "at 06:00, 06:30, 18:00 and 18:30 every day"},
      {"30 4 * * 1-5", "at 04:30 from Monday to Friday"},
      {"30 4 * * sun,tue,sat", "at 04:30 on Tuesday, Saturday and Sunday"},
      {"@monthly", "at 00:00 on day 1 of every month"},
      {"0 3 1,15 * *", "at 03:00 on days 1 and 15 of every month"},
      {"@yearly", "at 00:00 on day 1 of January"},
      {"0 3 1 jan,jul *", "at 03:00 on day 1 of January and July"},
      {"0 3 * dec *", "at 03:00 every day in December"},
      {"* * * dec *", "every minute in December"},
      {"0 3 * dec mon", "at 03:00 on Monday in December"},
      {"0 3 13 * fri", "at 03:00 on day 13 of every month or on Friday"},
      {"0 3 13 * *", "at 03:00 on day 13 of every month"},
      {"0 3 1-31 * fri", "at 03:00 every day"},
      {"0 3 */10 * *", "at 03:00 on days 1, 11, 21 and 31 of every month"},
      // Neither even nor few.
      {"*/7 * * * *", "*/7 * * * *"},
      {"*/10 2 * * *", "*/10 2 * * *"},
      {"0 3 */2 * *", "0 3 */2 * *"},
      {" 0 3 */10 * mon ", "0 3 */10 * mon"},
      {"0 3 13 * */5", "0 3 13 * */5"},
      {"0 3 1 1-5 *", "0 3 1 1-5 *"},
  };
  for (const auto& [cron, words] : descriptions) EXPECT_EQ(Parsed(cron).Describe(), words) << cron;
}

TEST(JitterTest, IsTheSameEachTimeAndAnotherForEveryInput) {
  const absl::Time time = Instant("2026-01-05T03:00:00Z");
  const absl::Duration hour = absl::Hours(1);
  const absl::Duration jitter = JitterOf("action", "agent", time, hour);
  // Agents of every version draw the same.
  EXPECT_EQ(jitter, absl::Milliseconds(478443));
  EXPECT_EQ(jitter, JitterOf("action", "agent", time, hour));
  EXPECT_NE(jitter, JitterOf("action2", "agent", time, hour));
  EXPECT_NE(jitter, JitterOf("action", "agent2", time, hour));
  EXPECT_NE(jitter, JitterOf("action", "agent", time + absl::Minutes(1), hour));
  // Lengths are part of it: what moves from one id to the other changes it.
  EXPECT_NE(jitter, JitterOf("actiona", "gent", time, hour));
}

TEST(JitterTest, IsEvenlySpreadFromNothingToAllOfIt) {
  const absl::Time time = Instant("2026-01-05T03:00:00Z");
  std::vector<int> tenths(10);
  std::vector<int> choices(4);
  for (int i = 0; i < 10000; ++i) {
    const std::string agent = StrCat("agent-", i);
    const absl::Duration jitter = JitterOf("action", agent, time, absl::Minutes(30));
    ASSERT_GE(jitter, absl::ZeroDuration());
    ASSERT_LE(jitter, absl::Minutes(30));
    ++tenths[std::min<size_t>(9, static_cast<size_t>(jitter / absl::Minutes(3)))];
    const absl::Duration tiny = JitterOf("action", agent, time, absl::Milliseconds(3));
    ++choices[static_cast<size_t>(absl::ToInt64Milliseconds(tiny))];
  }
  EXPECT_GT(*std::min_element(tenths.begin(), tenths.end()), 850);
  EXPECT_LT(*std::max_element(tenths.begin(), tenths.end()), 1150);
  EXPECT_GT(*std::min_element(choices.begin(), choices.end()), 2300);
}

TEST(JitterTest, IsNothingOfNothing) {
  const absl::Time time = Instant("2026-01-05T03:00:00Z");
  EXPECT_EQ(JitterOf("a", "b", time, absl::ZeroDuration()), absl::ZeroDuration());
  EXPECT_EQ(JitterOf("a", "b", time, absl::Seconds(-5)), absl::ZeroDuration());
  EXPECT_EQ(JitterOf("a", "b", time, -absl::InfiniteDuration()), absl::ZeroDuration());
  EXPECT_GE(JitterOf("a", "b", time, absl::InfiniteDuration()), absl::ZeroDuration());
  EXPECT_GE(JitterOf("", "", absl::UnixEpoch() - absl::Hours(1), absl::Hours(1)),
            absl::ZeroDuration());
}

// The slow way, for comparison: nothing below looks into a schedule or shares
// code with it. Time goes by minute by minute; what a clock on the wall shows
// and how far it ever came decides.

std::vector<std::string> Split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, by);) parts.push_back(part);
  return parts;
}

int SlowValue(const std::string& word) {
  static const std::vector<std::string> months = {"",    "jan", "feb", "mar", "apr", "may", "jun",
                                                  "jul", "aug", "sep", "oct", "nov", "dec"};
  static const std::vector<std::string> days = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
  for (const auto* names : {&months, &days}) {
    const auto found = std::find(names->begin(), names->end(), word);
    if (found != names->end()) return static_cast<int>(found - names->begin());
  }
  return std::stoi(word);
}

// A plain array: under the sanitizers these are read some ten million times.
struct SlowField {
  SlowField(const std::string& text, int first, int last);
  bool named[60] = {};
};

SlowField::SlowField(const std::string& text, int first, int last) {
  for (const std::string& item : Split(text, ',')) {
    const auto with_step = Split(item, '/');
    const auto ends = Split(with_step[0], '-');
    const bool all = ends[0] == "*";
    const int from = all ? first : SlowValue(ends[0]);
    const int to = all ? last : SlowValue(ends.back());
    const int step = with_step.size() > 1 ? std::stoi(with_step[1]) : 1;
    for (int value = first; value <= last; ++value) {
      if (value >= from && value <= to && (value - from) % step == 0) named[value] = true;
    }
  }
}

class SlowSchedule {
 public:
  explicit SlowSchedule(const std::string& cron) : SlowSchedule(Split(cron, ' ')) {}

  bool MatchesDay(absl::CivilDay shown) const {
    // Abseil's week begins on Monday, and cron has two Sundays.
    const int from_monday = static_cast<int>(absl::GetWeekday(shown));
    const bool weekday = from_monday == 6 ? weekdays_.named[0] || weekdays_.named[7]
                                          : weekdays_.named[from_monday + 1];
    const bool day = days_.named[shown.day()];
    return months_.named[shown.month()] && (both_days_ ? day && weekday : day || weekday);
  }

  bool Matches(absl::CivilMinute shown) const {
    return minutes_.named[shown.minute()] && hours_.named[shown.hour()] &&
           MatchesDay(absl::CivilDay(shown));
  }

  // `shown` has what clocks show at `begin` and each minute after it.
  std::vector<absl::Time> Occurrences(absl::Time begin,
                                      const std::vector<absl::CivilMinute>& shown) const {
    std::vector<absl::Time> occurrences;
    absl::CivilMinute furthest = shown[0] - 1;
    for (size_t i = 0; i < shown.size(); ++i) {
      bool due = any_hour_ && Matches(shown[i]);
      for (; furthest < shown[i];) {
        ++furthest;
        if (!any_hour_ && Matches(furthest)) due = true;
      }
      if (due) occurrences.push_back(begin + absl::Minutes(i));
    }
    return occurrences;
  }

 private:
  explicit SlowSchedule(const std::vector<std::string>& fields)
      : minutes_(fields[0], 0, 59),
        hours_(fields[1], 0, 23),
        days_(fields[2], 1, 31),
        months_(fields[3], 1, 12),
        weekdays_(fields[4], 0, 7),
        any_hour_(fields[1][0] == '*'),
        both_days_(fields[2][0] == '*' || fields[4][0] == '*') {}

  SlowField minutes_, hours_, days_, months_, weekdays_;
  bool any_hour_, both_days_;
};

class Dice {
 public:
  // The same on every run.
  explicit Dice(uint32_t seed) : random_(seed) {}

  int From(int first, int last) {
    return first + static_cast<int>(random_() % static_cast<uint32_t>(last - first + 1));
  }
  bool OneIn(int count) { return From(1, count) == 1; }

  // Fields near `hint` more often than elsewhere, so that they meet the change.
  std::string Field(int first, int last, int hint) {
    std::string text;
    do {
      if (!text.empty()) text += ",";
      text += Item(first, last, hint);
    } while (OneIn(3));
    return text;
  }

  std::string Cron(absl::CivilMinute near) {
    std::string cron = StrCat(
        Field(0, 59, From(0, 59)), " ", OneIn(3) ? "*" : Field(0, 23, near.hour()), " ",
        OneIn(2) ? "*" : Field(1, 31, near.day()), " ", OneIn(2) ? "*" : Field(1, 12, near.month()),
        " ", OneIn(2) ? "*" : Field(0, 7, From(0, 7)));
    return cron;
  }

 private:
  std::string Item(int first, int last, int hint) {
    const int around = std::clamp(hint + From(-2, 2), first, last);
    switch (From(0, 4)) {
      case 0:
        return "*";
      case 1:
        return StrCat("*/", From(1, (last == 7 ? 6 : last) - first));
      case 2: {
        const int end = From(around, last);
        return end > around && OneIn(2) ? StrCat(around, "-", end, "/", From(1, last - first - 1))
                                        : StrCat(around, "-", end);
      }
      default:
        return Word(around, last);
    }
  }

  std::string Word(int value, int last) {
    static const char* const kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
    static const char* const kDays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    if (last == 12 && OneIn(2)) return kMonths[value - 1];
    if (last == 7 && value < 7 && OneIn(2)) return kDays[value];
    return StrCat(value);
  }

  std::mt19937 random_;
};

// Where a year's clock changes are, to the minute; the middle of a year without any.
std::vector<absl::Time> ChangesIn(const absl::TimeZone& zone, int year) {
  const auto offset = [&](absl::Time time) { return zone.At(time).offset; };
  std::vector<absl::Time> changes;
  absl::Time before = absl::FromCivil(absl::CivilYear(year), absl::UTCTimeZone());
  for (int day = 0; day < 366; ++day) {
    absl::Time low = before;
    absl::Time high = before + absl::Hours(24);
    before = high;
    if (offset(low) == offset(high)) continue;
    while (high - low > absl::Minutes(1)) {
      const absl::Time middle = low + absl::Floor((high - low) / 2, absl::Minutes(1));
      (offset(middle) == offset(low) ? low : high) = middle;
    }
    changes.push_back(high);
  }
  if (changes.empty()) changes.push_back(before - absl::Hours(24 * 180));
  return changes;
}

void CompareAround(absl::Time change, const absl::TimeZone& zone, int expressions, Dice* dice) {
  constexpr int kMinutes = 3 * 24 * 60;
  const absl::Time begin = change - absl::Minutes(kMinutes / 2);
  const absl::Time end = begin + absl::Minutes(kMinutes);
  std::vector<absl::CivilMinute> shown;
  for (int i = 0; i < kMinutes; ++i) {
    shown.emplace_back(absl::ToCivilMinute(begin + absl::Minutes(i), zone));
  }
  for (int i = 0; i < expressions; ++i) {
    const std::string cron = dice->Cron(shown[static_cast<size_t>(kMinutes / 2)]);
    SCOPED_TRACE(StrCat(cron, " in ", zone.name(), " around ", Shown(change, zone)));
    const Schedule schedule = Parsed(cron, ToStd(zone.name()));
    const auto expected = SlowSchedule(cron).Occurrences(begin, shown);
    std::vector<absl::Time> found;
    for (auto next = schedule.NextAfter(begin - absl::Nanoseconds(1));
         next && *next < end && found.size() <= expected.size(); next = schedule.NextAfter(*next)) {
      found.push_back(*next);
    }
    ASSERT_EQ(found, expected);
    for (int j = 0; j < 40; ++j) {
      absl::Time time = begin + absl::Seconds(dice->From(0, 60 * kMinutes - 1));
      if (dice->OneIn(2)) time = change + absl::Minutes(dice->From(-200, 200));
      const auto after = std::upper_bound(expected.begin(), expected.end(), time);
      const auto next = schedule.NextAfter(time);
      ASSERT_TRUE(after != expected.end() ? next == *after : !next || *next >= end)
          << Shown(time, zone);
      const auto last = schedule.LastAtOrBefore(time);
      ASSERT_TRUE(after != expected.begin() ? last == *(after - 1) : !last || *last < begin)
          << Shown(time, zone);
      ASSERT_EQ(schedule.Holds(time), after != expected.begin() && *(after - 1) == time)
          << Shown(time, zone);
    }
  }
}

TEST(SchedulePropertyTest, AgreesWithASlowWalkThroughClockChanges) {
  const std::pair<std::string_view, int> places[] = {
      {"UTC", 2026},
      {"Asia/Kolkata", 2026},
      {"Europe/Berlin", 2024},
      {"Europe/Berlin", 2600},
      {"Europe/Berlin", 9998},
      {"Europe/Dublin", 2024},
      {"America/New_York", 1974},
      {"America/New_York", 2025},
      {"America/Sao_Paulo", 2017},
      {"America/Nuuk", 2023},
      {"America/Caracas", 2007},  // half an hour back
      {"America/Caracas", 2016},  // and forth
      {"Australia/Lord_Howe", 1985},
      {"Australia/Lord_Howe", 2024},
      {"Pacific/Chatham", 2024},
      {"Pacific/Apia", 2011},       // skips a day
      {"Pacific/Kwajalein", 1993},  // skips a day
      {"Asia/Beirut", 2022},
      {"Asia/Gaza", 2023},
      {"Asia/Kathmandu", 1985},
      {"Asia/Kathmandu", 1986},  // skips 15 minutes
      {"Africa/Cairo", 2014},    // four changes
      {"Africa/Cairo", 2024},
      {"Africa/Casablanca", 2024},
      {"Antarctica/Casey", 2010},  // three hours
      {"Antarctica/Troll", 2024},  // two hours
  };
  Dice dice(20261129);
  int changes = 0;
  for (const auto& [name, year] : places) {
    absl::TimeZone zone;
    ASSERT_TRUE(absl::LoadTimeZone(ToAbsl(name), &zone)) << name;
    for (const absl::Time change : ChangesIn(zone, year)) {
      ++changes;
      CompareAround(change, zone, 70, &dice);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GE(changes, 40);
}

TEST(SchedulePropertyTest, AgreesWithASlowWalkThroughYears) {
  Dice dice(19700101);
  for (int i = 0; i < 400; ++i) {
    const absl::CivilDay today(dice.From(1970, 9990), dice.From(1, 12), dice.From(1, 28));
    const std::string cron =
        StrCat("30 12 ", dice.From(25, 31), " ", dice.From(1, 12), dice.OneIn(2) ? ",2 " : " ",
               dice.OneIn(3) ? dice.Field(0, 7, 3) : std::string("*"));
    SCOPED_TRACE(StrCat(cron, " after ", absl::FormatCivilTime(today)));
    const SlowSchedule slow(cron);
    const Schedule schedule = Parsed(cron);
    const absl::TimeZone utc = absl::UTCTimeZone();
    const absl::Time now = absl::FromCivil(today, utc) + absl::Hours(13);
    std::optional<absl::Time> next;
    std::optional<absl::Time> last;
    for (int days = 1; days <= 5 * 366 && !next; ++days) {
      if (slow.MatchesDay(today + days)) {
        next = absl::FromCivil(today + days, utc) + absl::Minutes(750);
      }
    }
    for (int days = 0; days < 5 * 366 && !last; ++days) {
      if (slow.MatchesDay(today - days)) {
        last = absl::FromCivil(today - days, utc) + absl::Minutes(750);
      }
    }
    if (last && *last < absl::UnixEpoch()) last = std::nullopt;
    ASSERT_EQ(schedule.NextAfter(now), next);
    ASSERT_EQ(schedule.LastAtOrBefore(now), last);
  }
}

}  // namespace
}  // namespace dragnet
