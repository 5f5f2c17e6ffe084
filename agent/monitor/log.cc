#include "agent/monitor/log.h"

#include <unistd.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

constexpr int kMaxLinesPerPeriod = 200;
constexpr absl::Duration kPeriod = absl::Seconds(10);

void Write(std::string_view level, std::string_view message) {
  const std::string time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
  // One write, so that lines of several processes don't mix.
  WriteAll(STDERR_FILENO, StrCat(time, " ", level, " dragnet-agent: ", ForTerminal(message), "\n"))
      .IgnoreError();
}

void Log(std::string_view level, std::string_view message) {
  static absl::Time period_start = absl::InfinitePast();
  static int lines = 0;
  const absl::Time now = SteadyNow();
  if (now - period_start >= kPeriod) {
    if (lines > kMaxLinesPerPeriod) {
      Write("warning", StrCat(lines - kMaxLinesPerPeriod, " lines more were not logged"));
    }
    period_start = now;
    lines = 0;
  }
  if (++lines <= kMaxLinesPerPeriod) Write(level, message);
}

}  // namespace

void LogInfo(std::string_view message) { Log("info", message); }
void LogWarning(std::string_view message) { Log("warning", message); }

}  // namespace dragnet
