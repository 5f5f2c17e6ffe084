// Brings signed actions, orders about them and trust policies to the agents they
// are for, and what the agents answer to the store. It orders nothing: what it
// sends was signed by someone else, and agents check that again.
//
// Of several schedulers each sends plain actions to the agents that are connected to it.
// How an action with options goes on is decided by the one that leads: the others offer
// it their agents, and send to those that it grants.
//
// Thread-safe. Calls that say "blocks" wait for the store and belong on an
// executor's thread.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/clock.h"
#include "core/order.h"
#include "dragnet/v1/cluster.pb.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/dispatch.h"
#include "scheduler/dispatch/peers.h"
#include "scheduler/dispatch/policies.h"
#include "scheduler/dispatch/watchers.h"
#include "scheduler/executor.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

class Dispatcher {
 public:
  struct Launched {
    std::string action_id;
    uint64_t targeted = 0;
    uint64_t connected = 0;
  };

  struct Ordered {
    std::string action_id;
    // Connected agents that it was sent to.
    uint64_t sent = 0;
  };

  // Where an action is on its way to the fleet.
  struct Phase {
    v1::DispatchPhase phase = v1::DISPATCH_PHASE_UNSPECIFIED;
    // For people; may hold names of hosts.
    std::string reason;
    HeldBack held_back = HeldBack::kNone;

    friend bool operator==(const Phase&, const Phase&) = default;
  };

  // All must outlive this. `background` does what agents cause.
  Dispatcher(Store& store, Agents& agents, Policies& policies, Watchers& watchers,
             Executor& background, const Clock& clock, std::string fleet_id,
             OperationBounds ceiling)
      : store_(store),
        agents_(agents),
        policies_(policies),
        watchers_(watchers),
        background_(background),
        clock_(clock),
        fleet_id_(std::move(fleet_id)),
        ceiling_(ceiling) {}

  // An agent has ended an operation that retires it, and was told that this is stored.
  // `retired` may block: it is called on a thread of `background`, and by Start for
  // agents that aren't revoked yet. To be set before Start.
  using Retired = std::function<void(const std::string& agent_id)>;
  void WhenRetired(Retired retired) { retired_ = std::move(retired); }
  // The other schedulers. To be set before Start; none without it.
  void SetPeers(Peers& peers) { peers_ = &peers; }

  // Takes up the actions that haven't expired. Once, before anything else.
  absl::Status Start();

  // ---- for investigators; all block
  absl::StatusOr<Launched> Launch(const std::string& envelope_bytes,
                                  const std::string& launched_by);
  // Obeys a signed order itself and hands it on. The same bytes again are handed
  // on again. Errors: as SendOrder in investigator.proto.
  absl::StatusOr<Ordered> SendOrder(const std::string& envelope_bytes, const std::string& sent_by);
  // Gives the version.
  absl::StatusOr<uint64_t> PublishPolicy(const std::string& envelope_bytes);

  absl::StatusOr<Phase> PhaseOf(const StoredAction& action);
  // Of what isn't sent yet on purpose; doesn't block.
  HeldBack HeldBackOf(const std::string& action_id) const;

  // ---- for agents; none blocks
  // After the agent's Hello, when its Welcome is queued: policies, then actions.
  void OnConnected(const std::string& agent_id, AgentSession& session);
  void OnFactsChanged(const std::string& agent_id) { CatchUpSoon(agent_id); }
  void OnPolicyTaken(const std::string& agent_id, uint64_t version);
  void OnAccepted(const std::string& agent_id, const std::string& action_id);

  // ---- of records; none blocks. These are stored, here or by another scheduler.
  void OnStored(const v1::Written& written);
  // One of a single scheduler. `run_id`: of a run of the sweep `action_id`; `sweep_id`:
  // that the action is a run of; both may be empty.
  void OnStoredHere(const std::string& agent_id, const std::string& action_id,
                    const std::string& run_id, const std::string& sweep_id,
                    v1::DispatchState state);
  absl::Time now() const { return clock_.Now(); }
  // Whether a record of this action may have to do with retirement: all that aren't
  // active may.
  bool MayRetire(const std::string& action_id) const;
  // An operation has ended that may retire this agent: is looked at in the background.
  void RetireSoon(const std::string& agent_id, const std::string& action_id);

  // ---- what other schedulers have done, as the store has it; all block. What was done
  // here changes nothing.
  absl::Status TakeUpAction(const std::string& action_id);
  absl::Status TakeUpOrders(const std::string& action_id);
  // Policies has a newer one.
  void OnPolicyPublished();
  // Everything that may have been missed.
  absl::Status TakeUpAll();
  // Another one leads from now on, or this one: again until it is OK. An action that
  // can't be read is said, and holds up no other.
  absl::Status OnLeaderChanged();

  // ---- what other schedulers say. The first two block
  void OnOffer(const std::string& action_id, const std::vector<std::string>& agent_ids);
  void OnGrant(const std::string& action_id, const std::vector<std::string>& agent_ids);
  void OnPhases(const v1::Phases& phases);

  // ---- now and then; both block
  void CloseExpired();
  // Sends what it is time for. About ten times a second.
  void Pace();

  // ---- for those who look at the scheduler
  struct Activity {
    // Of actions that haven't ended.
    std::map<v1::DispatchPhase, uint64_t> by_phase;
    // Ids of those that stopped by themselves.
    std::vector<std::string> stopped;
  };
  Activity activity() const;

 private:
  // An action that goes to agents, or about which agents may still need an order.
  struct ActiveAction {
    std::string id;
    std::string target;
    std::vector<std::string> modules;
    absl::Time expires;
    // A sweep.
    bool recurs = false;
    v1::Dispatch options;
    // Without options: each scheduler decides for its own agents.
    bool plain = true;
    // The time of leading (Peers) in which its dispatch was read from the store: it is
    // decided here as long as that lasts.
    std::atomic<uint64_t> led = 0;

    mutable absl::Mutex mutex;
    // Its envelope; null once it was cancelled: it goes to no one any more.
    OutgoingMessage message ABSL_GUARDED_BY(mutex);
    Dispatch dispatch ABSL_GUARDED_BY(mutex);
    // The newest one; null for none.
    OutgoingMessage order ABSL_GUARDED_BY(mutex);
    std::string order_id ABSL_GUARDED_BY(mutex);
    absl::Time order_expires ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
    // When it was handed on last, and to how many.
    absl::Time handed_on ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
    uint64_t handed_on_to ABSL_GUARDED_BY(mutex) = 0;
    // Agents that were told of it since it came.
    std::set<std::string> told ABSL_GUARDED_BY(mutex);
    // Agents that have ended it, or ended it otherwise, since Pace last looked.
    std::set<std::string> ended ABSL_GUARDED_BY(mutex);
    // The endings that the dispatch knows, and up to which position of the store those
    // that no one told of were looked up.
    std::map<std::string, v1::DispatchState> noted ABSL_GUARDED_BY(mutex);
    uint64_t looked_up_to ABSL_GUARDED_BY(mutex) = 0;
    bool closed ABSL_GUARDED_BY(mutex) = false;
    // Agents of here that wait for a grant of the scheduler that leads, and what that one
    // says of the action.
    std::set<std::string> offered ABSL_GUARDED_BY(mutex);
    std::optional<Phase> told_phase ABSL_GUARDED_BY(mutex);
    // All that waited for it here were offered it. Until then to hear of it again does so.
    std::atomic<bool> offered_here = false;

    explicit ActiveAction(Dispatch first) : dispatch(std::move(first)) {}
  };
  using ActivePtr = std::shared_ptr<ActiveAction>;

  // What an agent is sent that has the action, or may have it; in this order.
  struct Parcel {
    OutgoingMessage order;
    OutgoingMessage action;
    bool order_first = true;
  };

  static absl::StatusOr<ActivePtr> MakeActive(const StoredAction& action, const KeptDispatch& kept);
  // Gives the one that is active already, if there is one.
  ActivePtr Activate(const ActivePtr& action);
  // With the order that holds.
  absl::StatusOr<ActivePtr> TakeUp(const StoredAction& action, const std::vector<PairState>& pairs)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(ordering_);
  absl::Status TakeUpOrder(const StoredOrder& order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(ordering_);
  // Gives the dispatch of an action in the store what happened so far.
  absl::Status Restore(const std::string& action_id, const std::vector<PairState>& pairs,
                       Dispatch* dispatch);
  // Forgets what another scheduler decides, and begins from what it has left in the store.
  absl::Status RestoreAnew(ActiveAction& action) ABSL_EXCLUSIVE_LOCKS_REQUIRED(ordering_);
  // What was taken up already is no news: to be called with pairs that were read before
  // the dispatch was restored.
  static void NoteRestored(const std::vector<PairState>& pairs, ActiveAction& action)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(action.mutex);
  // By its newest order, and by the store: no agent is sent it any more.
  absl::Status ApplyNewest(const StoredAction& stored, ActiveAction& action);
  static void Apply(const StoredOrder& order, const v1::Order& parsed, ActiveAction& action);
  std::vector<ActivePtr> ActiveActions() const;
  // Null when it isn't active.
  ActivePtr FindActive(const std::string& action_id) const;
  absl::StatusOr<ActivePtr> FindOrActivate(const StoredAction& action)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(ordering_);
  // Errors: FailedPrecondition (not the operations of the sweep that it names),
  // InvalidArgument (a sweep with what only an action that ends can have).
  absl::Status TakeSweepTerms(const v1::Action& action, StoredAction* stored);
  absl::StatusOr<Launched> AnswerAgain(const StoredAction& action,
                                       const std::string& envelope_bytes,
                                       const absl::Status& added);

  absl::StatusOr<AuthorizedOrder> CheckOrder(const std::string& envelope_bytes,
                                             const std::vector<StoredOrder>& earlier);
  absl::Status CheckHasUse(const v1::Order& order, const StoredAction& action,
                           const std::vector<StoredOrder>& earlier);
  static absl::Status CheckChangesSomething(const v1::Order& order, const ActiveAction& action);
  absl::Status Obey(const v1::Order& order, const StoredOrder& stored, ActiveAction& action)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(ordering_);
  // At most once a second, unless it `is_new`.
  absl::StatusOr<Ordered> HandOn(const ActivePtr& action, bool is_new);
  Parcel ParcelOf(const ActiveAction& action, v1::DispatchState state) const
      ABSL_SHARED_LOCKS_REQUIRED(action.mutex);
  // Whether it sent the action.
  static bool SendParcel(const Parcel& parcel, const std::string& action_id, bool again,
                         AgentSession& session);
  // Agents that were sent it in the very moment in which an order came.
  void TellOfOrder(const std::vector<std::string>& agent_ids, const std::string& action_id);
  // An agent that turns out to have it: what it must know about it.
  void SendOrderTo(const std::string& agent_id, const std::string& action_id);

  // Whether how this action goes on is decided here.
  bool Decides(const ActiveAction& action) const {
    const uint64_t epoch = peers_->lead_epoch();
    return action.plain || (epoch != 0 && action.led == epoch);
  }
  v1::DispatchPhase PhaseHere(const ActiveAction& action) const
      ABSL_SHARED_LOCKS_REQUIRED(action.mutex);
  Phase DescribePhase(const ActiveAction& action) const ABSL_SHARED_LOCKS_REQUIRED(action.mutex);
  // To whom an action may be sent: by this scheduler, or by all that it decides for.
  bool IsConnected(const ActiveAction& action, const std::string& agent_id) const {
    return action.plain ? agents_.SessionOf(agent_id) != nullptr : agents_.IsReachable(agent_id);
  }
  // Of these pairs, the agents that are connected here and wait; and agents that turn out
  // to be of the target.
  void OfferWaiting(const ActivePtr& action, const std::vector<PairState>& pairs);
  // Those that are connected elsewhere are left to their schedulers; gives the others.
  std::vector<std::string> GrantElsewhere(const ActivePtr& action,
                                          const std::vector<std::string>& agent_ids);
  // They were not sent it after all.
  void TakeBack(const std::vector<std::string>& agent_ids, ActiveAction& action)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(action.mutex);
  void OfferAgain();
  void TellPhases();
  // These are connected and wait for it: sends it to those whose turn it is.
  void Offer(const ActivePtr& action, const std::vector<std::string>& agent_ids);
  // By whom it was decided that it goes to them: here, which must still be so when it
  // does, or by the scheduler that leads.
  enum class DecidedBy { kThis, kLeader };
  void SendTo(const ActivePtr& action, const std::vector<std::string>& agent_ids,
              DecidedBy decided_by);
  void SendChunk(const ActivePtr& action, const std::vector<std::string>& agent_ids,
                 DecidedBy decided_by);
  // Whether a grant still stands: by the store, which knows of orders and stops before
  // anyone is told of them. Blocks.
  absl::StatusOr<bool> GoesOnInStore(const std::string& action_id);
  // A record or refusal is stored, and this is what the pair is now.
  void OnStored(const std::string& agent_id, const std::string& action_id, v1::DispatchState state);
  // Both block.
  absl::Status RetireIfEnded(const std::string& agent_id, const std::string& action_id);
  // What the last scheduler on this store stored and didn't come to.
  absl::Status RetireThoseThatEnded();
  void NoteEnded(ActiveAction& action);
  // Endings that no one told of. Blocks.
  absl::Status LookForEnded(ActiveAction& action);
  void SaveDispatch(const ActiveAction& action) ABSL_LOCKS_EXCLUDED(ordering_);
  void SaveDispatchLocked(const ActiveAction& action) ABSL_EXCLUSIVE_LOCKS_REQUIRED(ordering_);
  std::string CanaryWords(const Dispatch& dispatch) const;
  std::string NameOf(const std::string& agent_id) const;

  // Every action that a connected agent should have and hasn't. The second blocks.
  void CatchUpSoon(const std::string& agent_id);
  void CatchUp(const std::string& agent_id);
  void CatchUpAgain();
  void SendPolicies(const std::string& agent_id, AgentSession& session);
  absl::Status CatchUpWith(const ActivePtr& action, const std::string& agent_id,
                           AgentSession& session);
  absl::Status CatchUpNew(const ActivePtr& action, const std::string& agent_id);

  Store& store_;
  Agents& agents_;
  Policies& policies_;
  Watchers& watchers_;
  Executor& background_;
  const Clock& clock_;
  const std::string fleet_id_;
  const OperationBounds ceiling_;
  Retired retired_;
  NoPeers no_peers_;
  Peers* peers_ = &no_peers_;

  // Held while an order is decided over what is stored, and stored: one at a time.
  absl::Mutex ordering_;
  // That of an action may be taken while this is held, never the other way round.
  mutable absl::Mutex mutex_;
  std::map<std::string, ActivePtr> active_ ABSL_GUARDED_BY(mutex_);
  // Agents for which CatchUp waits to run: once is enough.
  std::set<std::string> catching_up_ ABSL_GUARDED_BY(mutex_);
  // Those for which it failed and may go well the next time.
  std::set<std::string> catch_up_again_ ABSL_GUARDED_BY(mutex_);
  // Of CloseExpired, when it asked the store last.
  absl::Time closed_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  // Of Pace, which one thread calls: what others were told last, and when, and when they
  // were offered agents last (steady).
  std::string told_phases_;
  absl::Time told_phases_at_ = absl::InfinitePast();
  absl::Time offered_again_ = absl::InfinitePast();
  // The same of agents that catch up again, and of endings that are looked for.
  absl::Time caught_up_again_ = absl::InfinitePast();
  absl::Time looked_for_ended_ = absl::InfinitePast();
};

}  // namespace dragnet::scheduler
