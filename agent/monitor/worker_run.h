// One operation in one worker process, from spawn to summary.
//
// The monitor watches from outside: it counts rows and bytes, measures time,
// and kills what goes over its limits or breaks the protocol. It keeps the CPU
// share by stopping and continuing the worker (SIGSTOP, SIGCONT), so that a
// library in the middle of a long call is held, too. What the worker says of
// itself is never needed to know that it failed.
//
// Used by an event loop, as agent/monitor/operation_run.h says. Not thread-safe.
#pragma once

#include <poll.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/ipc/frame.h"
#include "agent/ipc/ipc.pb.h"
#include "agent/monitor/cpu_throttle.h"
#include "agent/monitor/limits.h"
#include "agent/monitor/operation_run.h"
#include "agent/sandbox/spawn.h"
#include "core/sanitizers.h"
#include "core/unique_fd.h"
#include "dragnet/v1/results.pb.h"
#include "modules/manifest.h"

namespace dragnet {

// How workers are started on this host.
struct WorkerEnvironment {
  std::string program;  // absolute path of dragnet-worker
  std::optional<sandbox::UserAndGroup> user;
  // The host's network, for modules that declare it; -1: the monitor is in it.
  int host_network_fd = -1;
  // True when the monitor itself stands in an empty network namespace.
  bool monitor_has_no_network = false;
  bool allow_missing_walls = false;
  // Give way to all else that uses a disk (IOPRIO_CLASS_IDLE).
  bool idle_io = false;
  // The kernel refuses address space above the memory limit (RLIMIT_AS), so that
  // a worker can say that it needed more. Without, only what is resident is held
  // to it, from outside.
#ifdef DRAGNET_ADDRESS_SANITIZER  // which maps terabytes
  bool limit_address_space = false;
#else
  bool limit_address_space = true;
#endif
  // The agent's own state, which a worker that may read all files must not see;
  // empty for none.
  std::string hidden_directory;
  // Modules must not let content leave this host.
  bool privacy = false;
  // Standard error of workers; -1 for none.
  int stderr_fd = -1;
};

class WorkerRun : public OperationRun {
 public:
  // Never fails: a worker that can't be started is a run that ends at once with
  // TERMINATION_NOT_STARTED.
  // `inputs` are open for reading, one for each of the job's.
  WorkerRun(const ModuleManifest& manifest, ipc::Job job, const OperationLimits& limits,
            const WorkerEnvironment& environment, const std::vector<UniqueFd>& inputs = {});
  // Kills the worker if it still runs.
  ~WorkerRun() override;
  WorkerRun(const WorkerRun&) = delete;
  WorkerRun& operator=(const WorkerRun&) = delete;

  void AddPollFds(std::vector<pollfd>* fds) const override;
  absl::Time deadline() const override;
  void Advance() override;
  std::optional<v1::Rows> TakeRows() override;
  const std::optional<v1::OperationSummary>& summary() const override { return summary_; }
  void Pause(bool paused) override;
  void Hold(bool held) override;
  bool held() const override { return held_; }
  void SetCpuShare(uint32_t percent) override;
  uint32_t cpu_share_limit() const override { return limits_.cpu_share_percent; }
  void Stop(v1::Termination termination, std::string_view detail) override;

  const OperationLimits& limits() const { return limits_; }
  pid_t pid() const { return child_.pid(); }

 private:
  bool Spawn(const ModuleManifest& manifest, bool in_root, const WorkerEnvironment& environment,
             const std::vector<UniqueFd>& inputs);
  void WriteJob();
  void ReadOutput();
  void TakeMessages();
  void TakeMessage(const ipc::WorkerToMonitor& message);
  void TakeRowsMessage(const v1::Rows& rows);
  void CheckLimits();
  void CheckUse(absl::Time now);
  void CheckHeld();
  std::string WallTimeDetail() const;
  void Account();
  void StandStillOrRun();
  bool PipeIsFull() const;
  // Without the time that it stood still by order.
  absl::Duration WallTime() const;
  v1::Termination Classify(const sandbox::ChildExit& exited);
  void Finish(const sandbox::ChildExit& exited);
  void SetTermination(v1::Termination termination, std::string_view detail);

  const OperationLimits limits_;
  const absl::Time started_;         // wall clock, for the summary
  const absl::Time steady_started_;  // for limits
  absl::Time killed_ = absl::InfiniteFuture();
  sandbox::Child child_;
  UniqueFd job_pipe_;
  UniqueFd output_pipe_;
  std::string job_bytes_;
  FrameDecoder decoder_;
  bool paused_ = false;
  bool held_ = false;
  // It was sent SIGSTOP, and no SIGCONT since.
  bool standing_still_ = false;
  // What it had used when that was looked at last while it was held.
  absl::Duration held_at_cpu_;
  CpuThrottle throttle_;
  // When its use is looked at next.
  absl::Time next_check_;
  absl::Time next_memory_check_ = absl::InfinitePast();

  // Where its time went, up to accounted_.
  absl::Time accounted_;
  bool pipe_was_full_ = false;
  absl::Duration stood_still_for_spool_;
  absl::Duration paused_by_order_;
  absl::Duration held_for_cpu_share_;

  // The decoder may hold another whole message.
  bool maybe_more_ = false;

  std::optional<v1::Rows> rows_;
  uint64_t row_count_ = 0;
  uint64_t row_bytes_ = 0;
  std::optional<v1::ModuleSummary> module_summary_;
  std::optional<v1::Termination> termination_;
  std::string detail_;
  std::optional<v1::OperationSummary> summary_;
};

// Whether everything was looked at, and what that makes of the rows.
v1::Outcome OutcomeOf(v1::Termination termination, const v1::ModuleSummary& module, uint64_t rows);

}  // namespace dragnet
