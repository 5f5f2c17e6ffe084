// An operation of the module `upgrade`: the monitor puts another version of itself in
// place. No worker: what is put in place was signed, and checked here.
//
//   queued    until no other upgrade of this host is under way
//   staging   each program from its blob to the release directory, checked on the way
//   waiting   until nothing else runs or waits on this host
//   trial     the link held down, the new version tries a copy of the state
//   switch    the state's snapshot is kept, the state file says the new version, and the
//             monitor becomes it
//
// Whatever fails before the switch ends the operation with the reason, and the agent goes
// on as it was. After the switch the operation has no end: the version that comes up says
// how it went (monitor_upgrade.cc).
//
// Used as agent/monitor/operation_run.h says. Not thread-safe.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/monitor/operation_run.h"
#include "agent/monitor/upgrade/release_state.h"
#include "agent/monitor/upgrade/releases.h"
#include "agent/monitor/upgrade/trial_process.h"
#include "core/release.h"
#include "core/unique_fd.h"
#include "dragnet/v1/action.pb.h"
#include "modules/upgrade/upgrade.pb.h"

namespace dragnet {

inline constexpr std::string_view kUpgradeModule = "upgrade";

class UpgradeRun;

// What an upgrade needs of the monitor. A seam: tests break it at each step.
class UpgradeHost {
 public:
  virtual ~UpgradeHost() = default;
  // AuthorizeRelease over what holds now.
  virtual absl::StatusOr<AuthorizedRelease> Authorize(std::string_view release) = 0;
  // agent.toml leaves upgrades to the host's package manager.
  virtual bool by_package_manager() const = 0;
  virtual std::string running_version() const = 0;
  // Why it may not begin its trial yet; "" when nothing else runs or waits.
  virtual std::string WhyNotNow() = 0;
  // Ends the link and starts none, or lets it start again.
  virtual void HoldLink(bool held) = 0;
  // A copy of the agent's state at `path`; synced.
  virtual absl::Status CopyState(const std::string& path, bool with_spool) = 0;
  virtual absl::StatusOr<std::unique_ptr<Trial>> StartTrial(const InstalledRelease& release) = 0;
  virtual ReleaseDirectory& releases() = 0;
  virtual const ReleaseState& release_state() const = 0;
  // release_state().WithoutFormer(), durable.
  virtual absl::Status ForgetFormer() = 0;
  // `next` is durable: the monitor is to end, and to become what it says.
  virtual void Become(const ReleaseState& next) = 0;

 private:
  friend class UpgradeRun;
  // The one that has the release directory for itself; null: none.
  const UpgradeRun* under_way_ = nullptr;
};

// Which operation it is.
struct UpgradeOperation {
  std::string action_id;
  int64_t occurrence = 0;
  uint32_t index = 0;
  // Serialised UpgradeParameters, and the blobs in the order of `inputs`.
  v1::Operation operation;
  // How long it may take until its trial begins. The trial has a time of its own.
  absl::Duration wall_time;
};

class UpgradeRun : public OperationRun {
 public:
  // Never fails: what can't be done is a run that ends at once. `host` outlives it.
  // `inputs` are the operation's blobs, open for reading.
  UpgradeRun(UpgradeOperation operation, std::vector<UniqueFd> inputs, UpgradeHost* host);
  // Kills the trial, and lets the link start again.
  ~UpgradeRun() override;
  UpgradeRun(const UpgradeRun&) = delete;
  UpgradeRun& operator=(const UpgradeRun&) = delete;

  void AddPollFds(std::vector<pollfd>* fds) const override;
  absl::Time deadline() const override;
  void Advance() override;
  std::optional<v1::Rows> TakeRows() override;
  const std::optional<v1::OperationSummary>& summary() const override { return summary_; }
  // It has one row, at its end.
  void Pause(bool) override {}
  // Before its trial; that goes on.
  void Hold(bool held) override { held_ = held; }
  bool held() const override { return held_; }
  void SetCpuShare(uint32_t) override {}
  uint32_t cpu_share_limit() const override { return 1; }
  // Nothing after the switch.
  void Stop(v1::Termination termination, std::string_view detail) override;

 private:
  enum class Stage { kQueued, kStaging, kWaiting, kTrial, kSwitched, kEnded };

  // Takes what was ordered; an error ends it as `refused`.
  absl::Status Take();
  absl::Status StageNext();
  absl::Status BeginTrial();
  absl::Status Switch();
  void AdvanceQueued();
  void AdvanceWaiting();
  bool IsUnderWay() const { return host_->under_way_ == this; }
  void AdvanceTrial();
  // The old version runs on.
  void GoOnAsBefore();
  void End(std::string_view outcome, v1::Termination termination, std::string_view detail);
  void Refuse(const absl::Status& why);
  void GoBack(const absl::Status& why);

  const UpgradeOperation operation_;
  std::vector<UniqueFd> inputs_;
  UpgradeHost* const host_;
  const absl::Time started_;
  const absl::Time steady_started_;

  Stage stage_ = Stage::kQueued;
  upgrade::v1::UpgradeParameters parameters_;
  std::string to_;
  InstalledRelease release_;
  // inputs_ by program, in the order of kAgentPrograms.
  std::array<size_t, std::size(kAgentPrograms)> input_of_ = {};
  size_t staged_ = 0;
  bool held_ = false;
  bool link_held_ = false;
  std::unique_ptr<Trial> trial_;
  absl::Time trial_began_;

  std::optional<v1::Rows> rows_;
  std::optional<v1::OperationSummary> summary_;
};

// The row and the end of an upgrade that the version which came up tells of.
struct UpgradeEnd {
  upgrade::v1::UpgradeRow row;
  v1::OperationSummary summary;
};
UpgradeEnd EndOfUpgrade(const UpgradeReport& report);

}  // namespace dragnet
