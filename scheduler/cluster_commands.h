// `dragnet-scheduler migrate`, `bus` and `join`: from one scheduler to several.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace dragnet::scheduler {

class ClusterCommands {
 public:
  // `app` must outlive this.
  explicit ClusterCommands(CLI::App& app);

  // Whether one of them was asked for.
  bool parsed() const;
  absl::Status Run();

 private:
  absl::Status Migrate();
  absl::Status InitBus();
  absl::Status PrintBusUsers();
  absl::Status Join();

  CLI::App* migrate_;
  CLI::App* bus_init_;
  CLI::App* bus_users_;
  CLI::App* join_;
  std::string config_;
  // migrate: as they were given.
  std::string from_;
  std::string to_;
  std::string url_;
  std::string role_ = "dragnet";
  std::string name_;
  bool restored_ = false;
  // bus init: whose certificate is shown, if it isn't the scheduler's.
  std::string certificate_;
  std::string key_;
  // bus users
  std::vector<std::string> schedulers_;
  std::string owner_ = "owner";
  // join
  std::string kit_;
};

}  // namespace dragnet::scheduler
