#include "core/schedule.h"

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <cstdlib>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/time/civil_time.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

using TimeInfo = absl::TimeZone::TimeInfo;

constexpr absl::Duration kHorizon = absl::Hours(24 * 366 * 5);
// 10000-01-01 00:00:00 UTC.
constexpr int64_t kEndOfTime = 253402300800;

bool IsInRange(absl::Time time) {
  return time >= absl::UnixEpoch() && time < absl::FromUnixSeconds(kEndOfTime);
}

bool IsTimeZoneName(std::string_view name) {
  if (name.empty() || name.size() > kMaxTimeZoneBytes || name.front() == '/') return false;
  for (const char c : name) {
    const bool safe = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '+' ||
                      c == '-' || c == '/';
    if (!safe) return false;
  }
  // Files that lie beside the zones: copies, leap seconds, and this host's own
  // zone, which is another one on another host.
  constexpr std::array<std::string_view, 3> kNoNames = {"localtime", "posixrules", "UTC0"};
  for (const std::string_view other : kNoNames) {
    if (name == other) return false;
  }
  return !name.starts_with("posix/") && !name.starts_with("right/");
}

// Abseil remembers every name that it was ever asked for, the wrong ones too and
// for good. It gets only those that are there, so that made-up names take no
// memory, and so that a zone is found as soon as tzdata is installed.
bool IsOnThisHost(const std::string& name) {
  const char* directory = std::getenv("TZDIR");
  if (directory == nullptr || *directory == '\0') directory = "/usr/share/zoneinfo";
  struct stat info = {};
  return ::stat(StrCat(directory, "/", name).c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

absl::StatusOr<absl::TimeZone> FindTimeZone(std::string_view name) {
  if (name == "UTC") return absl::UTCTimeZone();
  if (!IsTimeZoneName(name)) {
    return absl::InvalidArgumentError(
        StrCat("time zone \"", ForTerminal(Shorten(name, kMaxTimeZoneBytes)),
               "\": wanted is a name of the IANA database, as Europe/Berlin or UTC, of up to ",
               kMaxTimeZoneBytes, " letters, digits and _ + - /"));
  }
  const std::string path(name);
  absl::TimeZone time_zone;
  if (IsOnThisHost(path) && absl::LoadTimeZone(path, &time_zone)) return time_zone;
  return absl::NotFoundError(StrCat("time zone \"", name,
                                    "\": this host has none of this name; is it written right, "
                                    "and is the package tzdata installed and current?"));
}

// The first minute that begins at or after `second`.
absl::CivilMinute RoundUp(absl::CivilSecond second) {
  const absl::CivilMinute minute(second);
  return absl::CivilSecond(minute) == second ? minute : minute + 1;
}

// What clocks show at an instant, and whether they show it, or did, once more.
struct Wall {
  absl::CivilSecond shown;
  bool first_pass = false;
  bool second_pass = false;
  // Of what comes twice.
  absl::CivilSecond begin;
  absl::CivilSecond end;

  Wall(const absl::TimeZone& zone, absl::Time time) : shown(zone.At(time).cs) {
    const TimeInfo info = zone.At(shown);
    if (info.kind != TimeInfo::REPEATED) return;
    first_pass = time < info.trans;
    second_pass = !first_pass;
    begin = zone.At(info.trans).cs;
    end = shown + absl::ToInt64Seconds(info.trans - info.pre);
  }
};

// When an occurrence of named hours is due whose local time is this.
absl::Time DueAt(const TimeInfo& info) {
  return info.kind == TimeInfo::SKIPPED ? info.trans : info.pre;
}

void AppendNumber(uint64_t number, std::string* bytes) {
  for (int shift = 56; shift >= 0; shift -= 8) bytes->push_back(static_cast<char>(number >> shift));
}

void AppendWithLength(std::string_view part, std::string* bytes) {
  AppendNumber(part.size(), bytes);
  bytes->append(part);
}

}  // namespace

absl::StatusOr<Schedule> Schedule::Parse(std::string_view cron, std::string_view time_zone) {
  Schedule schedule;
  DRAGNET_ASSIGN_OR_RETURN(schedule.fields_, ParseCron(cron));
  DRAGNET_ASSIGN_OR_RETURN(schedule.time_zone_, FindTimeZone(time_zone));
  const size_t begin = cron.find_first_not_of(" \t");
  const size_t end = cron.find_last_not_of(" \t");
  schedule.cron_ = cron.substr(begin, end - begin + 1);
  return schedule;
}

std::optional<absl::Time> Schedule::NextAfter(absl::Time time) const {
  if (!IsInRange(time)) return std::nullopt;
  const std::optional<absl::Time> next = fields_.any_hour ? NextShown(time) : NextNamed(time);
  if (!next.has_value() || !IsInRange(*next) || *next - time > kHorizon) return std::nullopt;
  return next;
}

std::optional<absl::Time> Schedule::LastAtOrBefore(absl::Time time) const {
  if (!IsInRange(time)) return std::nullopt;
  const std::optional<absl::Time> last = fields_.any_hour ? LastShown(time) : LastNamed(time);
  if (!last.has_value() || !IsInRange(*last) || time - *last > kHorizon) return std::nullopt;
  return last;
}

bool Schedule::Holds(absl::Time time) const { return LastAtOrBefore(time) == time; }

// Local times that match are due in their own order: those of a gap together at
// its end, those that come twice in the first pass. So the first local time
// that is due later is the next.
std::optional<absl::Time> Schedule::NextNamed(absl::Time time) const {
  const Wall wall(time_zone_, time);
  const absl::CivilMinute from(wall.second_pass ? wall.end : wall.shown);
  for (auto local = fields_.MatchFrom(from); local.has_value();
       local = fields_.MatchFrom(*local + 1)) {
    const absl::Time due = DueAt(time_zone_.At(absl::CivilSecond(*local)));
    if (due > time) return due;
  }
  return std::nullopt;
}

std::optional<absl::Time> Schedule::LastNamed(absl::Time time) const {
  const Wall wall(time_zone_, time);
  const absl::CivilMinute last(wall.second_pass ? wall.end - 1 : wall.shown);
  for (auto local = fields_.MatchUpTo(last); local.has_value();
       local = fields_.MatchUpTo(*local - 1)) {
    const absl::Time due = DueAt(time_zone_.At(absl::CivilSecond(*local)));
    if (due <= time) return due;
  }
  return std::nullopt;
}

std::optional<absl::Time> Schedule::NextShown(absl::Time time) const {
  const Wall wall(time_zone_, time);
  absl::CivilMinute from = absl::CivilMinute(wall.shown) + 1;
  if (wall.first_pass) {
    const auto local = fields_.MatchFrom(from);
    if (local.has_value() && absl::CivilSecond(*local) < wall.end) {
      return time_zone_.At(absl::CivilSecond(*local)).pre;
    }
    from = RoundUp(wall.begin);
  }
  for (auto local = fields_.MatchFrom(from); local.has_value();) {
    const TimeInfo info = time_zone_.At(absl::CivilSecond(*local));
    if (info.kind != TimeInfo::SKIPPED) return info.pre > time ? info.pre : info.post;
    local = fields_.MatchFrom(RoundUp(time_zone_.At(info.trans).cs));
  }
  return std::nullopt;
}

std::optional<absl::Time> Schedule::LastShown(absl::Time time) const {
  const Wall wall(time_zone_, time);
  absl::CivilMinute last(wall.shown);
  if (wall.second_pass) {
    const auto local = fields_.MatchUpTo(last);
    if (local.has_value() && absl::CivilSecond(*local) >= wall.begin) {
      return time_zone_.At(absl::CivilSecond(*local)).post;
    }
    last = absl::CivilMinute(wall.end - 1);
  }
  for (auto local = fields_.MatchUpTo(last); local.has_value();) {
    const TimeInfo info = time_zone_.At(absl::CivilSecond(*local));
    if (info.kind != TimeInfo::SKIPPED) return info.post <= time ? info.post : info.pre;
    local = fields_.MatchUpTo(absl::CivilMinute(time_zone_.At(info.trans - absl::Seconds(1)).cs));
  }
  return std::nullopt;
}

absl::Duration Schedule::ShortestInterval() const { return fields_.ShortestInterval(); }

std::string Schedule::Describe() const {
  const std::string words = DescribeCron(fields_);
  return words.empty() ? cron_ : words;
}

absl::Duration JitterOf(std::string_view action_id, std::string_view agent_id,
                        absl::Time occurrence, absl::Duration jitter) {
  if (jitter <= absl::ZeroDuration()) return absl::ZeroDuration();
  std::string bytes = "dragnet jitter\n";
  AppendWithLength(action_id, &bytes);
  AppendWithLength(agent_id, &bytes);
  AppendNumber(static_cast<uint64_t>(absl::ToUnixSeconds(occurrence)), &bytes);
  const std::string hash = Sha256(bytes);
  uint64_t drawn = 0;
  for (size_t i = 0; i < sizeof(drawn); ++i) {
    drawn = drawn << 8 | static_cast<unsigned char>(hash[i]);
  }
  // Out of 2^64, in proportion: no value is likelier than another by more than 2^-40
  // for a jitter of hours.
  const auto choices = static_cast<uint64_t>(absl::ToInt64Milliseconds(jitter)) + 1;
  const absl::uint128 product = absl::uint128(drawn) * choices;
  return absl::Milliseconds(static_cast<int64_t>(absl::Uint128High64(product)));
}

}  // namespace dragnet
