#include "agent/monitor/log.h"

#include <unistd.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

void Log(std::string_view level, std::string_view message) {
  const std::string time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
  // One write, so that lines of several processes don't mix.
  WriteAll(STDERR_FILENO, StrCat(time, " ", level, " dragnet-agent: ", ForTerminal(message), "\n"))
      .IgnoreError();
}

}  // namespace

void LogInfo(std::string_view message) { Log("info", message); }
void LogWarning(std::string_view message) { Log("warning", message); }

}  // namespace dragnet
