// Schedules of recurring actions: an expression, a time zone and a time, each on
// its own line. Whoever may launch writes them, and three programs read them.
#include <algorithm>

#include "core/schedule.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {

std::vector<std::string> Seeds() {
  return {
      "0 3 * * *\nEurope/Berlin\n1711843200",
      "30 2 * * *\nEurope/Berlin\n1729983900",
      "*/10 * * * *\nAmerica/New_York\n1762063200",
      "0,15,45 1-2 * * *\nAustralia/Lord_Howe\n1712415600",
      "0 0 30 dec *\nPacific/Apia\n1325203200",
      "*/5 */2 * * *\nAfrica/Monrovia\n63593100",
      "59 23 29 FEB 7\nUTC\n4102444800",
      "5-59/20 8-18/3 1,15 jan-jun,DEC mon-fri\nAsia/Beirut\n1648332000",
      "0 3 31 2 *\nUTC\n0",
      "@daily\nAfrica/Cairo\n1714082400",
      "@hourly\nEtc/GMT+5\n253402300799",
      "@reboot\n../../etc/passwd\n-1",
      "* * * * *\nFixed/UTC+05:00:00\n9223372036854775807",
      "0 0 * * sat-sun\nlocaltime\n1",
  };
}

namespace {

std::string_view TakeLine(std::string_view* input) {
  const std::string_view line = input->substr(0, input->find('\n'));
  input->remove_prefix(std::min(input->size(), line.size() + 1));
  return line;
}

// Digits as far as there are some.
int64_t ToNumber(std::string_view text) {
  uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') break;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  return static_cast<int64_t>(number);
}

}  // namespace
}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  std::string_view input = fuzz::ToView(data, size);
  const std::string_view cron = fuzz::TakeLine(&input);
  const std::string_view zone = fuzz::TakeLine(&input);
  const absl::Time time = absl::FromUnixSeconds(fuzz::ToNumber(input));
  auto schedule = Schedule::Parse(cron, zone);
  // Most inputs aren't a time zone's name; the expression is looked at all the same.
  if (!schedule.ok()) schedule = Schedule::Parse(cron, "Europe/Berlin");
  if (!schedule.ok()) return 0;

  fuzz::Must(!schedule->Describe().empty(), "there are words for every schedule");
  fuzz::Must(schedule->ShortestInterval() >= absl::Minutes(1), "at most once a minute");
  const std::optional<absl::Time> last = schedule->LastAtOrBefore(time);
  const std::optional<absl::Time> next = schedule->NextAfter(time);
  if (last.has_value()) {
    fuzz::Must(*last <= time && schedule->Holds(*last), "the last is an occurrence");
    // Seen from there, the next may be too far away, but it is no other.
    const std::optional<absl::Time> after = schedule->NextAfter(*last);
    fuzz::Must(!after.has_value() || after == next, "one next for both");
  }
  if (next.has_value()) {
    fuzz::Must(*next > time && schedule->Holds(*next), "the next is an occurrence");
    fuzz::Must(schedule->LastAtOrBefore(*next) == next, "and the last one at its own time");
    const std::optional<absl::Time> before = schedule->LastAtOrBefore(*next - absl::Nanoseconds(1));
    fuzz::Must(!before.has_value() || before == last, "one last for both");
  }
  fuzz::Must(schedule->Holds(time) == (last == time), "one answer");
  return 0;
}
