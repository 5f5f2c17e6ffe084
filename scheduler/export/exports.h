// All exports of a scheduler. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/export/exporter.h"
#include "scheduler/observe/metrics_text.h"

namespace dragnet::scheduler {

class Exports {
 public:
  // Reads the files that the settings name; starts nothing yet.
  static absl::StatusOr<std::unique_ptr<Exports>> Load(const std::vector<ExportSettings>& settings,
                                                       const std::string& store_path);

  // All of `parts`, and `watchers`, outlive it. After Stop it may start again.
  void Start(const Exporter::Parts& parts, Watchers& watchers);
  void Stop();

  std::vector<ExportState> States() const;

 private:
  struct Entry {
    ExportSettings settings;
    std::string cursor_file;
    std::unique_ptr<Receiver> receiver;
  };

  std::vector<Entry> entries_;
  mutable WaitableMutex mutex_;
  // Guarded by mutex_.
  std::vector<std::shared_ptr<Exporter>> exporters_;
};

// What somebody should look at. `now` for how long it has been so.
std::vector<std::string> ExportProblems(const std::vector<ExportState>& exports, absl::Time now);
void WriteExports(const std::vector<ExportState>& exports, absl::Time now, MetricsText* text);

}  // namespace dragnet::scheduler
