#include "scheduler/dispatch/record_log.h"

#include <spdlog/spdlog.h>

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "core/clock.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxLoggedText = 300;

// DISPATCH_STATE_FOUND is "found".
std::string WordOf(v1::DispatchState state) {
  const std::string name = v1::DispatchState_Name(state);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "DISPATCH_STATE_"));
}

}  // namespace

RecordWorth WorthOf(const Appended& appended, const std::string& refusal) {
  if (appended.over_bounds) return RecordWorth::kOverBounds;
  return appended.duplicate || !appended.dropped.ok() || !refusal.empty() ? RecordWorth::kNothingNew
                                                                          : RecordWorth::kSomething;
}

void RecordLog::Say(const std::string& action_id, const std::string& agent_id,
                    const std::string& refusal, const Appended& appended) {
  const absl::Time now = SteadyNow();
  std::optional<uint64_t> said;
  if (!refusal.empty()) {
    // By its reason: what the host says may differ each time.
    said = lines_.Ask(StrCat(agent_id, " ", refusal.substr(0, refusal.find(':'))), now);
    if (said.has_value())
      spdlog::info("action {} agent {}: refused: {}{}", action_id, agent_id, refusal,
                   RepeatedLines::Words(*said));
  } else if (!appended.dropped.ok()) {
    said =
        lines_.Ask(StrCat(agent_id, " ", absl::StatusCodeToString(appended.dropped.code())), now);
    if (said.has_value())
      spdlog::warn("action {} agent {}: record dropped: {}{}", action_id, agent_id,
                   Shorten(ForTerminal(ToStd(appended.dropped.message())), kMaxLoggedText),
                   RepeatedLines::Words(*said));
  } else if (!appended.duplicate) {
    said = 0;
  }
  // Of a pair that has ended each further one would say it again.
  if (said.has_value() && IsFinal(appended.state) &&
      appended.state != v1::DISPATCH_STATE_UNSPECIFIED)
    spdlog::info("action {} agent {}: {}", action_id, agent_id, WordOf(appended.state));
}

}  // namespace dragnet::scheduler
