// The new version in trial: a child of the one that runs, in the place and with the
// powers that it would have as the agent (agent/monitor/upgrade/trial.h is what it does
// there). Not thread-safe.
#pragma once

#include <poll.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/sandbox/child.h"
#include "core/unique_fd.h"

namespace dragnet {

// As the upgrade sees it: a seam for its tests.
class Trial {
 public:
  // Kills it, if it still runs.
  virtual ~Trial() = default;
  virtual void AddPollFds(std::vector<pollfd>* fds) const = 0;
  // On SteadyNow's scale.
  virtual absl::Time deadline() const = 0;
  // Without blocking.
  virtual void Advance() = 0;
  // Once it has ended: OK when it passed, else how it ended and its last words.
  virtual const std::optional<absl::Status>& result() const = 0;
};

struct TrialOptions {
  std::string program;  // absolute
  std::vector<std::string> arguments;
  // The network namespace that it starts in; -1: this process's.
  int host_network_fd = -1;
  // What its last line must hold: that it ended well doesn't say that it was tried.
  std::string nonce;
  // After this it is killed.
  absl::Duration time;
  // What then doesn't end (a disk that doesn't answer) isn't waited for any longer.
  absl::Duration end_time = absl::Seconds(10);
  // No file of its grows beyond this.
  uint64_t max_file_bytes = uint64_t{4} << 30;
};

class TrialProcess : public Trial {
 public:
  // A session of its own, killed with the thread that started it, clean signals, no
  // descriptor of this process but its last words' pipe, the environment without what
  // the service manager gave (NOTIFY_SOCKET …): it must not speak for this one. Where
  // memory is short it goes first.
  static absl::StatusOr<std::unique_ptr<Trial>> Start(const TrialOptions& options);

  ~TrialProcess() override;

  void AddPollFds(std::vector<pollfd>* fds) const override;
  absl::Time deadline() const override;
  void Advance() override;
  const std::optional<absl::Status>& result() const override { return result_; }

 private:
  TrialProcess(const TrialOptions& options, sandbox::Child child, UniqueFd words);
  void ReadWords();
  void End(const std::string& how);
  std::string LastLine() const;

  const std::string nonce_;
  const absl::Duration time_;
  const absl::Duration end_time_;
  const absl::Time deadline_;
  // Set when it was killed: until when its end is waited for.
  std::optional<absl::Time> give_up_;
  sandbox::Child child_;
  UniqueFd words_fd_;
  // The end of what it wrote.
  std::string words_;
  std::optional<absl::Status> result_;
};

}  // namespace dragnet
