// The filters on what a directory and an inode say of a file: size, time of
// modification, mode, type. Values, thread-safe once made.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dragnet::file {

enum class FileType : uint8_t {
  kUnknown,
  kRegular,
  kDirectory,
  kSymlink,
  kFifo,
  kSocket,
  kBlockDevice,
  kCharDevice,
};

FileType TypeOfMode(mode_t mode);
// From a directory entry's d_type (DT_REG, …).
FileType TypeOfDirent(uint8_t d_type);
// As in the parameters and rows: file, directory, …
std::string_view TypeName(FileType type);
absl::StatusOr<FileType> ParseType(std::string_view name);

// As ls -l writes it: -rwsr-xr-t.
std::string ModeString(mode_t mode);

// Sizes from `min` to `max`, both included.
struct SizeFilter {
  uint64_t min = 0;
  uint64_t max = UINT64_MAX;

  bool Holds(uint64_t size) const { return min <= size && size <= max; }
};
// "<50k", "<=50k", ">1m", ">=1m", "=0", "10g".
absl::StatusOr<SizeFilter> ParseSize(std::string_view text);
// InvalidArgument when no size can pass all of them.
absl::Status CheckSizesMeet(std::span<const SizeFilter> filters);

// Times from `earliest` to before `latest`; relative ones count back from the
// start of the run.
class TimeFilter {
 public:
  static TimeFilter NewerThan(absl::Duration age) { return {Kind::kNewer, age, {}}; }
  static TimeFilter OlderThan(absl::Duration age) { return {Kind::kOlder, age, {}}; }
  static TimeFilter After(absl::Time time) { return {Kind::kAfter, {}, time}; }
  static TimeFilter Before(absl::Time time) { return {Kind::kBefore, {}, time}; }

  bool Holds(absl::Time time, absl::Time now) const;

 private:
  friend absl::Status CheckTimesMeet(std::span<const TimeFilter> filters);

  enum class Kind { kNewer, kOlder, kAfter, kBefore };
  TimeFilter(Kind kind, absl::Duration age, absl::Time time)
      : kind_(kind), age_(age), time_(time) {}

  Kind kind_;
  absl::Duration age_;
  absl::Time time_;
};
// "<2h", ">30d", "after 2024-02-03", "before 2024-02-03T04:05:06Z".
absl::StatusOr<TimeFilter> ParseTime(std::string_view text);
// InvalidArgument when no time can pass all of them, whenever the search runs.
absl::Status CheckTimesMeet(std::span<const TimeFilter> filters);

}  // namespace dragnet::file
