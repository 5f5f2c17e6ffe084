// `dragnet-scheduler certificate` and `dragnet-scheduler ca`: on the scheduler's host, by
// who may read the CA's key. The scheduler may be running: it takes up what they change.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "scheduler/enrolment/ca_files.h"
#include "scheduler/init/joining.h"
#include "scheduler/settings.h"

namespace dragnet::scheduler {

class CertificateCommand {
 public:
  // `app` must outlive this.
  explicit CertificateCommand(CLI::App& app);

  // Whether one of the two was asked for.
  bool parsed() const;
  absl::Status Run();

 private:
  absl::Status Renew(const Settings& settings);
  absl::Status Issue(const Settings& settings);
  absl::Status New(const Settings& settings);
  absl::Status Activate(const Settings& settings);
  absl::Status ListLeftBehind(const Settings& settings);
  absl::Status Retire(const Settings& settings);

  CLI::App* certificate_;
  CLI::App* renew_;
  CLI::App* issue_;
  CLI::App* show_;
  CLI::App* ca_;
  CLI::App* new_;
  CLI::App* activate_;
  CLI::App* left_behind_;
  CLI::App* retire_;
  std::string config_;
  std::vector<std::string> hosts_;
  // For another scheduler.
  JoiningOptions joining_;
  std::string out_;
  absl::Duration lifetime_ = kServerLifetime;
  bool leave_behind_ = false;
};

}  // namespace dragnet::scheduler
