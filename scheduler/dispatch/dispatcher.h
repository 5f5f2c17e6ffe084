// Brings signed actions, orders about them and trust policies to the agents they
// are for, and what the agents answer to the store. It orders nothing: what it
// sends was signed by someone else, and agents check that again.
//
// Thread-safe. Calls that say "blocks" wait for the store and belong on an
// executor's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
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
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/dispatch.h"
#include "scheduler/dispatch/policies.h"
#include "scheduler/dispatch/record_log.h"
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
  // `done` with OK when the record may be forgotten by the agent: it is stored,
  // or it never will be. Then also what it was good for.
  using RecordDone = std::function<void(absl::Status, RecordWorth)>;
  void OnRecord(const std::string& agent_id, v1::ResultRecord record, RecordDone done);

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

    mutable absl::Mutex mutex;
    // Its envelope; null once it was cancelled: it goes to no one any more.
    OutgoingMessage message ABSL_GUARDED_BY(mutex);
    Dispatch dispatch ABSL_GUARDED_BY(mutex);
    // The newest one; null for none.
    OutgoingMessage order ABSL_GUARDED_BY(mutex);
    absl::Time order_expires ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
    // When it was handed on last, and to how many.
    absl::Time handed_on ABSL_GUARDED_BY(mutex) = absl::InfinitePast();
    uint64_t handed_on_to ABSL_GUARDED_BY(mutex) = 0;
    // Agents that were told of it since it came.
    std::set<std::string> told ABSL_GUARDED_BY(mutex);
    // Agents that have ended it, or ended it otherwise, since Pace last looked.
    std::set<std::string> ended ABSL_GUARDED_BY(mutex);
    bool closed ABSL_GUARDED_BY(mutex) = false;

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
  absl::StatusOr<ActivePtr> TakeUp(const StoredAction& action);
  absl::Status TakeUpOrder(const StoredOrder& order);
  // Gives the dispatch of an action in the store what happened so far.
  absl::Status Restore(ActiveAction& action);
  static void Apply(const StoredOrder& order, const v1::Order& parsed, ActiveAction& action);
  std::vector<ActivePtr> ActiveActions() const;
  // Null when it isn't active.
  ActivePtr FindActive(const std::string& action_id) const;
  absl::StatusOr<ActivePtr> FindOrActivate(const StoredAction& action);
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

  bool IsConnected(const std::string& agent_id) const {
    return agents_.SessionOf(agent_id) != nullptr;
  }
  // These are connected and wait for it: sends it to those whose turn it is.
  void Offer(const ActivePtr& action, const std::vector<std::string>& agent_ids);
  void SendTo(const ActivePtr& action, const std::vector<std::string>& agent_ids);
  void SendChunk(const ActivePtr& action, const std::vector<std::string>& agent_ids);
  // A record or refusal is stored, and this is what the pair is now.
  void OnStored(const std::string& agent_id, const std::string& action_id, v1::DispatchState state);
  void NoteEnded(ActiveAction& action);
  void SaveDispatch(const ActiveAction& action) ABSL_LOCKS_EXCLUDED(ordering_);
  void SaveDispatchLocked(const ActiveAction& action) ABSL_EXCLUSIVE_LOCKS_REQUIRED(ordering_);
  std::string CanaryWords(const Dispatch& dispatch) const;
  std::string NameOf(const std::string& agent_id) const;

  // Every action that a connected agent should have and hasn't. The second blocks.
  void CatchUpSoon(const std::string& agent_id);
  void CatchUp(const std::string& agent_id);
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
  RecordLog record_log_;

  // Held while an order is decided over what is stored, and stored: one at a time.
  absl::Mutex ordering_;
  // That of an action may be taken while this is held, never the other way round.
  mutable absl::Mutex mutex_;
  std::map<std::string, ActivePtr> active_ ABSL_GUARDED_BY(mutex_);
  // Agents for which CatchUp waits to run: once is enough.
  std::set<std::string> catching_up_ ABSL_GUARDED_BY(mutex_);
  // Of CloseExpired, when it asked the store last.
  absl::Time closed_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace dragnet::scheduler
