#include "modules/file/filters.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "core/strings.h"

namespace dragnet::file {
namespace {

struct TypeWord {
  FileType type;
  std::string_view name;
  mode_t format;
  uint8_t d_type;
  char letter;
};

constexpr TypeWord kTypes[] = {
    {FileType::kRegular, "file", S_IFREG, DT_REG, '-'},
    {FileType::kDirectory, "directory", S_IFDIR, DT_DIR, 'd'},
    {FileType::kSymlink, "symlink", S_IFLNK, DT_LNK, 'l'},
    {FileType::kFifo, "fifo", S_IFIFO, DT_FIFO, 'p'},
    {FileType::kSocket, "socket", S_IFSOCK, DT_SOCK, 's'},
    {FileType::kBlockDevice, "block", S_IFBLK, DT_BLK, 'b'},
    {FileType::kCharDevice, "char", S_IFCHR, DT_CHR, 'c'},
};

// Takes `prefix` off `text` if it begins with it.
bool ConsumePrefix(std::string_view* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// Digits only: absl's parser would take signs and spaces.
std::optional<uint64_t> ParseDigits(std::string_view text) {
  uint64_t value = 0;
  if (text.empty() || !std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(ToAbsl(text), &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<uint64_t> ParseBytes(std::string_view text) {
  int shift = 0;
  if (!text.empty()) {
    switch (absl::ascii_tolower(text.back())) {
      case 'k':
        shift = 10;
        break;
      case 'm':
        shift = 20;
        break;
      case 'g':
        shift = 30;
        break;
      case 't':
        shift = 40;
        break;
    }
  }
  if (shift > 0) text.remove_suffix(1);
  const std::optional<uint64_t> number = ParseDigits(text);
  if (!number || *number > (uint64_t{INT64_MAX} >> shift)) return std::nullopt;
  return *number << shift;
}

std::optional<absl::Duration> ParseAge(std::string_view text) {
  if (text.empty()) return std::nullopt;
  absl::Duration unit;
  switch (text.back()) {
    case 's':
      unit = absl::Seconds(1);
      break;
    case 'm':
      unit = absl::Minutes(1);
      break;
    case 'h':
      unit = absl::Hours(1);
      break;
    case 'd':
      unit = absl::Hours(24);
      break;
    case 'w':
      unit = absl::Hours(24 * 7);
      break;
    default:
      return std::nullopt;
  }
  text.remove_suffix(1);
  const std::optional<uint64_t> number = ParseDigits(text);
  // A hundred thousand years in the smallest unit; keeps the product finite.
  if (!number || *number > 3'155'760'000'000) return std::nullopt;
  return static_cast<int64_t>(*number) * unit;
}

std::optional<absl::Time> ParseMoment(std::string_view text) {
  absl::Time time;
  std::string error;
  // absl's formats skip leading space and take any number of year digits.
  if (text.size() < 10 || !absl::ascii_isdigit(text[0]) || text[4] != '-') return std::nullopt;
  const char* format = text.size() == 10 ? "%Y-%m-%d" : "%Y-%m-%dT%H:%M:%E*S%Ez";
  if (!absl::ParseTime(format, ToAbsl(text), &time, &error)) return std::nullopt;
  return time;
}

}  // namespace

FileType TypeOfMode(mode_t mode) {
  for (const TypeWord& word : kTypes)
    if ((mode & S_IFMT) == word.format) return word.type;
  return FileType::kUnknown;
}

FileType TypeOfDirent(uint8_t d_type) {
  for (const TypeWord& word : kTypes)
    if (d_type == word.d_type) return word.type;
  return FileType::kUnknown;
}

std::string_view TypeName(FileType type) {
  for (const TypeWord& word : kTypes)
    if (type == word.type) return word.name;
  return "unknown";
}

absl::StatusOr<FileType> ParseType(std::string_view name) {
  for (const TypeWord& word : kTypes)
    if (name == word.name) return word.type;
  return absl::InvalidArgumentError(
      "is none of file, directory, symlink, fifo, socket, block, char");
}

std::string ModeString(mode_t mode) {
  std::string text = "?rwxrwxrwx";
  for (const TypeWord& word : kTypes)
    if ((mode & S_IFMT) == word.format) text[0] = word.letter;
  for (int bit = 0; bit < 9; ++bit)
    if (!(mode & (0400 >> bit))) text[1 + bit] = '-';
  const auto special = [&](mode_t bit, int position, char with_x, char without_x) {
    if (mode & bit) text[position] = text[position] == 'x' ? with_x : without_x;
  };
  special(S_ISUID, 3, 's', 'S');
  special(S_ISGID, 6, 's', 'S');
  special(S_ISVTX, 9, 't', 'T');
  return text;
}

absl::StatusOr<SizeFilter> ParseSize(std::string_view text) {
  const auto error = [] {
    return absl::InvalidArgumentError(
        "is not a size: write <50k, <=50k, >1m, >=1m, =0 or 10g (k, m, g, t: powers of 1024)");
  };
  const bool less = ConsumePrefix(&text, "<");
  const bool more = !less && ConsumePrefix(&text, ">");
  const bool equal = ConsumePrefix(&text, "=");
  const std::optional<uint64_t> bytes = ParseBytes(text);
  if (!bytes) return error();
  SizeFilter filter;
  if (less) {
    if (!equal && *bytes == 0) return absl::InvalidArgumentError("holds for no file");
    filter.max = equal ? *bytes : *bytes - 1;
  } else if (more) {
    filter.min = equal ? *bytes : *bytes + 1;
  } else {
    filter.min = filter.max = *bytes;
  }
  return filter;
}

absl::Status CheckSizesMeet(std::span<const SizeFilter> filters) {
  SizeFilter meet;
  for (const SizeFilter& filter : filters) {
    meet.min = std::max(meet.min, filter.min);
    meet.max = std::min(meet.max, filter.max);
  }
  if (meet.min <= meet.max) return absl::OkStatus();
  return absl::InvalidArgumentError("contradict each other: no size passes all of them");
}

bool TimeFilter::Holds(absl::Time time, absl::Time now) const {
  switch (kind_) {
    case Kind::kNewer:
      return time > now - age_;
    case Kind::kOlder:
      return time < now - age_;
    case Kind::kAfter:
      return time >= time_;
    case Kind::kBefore:
      return time < time_;
  }
  return false;
}

absl::StatusOr<TimeFilter> ParseTime(std::string_view text) {
  std::string_view rest = text;
  if (ConsumePrefix(&rest, "<")) {
    if (const auto age = ParseAge(rest)) return TimeFilter::NewerThan(*age);
  } else if (ConsumePrefix(&rest, ">")) {
    if (const auto age = ParseAge(rest)) return TimeFilter::OlderThan(*age);
  } else if (ConsumePrefix(&rest, "after ")) {
    if (const auto time = ParseMoment(rest)) return TimeFilter::After(*time);
  } else if (ConsumePrefix(&rest, "before ")) {
    if (const auto time = ParseMoment(rest)) return TimeFilter::Before(*time);
  }
  return absl::InvalidArgumentError(
      "is not a time: write <2h (newer), >30d (older; s, m, h, d, w), 'after 2024-02-03' or "
      "'before 2024-02-03T04:05:06Z'");
}

absl::Status CheckTimesMeet(std::span<const TimeFilter> filters) {
  absl::Duration older = -absl::InfiniteDuration(), newer = absl::InfiniteDuration();
  absl::Time after = absl::InfinitePast(), before = absl::InfiniteFuture();
  for (const TimeFilter& filter : filters) {
    switch (filter.kind_) {
      case TimeFilter::Kind::kNewer:
        newer = std::min(newer, filter.age_);
        break;
      case TimeFilter::Kind::kOlder:
        older = std::max(older, filter.age_);
        break;
      case TimeFilter::Kind::kAfter:
        after = std::max(after, filter.time_);
        break;
      case TimeFilter::Kind::kBefore:
        before = std::min(before, filter.time_);
        break;
    }
  }
  if (older < newer && after < before) return absl::OkStatus();
  return absl::InvalidArgumentError("contradict each other: no time passes all of them");
}

}  // namespace dragnet::file
