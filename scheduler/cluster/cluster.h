// What makes several schedulers one service: who of them lives and leads, whose session an
// agent is, and what each must hear of the others. What counts is in the store; the bus
// carries records, notices of what has changed, and messages that may be lost.
//
// Thread-safe. Calls don't block unless they say so. No lock is held while another part
// is called.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "dragnet/v1/cluster.pb.h"
#include "scheduler/auth/revocations.h"
#include "scheduler/blobs/blob_files.h"
#include "scheduler/bus/bus.h"
#include "scheduler/cluster/blob_exchange.h"
#include "scheduler/cluster/membership.h"
#include "scheduler/cluster/periodic.h"
#include "scheduler/cluster/remote_desk.h"
#include "scheduler/cluster/session_claims.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/dispatch/peers.h"
#include "scheduler/dispatch/policies.h"
#include "scheduler/dispatch/record_keeper.h"
#include "scheduler/dispatch/watchers.h"
#include "scheduler/executor.h"
#include "scheduler/observe/repeated_lines.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

struct ClusterTimes {
  // Of the leases, and how often they are kept.
  absl::Duration lease = absl::Seconds(10);
  absl::Duration keep = absl::Seconds(2);
  absl::Duration relay = absl::Milliseconds(250);
  absl::Duration revocations = absl::Milliseconds(500);
  absl::Duration lost_sessions = absl::Seconds(3);
  // What messages that were lost have left wrong is right again after that.
  absl::Duration resync = absl::Seconds(30);
};

class Cluster final : public Peers {
 public:
  // Where it begins to listen. Asked for before anything is read from the store, so that
  // what changes meanwhile is heard of.
  struct Position {
    uint64_t notice = 0;
    uint64_t revocation = 0;
  };
  // Blocks.
  static absl::StatusOr<Position> Begin(Store& store, Bus& bus);

  // All must outlive it, but for the bus: see Stop.
  struct Parts {
    Store& store;
    Bus& bus;
    Agents& agents;
    Policies& policies;
    Watchers& watchers;
    Revocations& revocations;
    BlobFiles& blobs;
    const EnrolmentCalls& desk;
    const Clock& clock;
  };
  Cluster(const Parts& parts, std::string name, const Position& position,
          const ClusterTimes& times);
  ~Cluster() override { Stop(); }

  // Takes its place among the others, and blocks until it has it: after a crash, until the
  // lease of the process that died has run out. FailedPrecondition: another scheduler of
  // this name is alive. Forgets the sessions of a former one. Until it is through, no agent
  // is taken. `leading` is called on a
  // thread of its own with whether this one leads, whenever that changes. Both must
  // outlive it. After Dispatcher::SetPeers and Start.
  absl::Status Start(Dispatcher& dispatcher, RecordKeeper& keeper,
                     std::function<void(bool)> leading);
  // Gives everything up, so that others take it over at once. Blocks. After it the bus may
  // go, and what is said to others is said to no one.
  void Stop();

  SessionClaims& claims() { return claims_; }
  BlobSource& blobs() { return exchange_; }
  // Asks others for certificates.
  const EnrolmentCalls& remote_desk() const { return remote_desk_; }
  // Why it has no sessions at the moment; OK if it has.
  absl::Status state() const { return claims_.accepting(); }
  Membership::View view() const { return membership_.view(); }
  // Records wait there for those who store them, and little more room is left: nothing
  // further is to be read from agents.
  bool bus_is_full() const { return bus_is_full_; }

  // ---- Peers
  bool alone() const override { return false; }
  uint64_t lead_epoch() const override { return membership_.lead_epoch(); }
  void OfferAgents(const std::string& action_id,
                   const std::vector<std::string>& agent_ids) override;
  void GrantAgents(const std::string& scheduler, const std::string& action_id,
                   const std::vector<std::string>& agent_ids) override;
  void TellPhases(v1::Phases phases) override;
  void TellWritten(v1::Written written) override;
  absl::StatusOr<v1::OrderReply> SendOrder(const std::string& envelope,
                                           const std::string& sent_by) override;
  void NoticeWritten() override { relay_.Wake(); }

 private:
  using Message = std::shared_ptr<v1::PeerMessage>;

  void Tell(const std::string& to, v1::PeerMessage message);
  absl::StatusOr<v1::PeerMessage> Ask(const std::string& to, v1::PeerMessage message,
                                      absl::Duration timeout);
  std::vector<std::string> Others() const;
  // False, too, after Stop.
  bool Run(const std::unique_ptr<Executor>& executor, std::function<void()> task);

  // ---- what comes
  void OnMessage(v1::PeerMessage message, Bus::Reply reply);
  void OnSessionsChanged(const std::string& from, const v1::SessionsChanged& changed);
  void OnAgentsChanged(const v1::AgentsChanged& changed);
  v1::OrderReply OnOrderRequest(const v1::OrderRequest& request);
  absl::Status OnNotice(const v1::Notice& notice);
  absl::Status TakeUp(const v1::Notice& notice);
  void WantBlobsOf(const StoredAction& action);

  // ---- what is done again and again; each on its own thread
  void KeepMembership();
  void WatchRevocations();
  void CheckSessions();
  void TellOfAgents();
  void RefreshAgents();
  void Resync();
  void WatchRecords();
  // About ten times a second: what time alone changes. Nothing that may block is done
  // there.
  void Tick();

  // Once a minute for each `what`.
  void LogIfNot(const absl::Status& status, std::string_view what);
  absl::Status AwaitMembership();
  absl::Status SyncSessions();
  absl::Status ReleaseDead(const std::set<std::string>& dead);
  void ReleaseUnattached(const std::vector<StoredSession>& own);
  absl::Status SyncAgents();
  void CloseSessions(const absl::Status& reason);
  absl::Status StateNow() const;
  // On the dispatching executor.
  void TakeUpLead();

  const Parts parts_;
  const std::string name_;
  const Position position_;
  const ClusterTimes times_;
  Dispatcher* dispatcher_ = nullptr;
  RecordKeeper* keeper_ = nullptr;
  std::function<void(bool)> leading_;

  // Held shared while something is said, so that the bus stays; null after Stop.
  absl::Mutex bus_mutex_;
  Bus* bus_ ABSL_GUARDED_BY(bus_mutex_);

  RepeatedLines lines_;
  Membership membership_;
  SessionClaims claims_;
  BlobExchange exchange_;
  RemoteDesk remote_desk_;

  absl::Mutex mutex_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  // Agents that others are to be told of, and those that were told of.
  std::set<std::string> changed_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> to_refresh_ ABSL_GUARDED_BY(mutex_);
  bool refresh_all_ ABSL_GUARDED_BY(mutex_) = false;
  // Messages may have been lost: everything is looked up.
  bool missed_ ABSL_GUARDED_BY(mutex_) = false;
  // Whose time of leading was taken up last.
  std::string leader_ ABSL_GUARDED_BY(mutex_);
  uint64_t leader_epoch_ ABSL_GUARDED_BY(mutex_) = 0;
  bool lead_taken_up_ ABSL_GUARDED_BY(mutex_) = true;
  bool said_leading_ ABSL_GUARDED_BY(mutex_) = false;
  bool was_member_ ABSL_GUARDED_BY(mutex_) = true;
  // Since when the bus can't be reached (steady).
  absl::Time bus_gone_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();

  // Its agents were sent elsewhere since.
  bool closed_without_bus_ ABSL_GUARDED_BY(mutex_) = false;
  // Schedulers that have sessions and no lease, and sessions of this one in the store that
  // aren't here: since when (steady).
  std::map<std::string, absl::Time> dead_since_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<std::string, uint64_t>, absl::Time> unattached_since_ ABSL_GUARDED_BY(mutex_);

  // Of KeepMembership.
  std::set<std::string> live_;
  std::atomic<bool> bus_is_full_ = false;
  // Of OnNotice, which one thread calls.
  uint64_t failing_notice_ = 0;
  int notice_tries_ = 0;
  // Of RefreshAgents.
  absl::Time refreshed_all_;
  // Of WatchRevocations.
  uint64_t last_revocation_;

  // Kept apart, so that what is slow in one doesn't hold up the others. Null after Stop.
  std::unique_ptr<Executor> news_;
  std::unique_ptr<Executor> dispatching_;
  std::unique_ptr<Executor> asked_;
  std::unique_ptr<Executor> blob_parts_;
  std::unique_ptr<Executor> blob_keeping_;
  std::unique_ptr<Executor> leading_changes_;

  Periodic ticking_;
  Periodic keeping_;
  Periodic relay_;
  Periodic revocations_;
  Periodic sessions_;
  Periodic agent_news_;
  Periodic refreshing_;
  Periodic resync_;
  Periodic records_;
  Periodic blobs_;
};

}  // namespace dragnet::scheduler
