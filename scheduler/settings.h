// scheduler.toml. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "scheduler/export/export_settings.h"
#include "scheduler/observe/log.h"
#include "scheduler/store/retention_rules.h"

namespace dragnet::scheduler {

struct Settings {
  std::string fleet_id;
  // host:port; port 0 for any free one.
  std::string listen;
  std::string ca_certificate;
  // Empty: another scheduler of the cluster issues certificates.
  std::string ca_key;
  std::string server_certificate;
  std::string server_key;
  // A file of SQLite, or what IsPostgresUrl (open_store.h): then it has no password in it, and
  // names either sockets of this machine or servers whose certificates are verified in full.
  std::string store;
  std::vector<std::string> root_keys;
  uint32_t root_threshold = 1;
  absl::Duration agent_certificate_lifetime;
  absl::Duration heartbeat_interval;
  // What one operation may store for one agent, whatever was signed.
  uint64_t max_rows = 0;
  uint64_t max_result_bytes = 0;
  // Memory for records of all agents between network and commit, in bytes.
  size_t record_budget = size_t{128} << 20;

  // Where GET /metrics, /healthz and /readyz are answered; empty: nowhere.
  std::string metrics_listen = "127.0.0.1:7480";
  bool metrics_allow_remote = false;
  LogFormat log_format = LogFormat::kText;
  spdlog::level::level_enum log_level = spdlog::level::info;
  RetentionRules retention;
  std::vector<ExportSettings> exports;

  // Several schedulers as one service: what connects them. Empty: this is the only one.
  // nats://HOST:PORT, any number of them.
  std::vector<std::string> bus;
  std::string bus_ca;
  std::string bus_certificate;
  std::string bus_key;
  // Of this one among them: a-z, 0-9 and '-', at most 63: it is a part of subjects.
  std::string scheduler_name;
  // On how many servers of the bus everything is kept: 1 or 3.
  int bus_replicas = 3;
  // Of records that no scheduler has stored yet. When it is full agents keep theirs.
  uint64_t bus_max_bytes = uint64_t{4} << 30;

  bool clustered() const { return !bus.empty(); }
};

// InvalidArgument or NotFound, with file, line and key.
absl::StatusOr<Settings> LoadSettings(const std::string& path);

}  // namespace dragnet::scheduler
