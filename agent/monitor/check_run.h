// An operation of the module `check`: its checks one after the other, each in a
// worker of its own module, and one row for each, its verdict.
//
// A run that is stopped tells the verdicts that there are, and of the check that
// ran none. Used as agent/monitor/operation_run.h says. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/monitor/check_worker.h"
#include "agent/monitor/operation_run.h"
#include "dragnet/v1/action.pb.h"
#include "modules/check/check.pb.h"

namespace dragnet {

// Strictly: InvalidArgument for what isn't the encoding of at most kMaxChecksOfRun
// checks with different ids. What each of them asks for its worker judges.
absl::StatusOr<check::v1::CheckParameters> ParseChecks(std::string_view parameters,
                                                       size_t max_bytes);
inline constexpr int kMaxChecksOfRun = 256;

class CheckRun : public OperationRun {
 public:
  // Never fails: parameters that can't be read are a run that ends at once with
  // TERMINATION_INVALID_PARAMETERS. The operation's limits of time hold for all checks
  // together, and so do kMaxTimes those of the agent; its other limits are a ceiling for
  // each. Before each check `why_not` is asked: why no further one may run, which ends
  // the run; "" when it may.
  CheckRun(const v1::Operation& operation, CheckSurroundings surroundings,
           std::function<std::string()> why_not = nullptr);
  static constexpr int kMaxTimes = 6;

  void AddPollFds(std::vector<pollfd>* fds) const override;
  absl::Time deadline() const override;
  void Advance() override;
  std::optional<v1::Rows> TakeRows() override;
  const std::optional<v1::OperationSummary>& summary() const override { return summary_; }
  void Pause(bool paused) override;
  void Hold(bool held) override;
  bool held() const override { return held_; }
  void SetCpuShare(uint32_t percent) override;
  uint32_t cpu_share_limit() const override;
  void Stop(v1::Termination termination, std::string_view detail) override;

 private:
  void StartNext();
  void TakeVerdict();
  // Of the time of all checks together, none is left: then it was said.
  bool TimeIsUp();
  // No longer: then it was said.
  bool IsAllowed();
  void Add(const v1::OperationSummary& worker, bool is_unknown);
  void Finish();
  const WorkerRun* worker() const { return current_ ? current_->worker() : nullptr; }
  WorkerRun* worker() { return current_ ? current_->worker() : nullptr; }
  // Nothing keeps it from going on at once.
  bool MayGoOn() const { return !paused_ && !held_ && !rows_.has_value(); }

  CheckSurroundings surroundings_;
  check::v1::CheckParameters parameters_;
  std::function<std::string()> why_not_;
  // Of all checks together.
  absl::Duration wall_time_left_ = absl::InfiniteDuration();
  absl::Duration cpu_time_left_ = absl::InfiniteDuration();

  int next_ = 0;
  std::optional<CheckWorker> current_;
  std::optional<v1::Rows> rows_;
  bool paused_ = false;
  bool held_ = false;
  std::optional<uint32_t> cpu_share_;

  int unknown_ = 0;
  std::optional<v1::Termination> stopped_as_;
  std::string detail_;
  // What becomes of the summary.
  v1::OperationSummary total_;
  std::map<std::string, v1::Unexamined, std::less<>> unexamined_;
  std::optional<v1::OperationSummary> summary_;
};

}  // namespace dragnet
