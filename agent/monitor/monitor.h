// dragnet-agent's heart: the privileged monitor.
//
// One thread, one poll(2) loop. It decodes envelopes, decides (core/authorization.h),
// journals, starts workers, limits them, spools their records and hands these to
// the link. It speaks to its children only, and stands in an empty network
// namespace when it is root.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/monitor/agent_config.h"
#include "agent/monitor/blob_cache.h"
#include "agent/monitor/link_process.h"
#include "agent/monitor/orders.h"
#include "agent/monitor/retirement.h"
#include "agent/monitor/spool_queue.h"
#include "agent/monitor/standing_actions.h"
#include "agent/monitor/state_store.h"
#include "agent/monitor/upgrade/launch.h"
#include "agent/monitor/upgrade/upgrade_run.h"
#include "agent/monitor/worker_run.h"
#include "core/authorization.h"
#include "core/clock.h"
#include "core/service_notify.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet {

class Monitor : private UpgradeHost {
 public:
  // Actions that wait or run; further ones are refused with REASON_BUSY.
  static constexpr size_t kMaxActions = 64;
  // Of these, so many that stand still by order and have no worker: paused
  // actions must not take all places.
  static constexpr size_t kMaxPausedWithoutWorker = 16;
  // Workers that stand still by order and yet leave their place to others: a
  // paused action must not stop all others, nor fill the host with workers.
  static constexpr size_t kMaxHeldBesides = 4;

  struct Environment {
    AgentConfig config;
    v1::Facts facts;  // without id and fleet, which are filled in here
    // As they are by now, for each occurrence of a recurring action; null: the same.
    // Their addresses aren't asked for: the monitor has left the host's network.
    std::function<v1::Facts()> look_at_host;
    // As CollectHostFingerprint(); empty: not known.
    std::string host_fingerprint;
    std::vector<std::string> missing_walls;
    WorkerEnvironment worker;
    LinkEnvironment link;
    // Which version this is, and where its configuration was read.
    Launch launch;
    std::string config_path;
    // What started this agent; by default nobody.
    ServiceNotifier service;
  };

  static absl::StatusOr<std::unique_ptr<Monitor>> Create(Environment environment,
                                                         std::unique_ptr<StateStore> store,
                                                         const Clock& clock);

  // Until `stop_fd` is readable, or another program takes over, when running operations
  // are ended and say so; or until the host was retired: then FinishRetirement() is the
  // caller's, after this object.
  absl::Status Run(int stop_fd);
  // Which one that is: dragnet-agent as the package manager installed it, which starts
  // what is to run. Empty: the agent is to end.
  std::string program_to_become() const;

  // One turn of the loop: waits for at most `longest`, then does what can be
  // done. True when `stop_fd` is readable (-1 for none), or the host was retired.
  absl::StatusOr<bool> Turn(int stop_fd, absl::Duration longest);

  // What the link delivers. Public for tests that attack it without a link.
  void HandleLinkMessage(const ipc::LinkToMonitor& message);

 private:
  struct ActionRun {
    // As received: each operation is authorised anew when its turn comes.
    std::string envelope;
    v1::Action action;
    // As ResultRecord's.
    int64_t occurrence = 0;
    int next_operation = 0;
    uint64_t next_sequence = 1;
    std::unique_ptr<OperationRun> worker;
    // Why a blob of the next operation can't be had; OK while it may come.
    absl::Status blob_error;
    // The worker stands still by order; after it was resumed, until a place is free.
    bool held = false;
    // Since when, in the order in which workers were held.
    uint64_t held_as = 0;
    // The worker was killed by order.
    bool killed_by_order = false;
    // Records that could not be written yet (disk full), in order.
    std::vector<v1::ResultRecord> unwritten;
  };

  Monitor(Environment environment, std::unique_ptr<StateStore> store, const Clock& clock);
  absl::Status Initialize();
  // Whether this state was made on another machine: then a new identity is drawn where
  // there is a token to enrol it with.
  absl::Status LookForClone();
  absl::Status ReportInterrupted();

  void HandleActionEnvelope(const std::string& bytes);
  bool TookOn(const RefusedAction& refused);
  void HandleTrustPolicyEnvelope(const std::string& bytes);
  void HandleOrderEnvelope(const std::string& bytes);
  void SayConnected(std::string_view scheduler);
  void SayNotConnected(std::string_view reason);
  void HandleAcknowledgement(const v1::RecordKey& key);
  absl::Status TakeOn(v1::Action action, const std::string& envelope);
  // A recurring one: nothing of it runs yet.
  absl::Status TakeOnStanding(AuthorizedAction authorized, const std::string& envelope);
  void SayAccepted(const std::string& action_id);
  // Those of recurring actions that are due, each when the one before it has ended.
  void StartOccurrences();
  void StartOccurrence(const StandingActions::Due& due);
  void LookAtHostAgain();
  // What the host can't say of itself.
  void AddOwnFacts(const std::string& id, v1::Facts* facts) const;
  AuthorizationContext Authorization() const;
  // Authorised anew: it may have expired since, or a new policy may no longer allow it.
  // "" when it still may run.
  std::string WhyNoLonger(const ActionRun& run) const;
  OrderContext OrderAuthorization() const;
  std::string CancellationWords(std::string_view action_id) const;
  // Null when it neither waits nor runs here.
  const ActionRun* FindRun(std::string_view action_id) const;
  bool IsHere(std::string_view action_id) const;
  void Refuse(const std::string& envelope, std::string_view action_id, v1::Refusal::Reason reason,
              std::string_view detail, int64_t occurrence = 0);

  void AdvanceActions();
  void AdvanceWorker(ActionRun& run);
  // Holds the worker or lets it go on; ends what a cancellation, or a pause until
  // the action expired, ends.
  void ObeyOrder(ActionRun& run);
  void EndByOrder(ActionRun& run, std::string_view detail);
  void KillWorker(ActionRun& run, std::string_view detail);
  // That it is never taken; and tells, if it wasn't.
  void KeepCancelled(const std::string& envelope, const std::string& action_id);
  void CancelStanding(const std::string& envelope, const std::string& action_id);
  void JournalCancellations();
  // Lets those go on that were resumed, while there are places.
  void ReleaseHeld();
  // Paused, and not running: what more of these there are than may be ends.
  void EndSurplusPaused();
  // For a worker of it: recurring ones leave one place to others, which can't wait for
  // as long as they take.
  bool HasPlace(const ActionRun& run) const;
  bool WaitsPaused(const ActionRun& run) const;
  void StartOperations(bool recurring);
  void StartOperation(ActionRun& run);
  std::unique_ptr<OperationRun> NewRun(const ActionRun& run, const v1::Operation& operation,
                                       std::vector<UniqueFd> inputs);
  // Its next operation is the monitor's own (ModuleManifest::run_by_monitor): it has no
  // worker, so no place of one.
  static bool IsMonitors(const ActionRun& run);
  bool HasBlobs(ActionRun& run, std::vector<UniqueFd>* inputs);
  void HandleBlobPart(const v1::BlobPart& part);
  // Its next operation names this blob.
  static bool Awaits(const ActionRun& run, const v1::Blob& fetched);
  void StopWaiting(ActionRun& run);
  void RequestBlobPart();
  // --- retirement (monitor_retirement.cc)
  // Of the run's next operation, in place of a worker.
  void Retire(ActionRun& run);
  absl::Status CheckRetirement(const ActionRun& run) const;
  // What was destroyed, and the end of the operation.
  void TellRetirement(ActionRun& run);
  void AdvanceRetirement();
  bool RetirementIsUntold();
  static bool Retires(const ActionRun& run);

  v1::ResultRecord& AddRecord(ActionRun& run);
  void EndOperation(ActionRun& run, const v1::OperationSummary& summary);
  void WriteRecords(ActionRun& run);
  void ForgetAcknowledged();
  // Why rows can't be spooled now; empty when they can.
  std::string WhySpoolIsFull() const;
  void CheckSpool();
  void GiveDiskBack();
  void ShareCpu();
  void EndAllOperations();

  void SendRecords();
  // False: there is nothing to send in its place.
  bool ReplaceUnreadable(int64_t position, v1::AgentMessage* message);
  void SendToScheduler(const v1::AgentMessage& message);
  v1::Hello Hello() const;
  ipc::LinkStart LinkStart() const;
  void NoteEnrolled();
  // By which the link knows a scheduler: those of the policy, or of the configuration,
  // whichever came later.
  void ChooseCaCertificates(bool policy_is_newer);

  // --- upgrades (monitor_upgrade.cc)
  absl::StatusOr<AuthorizedRelease> Authorize(std::string_view release) override;
  bool by_package_manager() const override;
  std::string running_version() const override;
  std::string WhyNotNow() override;
  void HoldLink(bool held) override;
  absl::Status CopyState(const std::string& path, bool with_spool) override {
    return store_->CopyTo(path,
                          with_spool ? StateStore::Spool::kWith : StateStore::Spool::kWithout);
  }
  absl::StatusOr<std::unique_ptr<Trial>> StartTrial(const InstalledRelease& release) override;
  ReleaseDirectory& releases() override { return releases_; }
  const ReleaseState& release_state() const override { return environment_.launch.state; }
  absl::Status ForgetFormer() override;
  void Become(const ReleaseState& next) override;
  std::unique_ptr<OperationRun> NewUpgradeRun(const ActionRun& run, const v1::Operation& operation,
                                              std::vector<UniqueFd> inputs);
  void PrepareUpgrades();
  // The upgrade by which this version came: it is told when that is known.
  bool IsOwedUpgrade(const InterruptedOperation& operation) const;
  void TellOfUpgrade();
  void Confirm();
  void GiveUp();
  void AdvanceUpgrade();
  absl::Time UpgradeDeadline() const;
  std::vector<std::string> UpgradeLines() const;

  absl::Time NextDeadline() const;
  std::vector<pollfd> PollFds(int stop_fd) const;

  Environment environment_;
  std::unique_ptr<StateStore> store_;
  const Clock& clock_;
  std::optional<TrustPolicy> policy_;
  std::optional<BlobCache> blobs_;
  // The request that was sent and not answered in this session.
  std::optional<v1::BlobRequest> asked_for_;
  LinkProcess link_;
  std::string ca_certificates_;  // PEM
  // Of the link that runs.
  std::string link_ca_certificates_;
  ReleaseDirectory releases_;
  // Another program is to take over.
  bool become_ = false;
  std::optional<InterruptedOperation> owed_upgrade_;
  // Of an unconfirmed version, on SteadyNow's scale: when it goes back, since when it is
  // connected, and when a state that couldn't be written is tried again.
  absl::Time give_up_ = absl::InfiniteFuture();
  absl::Time connected_since_ = absl::InfiniteFuture();
  absl::Time next_write_ = absl::InfinitePast();
  bool expiry_told_ = false;

  std::deque<std::unique_ptr<ActionRun>> actions_;
  OrderBook orders_;
  std::unique_ptr<StandingActions> standing_;
  uint64_t holds_ = 0;
  // Cancelled before they came, and not in the journal yet (disk full).
  std::vector<std::string> unjournaled_;
  // A record could not be written; told once, until one can.
  bool disk_full_ = false;
  bool disk_full_told_ = false;
  // Workers stand still, and no further one starts.
  bool spool_full_ = false;
  // More of the store's file may be given back to the disk.
  bool may_shrink_ = true;
  // True at the start and while actions run, until memory was released.
  bool busy_ = true;

  // Another machine's state, and no token for an identity of this one's own.
  bool is_clone_ = false;
  // Ordered and begun, maybe by an earlier process: nothing else runs any more.
  std::optional<RetirementMark> retiring_;
  // A scheduler said that this host's certificate is no longer good: that it heard, or
  // that it never will.
  bool refused_ = false;
  // Since when its answer is known to have arrived, on SteadyNow's scale.
  std::optional<absl::Time> retirement_told_;
  bool retired_ = false;

  // The session's window: how many records may be unacknowledged.
  bool connected_ = false;
  uint32_t window_ = 0;
  SpoolQueue queue_;
  // Acknowledged, but the disk was too full to forget them. At most a window.
  std::vector<v1::RecordKey> acknowledged_;
};

}  // namespace dragnet
