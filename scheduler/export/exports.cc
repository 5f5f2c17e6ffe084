#include "scheduler/export/exports.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

// A receiver that is restarted is no problem yet.
constexpr absl::Duration kPatience = absl::Seconds(15);
constexpr size_t kMaxShown = 300;

double Lag(const ExportState& state, absl::Time now) {
  if (state.behind_since == absl::InfinitePast() || now < state.behind_since) return 0;
  return absl::ToDoubleSeconds(now - state.behind_since);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Exports>> Exports::Load(const std::vector<ExportSettings>& settings,
                                                       const std::string& store_path) {
  auto exports = std::make_unique<Exports>();
  for (const ExportSettings& one : settings) {
    DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Receiver> receiver, NewReceiver(one));
    exports->entries_.push_back(
        {one, StrCat(store_path, ".export.", one.name, ".cursor"), std::move(receiver)});
  }
  return exports;
}

void Exports::Start(const Exporter::Parts& parts, Watchers& watchers) {
  const WaitableMutex::Lock lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.receiver == nullptr) {
      // The one before ended with what it was for.
      absl::StatusOr<std::unique_ptr<Receiver>> receiver = NewReceiver(entry.settings);
      if (!receiver.ok()) {
        spdlog::error("export {}: {}", entry.settings.name,
                      ForTerminal(ToStd(receiver.status().message())));
        continue;
      }
      entry.receiver = *std::move(receiver);
    }
    exporters_.push_back(std::make_shared<Exporter>(
        parts, entry.settings.name, entry.settings.from_oldest, entry.cursor_file,
        std::move(entry.receiver),
        Exporter::Content{entry.settings.changes_only, entry.settings.format}));
    watchers.AddForAll(exporters_.back());
  }
}

void Exports::Stop() {
  // Ends them outside of the lock: status may be asked for meanwhile.
  std::vector<std::shared_ptr<Exporter>> exporters;
  {
    const WaitableMutex::Lock lock(mutex_);
    exporters.swap(exporters_);
  }
  for (const std::shared_ptr<Exporter>& exporter : exporters) exporter->Stop();
}

std::vector<ExportState> Exports::States() const {
  const WaitableMutex::Lock lock(mutex_);
  std::vector<ExportState> states;
  for (const std::shared_ptr<Exporter>& exporter : exporters_) states.push_back(exporter->state());
  return states;
}

std::vector<std::string> ExportProblems(const std::vector<ExportState>& exports, absl::Time now) {
  std::vector<std::string> problems;
  for (const ExportState& state : exports) {
    const std::string words = Shorten(ForTerminal(ToStd(state.error.message())), kMaxShown);
    if (state.stopped) {
      problems.push_back(StrCat("export ", state.name, " has stopped: ", words));
    } else if (!state.error.ok() && now - state.failing_since > kPatience) {
      problems.push_back(
          StrCat("export ", state.name, " to ", state.address, " has delivered nothing for ",
                 absl::FormatDuration(absl::Trunc(now - state.failing_since, absl::Seconds(1))),
                 ": ", words, "; nothing is lost while retention keeps it"));
    }
    if (state.gaps > 0)
      problems.push_back(StrCat("export ", state.name,
                                " was too far behind: retention removed results before they were "
                                "delivered; its receiver was told. Gone with the next start"));
  }
  return problems;
}

void WriteExports(const std::vector<ExportState>& exports, absl::Time now, MetricsText* text) {
  if (exports.empty()) return;
  text->BeginGauge("dragnet_export_lag_seconds",
                   "Age of the oldest event that was not delivered yet; 0 if there is none.");
  for (const ExportState& state : exports) text->Add(Lag(state, now), {{"export", state.name}});
  text->BeginGauge("dragnet_export_failing", "1 while nothing can be delivered.");
  for (const ExportState& state : exports)
    text->Add(state.error.ok() ? 0 : 1, {{"export", state.name}});
  text->BeginCounter("dragnet_export_events_total", "Events that were delivered.");
  for (const ExportState& state : exports)
    text->Add(static_cast<double>(state.events), {{"export", state.name}});
  text->BeginCounter("dragnet_export_failures_total", "Tries that failed.");
  for (const ExportState& state : exports)
    text->Add(static_cast<double>(state.failures), {{"export", state.name}});
  text->BeginCounter("dragnet_export_gaps_total",
                     "Times that retention removed what was not delivered yet.");
  for (const ExportState& state : exports)
    text->Add(static_cast<double>(state.gaps), {{"export", state.name}});
}

}  // namespace dragnet::scheduler
