#include "agent/monitor/log.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"

namespace dragnet {
namespace {

constexpr int kMaxLinesPerPeriod = 200;
constexpr absl::Duration kPeriod = absl::Seconds(10);

std::optional<Journal> the_journal;
std::string the_agent;

bool WriteToJournal(JournalPriority priority, std::string_view message,
                    std::string_view action_id) {
  if (!the_journal.has_value()) return false;
  std::vector<JournalField> fields;
  if (IsUuid(action_id)) fields.push_back({"DRAGNET_ACTION", action_id});
  if (!the_agent.empty()) fields.push_back({"DRAGNET_AGENT", the_agent});
  return the_journal->Write(priority, message, fields);
}

void Write(JournalPriority priority, std::string_view message, std::string_view action_id = {}) {
  const std::string line = ForTerminal(message);
  if (WriteToJournal(priority, line, action_id)) return;
  const std::string_view level = priority == JournalPriority::kWarning ? "warning" : "info";
  const std::string time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
  // One write, so that lines of several processes don't mix.
  WriteAll(STDERR_FILENO, StrCat(time, " ", level, " dragnet-agent: ", line, "\n")).IgnoreError();
}

void Log(JournalPriority priority, std::string_view message, std::string_view action_id) {
  static absl::Time period_start = absl::InfinitePast();
  static int lines = 0;
  const absl::Time now = SteadyNow();
  if (now - period_start >= kPeriod) {
    if (lines > kMaxLinesPerPeriod) {
      Write(JournalPriority::kWarning,
            StrCat(lines - kMaxLinesPerPeriod, " lines more were not logged"));
    }
    period_start = now;
    lines = 0;
  }
  if (++lines <= kMaxLinesPerPeriod) Write(priority, message, action_id);
}

}  // namespace

void SetLogJournal(std::optional<Journal> journal) { the_journal = std::move(journal); }
void SetLogAgent(std::string agent_id) { the_agent = std::move(agent_id); }

void LogInfo(std::string_view message, std::string_view action_id) {
  Log(JournalPriority::kInfo, message, action_id);
}
void LogWarning(std::string_view message, std::string_view action_id) {
  Log(JournalPriority::kWarning, message, action_id);
}

}  // namespace dragnet
