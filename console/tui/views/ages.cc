#include "console/tui/views/ages.h"

#include "absl/time/civil_time.h"
#include "core/strings.h"

namespace dragnet::console::tui {

std::string ShortDuration(absl::Duration duration) {
  const int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds < 1) return "now";
  if (seconds < 60) return StrCat(seconds, " s");
  if (seconds < 3600) return StrCat(seconds / 60, " min");
  if (seconds < 2 * 86400) return StrCat(seconds / 3600, " h");
  return StrCat(seconds / 86400, " d");
}

std::string Age(absl::Time then, absl::Time now) {
  return then == absl::InfinitePast() ? "never" : ShortDuration(now - then);
}

std::string ShortTime(absl::Time time, absl::Time now) {
  const absl::TimeZone zone = absl::LocalTimeZone();
  const absl::CivilDay day(absl::ToCivilSecond(time, zone));
  const absl::CivilDay today(absl::ToCivilSecond(now, zone));
  if (day == today) return absl::FormatTime("%H:%M:%S", time, zone);
  if (day.year() == today.year()) return absl::FormatTime("%e %b %H:%M", time, zone);
  return absl::FormatTime("%Y-%m-%d", time, zone);
}

void Ticker::Start() {
  if (running_ != nullptr) return;
  running_ = std::make_shared<char>();
  Next();
}

void Ticker::Next() {
  loop_.After(absl::Seconds(1), running_, [this] {
    tick_();
    if (running_ != nullptr) Next();
  });
}

}  // namespace dragnet::console::tui
