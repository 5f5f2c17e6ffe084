// How the scheduler is: for `dragnet status`, for Prometheus, and for who only
// wants to know whether it works. Each is asked for, nothing is sent.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "dragnet/v1/investigator.pb.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/dispatch/policies.h"
#include "scheduler/dispatch/watchers.h"
#include "scheduler/export/exports.h"
#include "scheduler/observe/http_server.h"
#include "scheduler/observe/metrics_text.h"
#include "scheduler/observe/process_stats.h"
#include "scheduler/settings.h"
#include "scheduler/store/upkeep.h"

namespace dragnet::scheduler {

// Everything that there is to say, at one moment.
struct StatusFacts {
  // ---- known from the start on
  std::string fleet_id;
  absl::Time started_at;
  std::string ca_certificate;
  absl::Time ca_certificate_expires;
  std::string server_certificate;
  absl::Time server_certificate_expires;
  RetentionRules retention;

  // ---- levels
  absl::Time now;
  Agents::Census agents;
  // Until an operator lets them in.
  uint64_t hosts_waiting = 0;
  Dispatcher::Activity actions;
  uint64_t watchers = 0;
  uint64_t rows_stored = 0;
  uint64_t pending_bytes = 0;
  uint64_t trust_policy_version = 0;
  absl::Time trust_policy_expires;
  StoreSizes store;
  ProcessStats process;
  uint64_t records_of_unknown_actions = 0;
  std::vector<ExportState> exports;

  // ---- what is wrong already
  absl::Status cluster;
  absl::Status writable;
  absl::Status damage;
  bool retention_held = false;
  bool retention_over_its_bytes = false;
  std::string metrics_error;
  std::string certificate_error;
};

// What is known from the start on. Errors as the certificates give them.
absl::StatusOr<StatusFacts> FixedFacts(const Settings& settings, const std::string& ca_pem,
                                       const std::string& server_pem, absl::Time now);

// What somebody should look at, one line each, and what to do. Pure. Host names
// in it are fit for a terminal.
std::vector<std::string> FindProblems(const StatusFacts& facts);

// The levels as gauges; counters are WriteCounters's.
void WriteLevels(const StatusFacts& facts, MetricsText* text);

// Thread-safe. All calls may block for moments.
class StatusReport {
 public:
  struct Parts {
    Store& store;
    Agents& agents;
    Policies& policies;
    Dispatcher& dispatcher;
    Watchers& watchers;
    Upkeep& upkeep;
    const Clock& clock;
    const Exports& exports;
    // Why a scheduler of several has no agents; unset for a single one.
    std::function<absl::Status()> cluster_state = nullptr;
  };

  StatusReport(const Parts& parts, StatusFacts fixed) : parts_(parts), fixed_(std::move(fixed)) {}

  void NoteMetricsError(const std::string& error);
  // Others are in use from now on.
  void NoteCertificates(absl::Time ca_expires, absl::Time server_expires);
  // The files have changed, and can't be used; empty: they can.
  void NoteCertificateError(const std::string& error);

  absl::StatusOr<v1::GetStatusResponse> Describe();
  // GET /metrics (as of the last second), /healthz (it answers), /readyz (it can also store
  // something).
  HttpAnswer Answer(const std::string& path);

 private:
  absl::StatusOr<StatusFacts> Gather();
  HttpAnswer MetricsPage();
  HttpAnswer MakePage();
  HttpAnswer Ready();

  const Parts parts_;
  absl::Mutex mutex_;
  StatusFacts fixed_ ABSL_GUARDED_BY(mutex_);

  // Before mutex_.
  absl::Mutex page_mutex_;
  HttpAnswer page_ ABSL_GUARDED_BY(page_mutex_);
  absl::Time page_made_ ABSL_GUARDED_BY(page_mutex_) = absl::InfinitePast();
};

}  // namespace dragnet::scheduler
