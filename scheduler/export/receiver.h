// Who gets events: syslog over TLS, a webhook. Each belongs to the thread of its
// exporter.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/export/export_settings.h"

namespace dragnet::scheduler {

class Receiver {
 public:
  virtual ~Receiver() = default;

  // Brings a batch of events, each a JSON object without line ends. OK only when
  // the receiver has confirmed that it has all of them: the batch is never sent
  // again then. Blocks, at most a minute or so; returns within a second once `stop`
  // is true (but for a name that a slow name server resolves).
  virtual absl::Status Deliver(const std::vector<std::string>& events,
                               const std::atomic<bool>& stop) = 0;

  // "siem.example.org:6514", for people.
  virtual std::string address() const = 0;
};

// Reads the files that the settings name. Errors name file and export.
absl::StatusOr<std::unique_ptr<Receiver>> NewReceiver(const ExportSettings& settings);
absl::StatusOr<std::unique_ptr<Receiver>> NewSyslogReceiver(const ExportSettings& settings);
absl::StatusOr<std::unique_ptr<Receiver>> NewWebhookReceiver(const ExportSettings& settings);

}  // namespace dragnet::scheduler
