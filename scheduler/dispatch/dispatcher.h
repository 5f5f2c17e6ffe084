// Brings signed actions and trust policies to the agents they are for, and what
// the agents answer to the store. It orders nothing: what it sends was signed
// by someone else, and agents check that again.
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
#include "scheduler/dispatch/agents.h"
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
  absl::Status Cancel(const std::string& action_id);
  // Gives the version.
  absl::StatusOr<uint64_t> PublishPolicy(const std::string& envelope_bytes);

  // ---- for agents; none blocks
  // After the agent's Hello, when its Welcome is queued: policies, then actions.
  void OnConnected(const std::string& agent_id, AgentSession& session);
  void OnFactsChanged(const std::string& agent_id) { CatchUpSoon(agent_id); }
  void OnPolicyTaken(const std::string& agent_id, uint64_t version);
  void OnAccepted(const std::string& agent_id, const std::string& action_id);
  // `done` with OK when the record may be forgotten by the agent: it is stored,
  // or it never will be.
  void OnRecord(const std::string& agent_id, v1::ResultRecord record,
                std::function<void(absl::Status)> done);

  // ---- now and then; blocks
  void CloseExpired();

  // ---- for those who look at the scheduler
  struct Activity {
    // Of actions that haven't ended.
    std::map<v1::DispatchPhase, uint64_t> by_phase;
    // Ids of those that stopped by themselves.
    std::vector<std::string> stopped;
  };
  Activity activity() const;

 private:
  struct ActiveAction {
    std::string id;
    std::string target;
    absl::Time expires;
    OutgoingMessage message;
  };

  absl::Status Activate(const StoredAction& action);
  std::vector<ActiveAction> ActiveActions() const;
  absl::StatusOr<Launched> AnswerAgain(const StoredAction& action,
                                       const std::string& envelope_bytes);
  void SendTo(const ActiveAction& action, const std::vector<std::string>& agent_ids);
  // Every action that a connected agent should have and hasn't. The second blocks.
  void CatchUpSoon(const std::string& agent_id);
  void CatchUp(const std::string& agent_id);
  void SendPolicies(const std::string& agent_id, AgentSession& session);
  absl::Status CatchUpWith(const ActiveAction& action, const std::string& agent_id,
                           AgentSession& session);

  Store& store_;
  Agents& agents_;
  Policies& policies_;
  Watchers& watchers_;
  Executor& background_;
  const Clock& clock_;
  const std::string fleet_id_;
  const OperationBounds ceiling_;

  mutable absl::Mutex mutex_;
  std::map<std::string, ActiveAction> active_ ABSL_GUARDED_BY(mutex_);
  // Agents for which CatchUp waits to run: once is enough.
  std::set<std::string> catching_up_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
