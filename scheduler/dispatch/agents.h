// The agents that the scheduler knows: their facts, and which of them are
// connected now, here or to another scheduler of the cluster. In memory, over the
// store. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/target.h"
#include "dragnet/v1/agent_gateway.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "scheduler/auth/open_streams.h"
#include "scheduler/dispatch/identity_watch.h"
#include "scheduler/dispatch/progress.h"
#include "scheduler/dispatch/record_log.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

// A serialised SchedulerMessage; all sessions share one copy.
using OutgoingMessage = std::shared_ptr<const std::string>;

// The stream of one connected agent, as the dispatcher sees it. Thread-safe;
// no call blocks.
class AgentSession : public OpenStream {
 public:
  // Queues a message; nothing happens on a closed session.
  virtual void Send(OutgoingMessage message) = 0;
  // Queues an action's envelope, once for each session however often it is
  // asked to, unless `again`. False if it was sent before.
  virtual bool SendAction(const std::string& action_id, OutgoingMessage message, bool again) = 0;
  // Since when the agent has said nothing although it was listened to; in the
  // infinite future while it isn't. Asked under a lock: takes none.
  virtual absl::Time silent_since() const { return absl::InfinitePast(); }
  // What a record of its agent was good for, now that it is stored.
  virtual void NoteWorth(RecordWorth) {}
};

// A UUID, or "" for a host that doesn't say.
std::string BootIdOf(const v1::Hello& hello);

// Some of those that were asked for, by name, then id.
struct AgentPage {
  std::vector<v1::AgentInfo> agents;
  // There are further ones after these.
  bool more = false;
  // Of all that were asked for.
  uint64_t total = 0;
  uint64_t connected = 0;
};

class Agents {
 public:
  // All agents of the store. `now` counts as when they were last connected: at
  // a restart they are all about to come back.
  static absl::StatusOr<std::unique_ptr<Agents>> Load(Store& store, absl::Time now);

  // After an enrolment. One that was revoked meanwhile stays so.
  absl::Status Add(StoredAgent agent);
  // As the store has it now: other schedulers have changed it. What is connected here is
  // known better here.
  absl::Status Refresh(StoredAgent agent);
  // Called when what others may want to know of an agent is another in the store: on the
  // store's thread, and must not block. Before the first agent connects.
  using Changed = std::function<void(const std::string& agent_id)>;
  void WhenChanged(Changed changed) { changed_ = std::move(changed); }

  // Facts and the like of Hello. Gives the session that this one replaces: the
  // one of the same boot. That of another boot stays beside it, until it ends by
  // itself: see IdentityWatch. Not to say is a boot like any other.
  // NotFound for an unknown agent. `epoch` is that of its claim, 0 without a cluster;
  // Aborted when the same boot has a newer session at another scheduler.
  absl::StatusOr<std::shared_ptr<AgentSession>> Connect(
      const std::string& agent_id, const std::shared_ptr<AgentSession>& session,
      const v1::Hello& hello, absl::Time now, uint64_t epoch = 0);
  // False when the agent has another session.
  bool Disconnect(const std::string& agent_id, const AgentSession* session, absl::Time now);

  // Whether they are other ones than before.
  absl::StatusOr<bool> UpdateFacts(const std::string& agent_id, const v1::Facts& facts);
  void UpdatePolicyVersion(const std::string& agent_id, uint64_t version);
  // `agent_now` is what the agent's clock said.
  void NoteHeartbeat(const std::string& agent_id, const AgentSession* session, absl::Time agent_now,
                     absl::Time now);
  // Anything came from this session. Every few seconds is often enough.
  void NoteHeard(const std::string& agent_id, const AgentSession* session, absl::Time now);
  // For good; also takes it out of all targets.
  void Revoke(const std::string& agent_id);

  // Ids of those that aren't revoked and for whose facts `target` is true, in
  // order of id; all for an empty target.
  absl::StatusOr<std::vector<std::string>> Select(std::string_view target) const;
  // Its host's name; empty for one that isn't known. Hostile text.
  std::string NameOf(const std::string& agent_id) const;
  // Facts of one agent; NotFound.
  absl::StatusOr<v1::Facts> FactsOf(const std::string& agent_id) const;
  uint64_t PolicyVersionOf(const std::string& agent_id) const;

  // Null when it isn't connected here or has a newer session elsewhere, or when two
  // hosts use its identity: neither is sent anything to run until only one is left.
  std::shared_ptr<AgentSession> SessionOf(const std::string& agent_id) const;
  // Those of all its hosts here.
  std::vector<std::shared_ptr<AgentSession>> AllSessionsOf(const std::string& agent_id) const;
  // All that are connected, also several of one agent.
  std::vector<std::pair<std::string, std::shared_ptr<AgentSession>>> Sessions() const;
  // Those that connected after Connections() gave `count`.
  std::vector<std::string> ConnectedSince(uint64_t count) const;
  uint64_t connections() const;
  Presence PresenceOf(const std::string& agent_id, absl::Time now) const;
  // Ids of those for which PresenceOf says kConnected.
  std::vector<std::string> Connected() const;
  // Another number after each change that consoles show: someone came, went, is
  // another one, was revoked. For who asks anew only then.
  uint64_t changes() const { return changes_; }

  // ---- sessions of other schedulers (agents_elsewhere.cc). Of the sessions of an agent
  // the one whose epoch is the highest is its own; an older one of the same boot ends, one
  // of another boot stays beside it, as it does at one scheduler.

  // What others say of theirs. Gives those of here that they replace: to be closed.
  std::vector<std::shared_ptr<AgentSession>> NoteElsewhere(
      const std::vector<StoredSession>& sessions, absl::Time now);
  // All that the store knew at `asked`, or later; those of `self` among them are of here.
  // What isn't among them, and wasn't heard of since, has ended.
  std::vector<std::shared_ptr<AgentSession>> SetElsewhere(
      const std::vector<StoredSession>& sessions, std::string_view self, absl::Time asked,
      absl::Time now);
  // That scheduler is no more. Nor are its sessions.
  void ForgetElsewhere(std::string_view scheduler, absl::Time now);
  // The scheduler that it is connected to, if that is another one; "" if it is this one,
  // or none.
  std::string SchedulerOf(const std::string& agent_id) const;
  // Connected to any scheduler, and no two hosts use its identity.
  bool IsReachable(const std::string& agent_id) const;
  // Those that were claimed here and that no newer one is known of.
  std::vector<StoredSession> OwnHere() const;
  // Those of agents whose identity two hosts use: all that are here.
  std::vector<StoredSession> DuplicatesHere() const;
  // Those of OwnHere() that are still so, to be closed: someone else has claimed them, and
  // it isn't known who.
  std::vector<std::shared_ptr<AgentSession>> StillOwnHere(
      const std::vector<StoredSession>& lost) const;

  // Everything for consoles, by name, then id.
  std::vector<v1::AgentInfo> Describe(const std::vector<std::string>& agent_ids,
                                      absl::Time now) const;
  // Agents whose identity was used by two hosts and is used by one again: they
  // may lack actions. To be called every second or so.
  std::vector<std::string> EndDuplicates(absl::Time now);

  // How many there are, and which of them somebody should look at.
  struct Census {
    uint64_t online = 0;
    uint64_t idle = 0;
    uint64_t offline = 0;
    uint64_t duplicate = 0;
    uint64_t revoked = 0;
    // At most kNamed of each, with host names: hostile text.
    static constexpr size_t kNamed = 3;
    std::vector<std::string> duplicates;
    uint64_t wrong_clocks = 0;
    std::vector<std::string> wrong_clock_names;
  };
  Census TakeCensus(absl::Time now) const;

  // Those that `target` selects, as Select; all, also the revoked ones, for an empty
  // one. At most `limit` of them that come after the agent `after`, or `max_bytes`
  // serialised, but one in any case; from the first if `after` is empty. Describes
  // no more than those and one. InvalidArgument: the target, or `after` is not a
  // known agent.
  absl::StatusOr<AgentPage> Search(std::string_view target, std::string_view after, size_t limit,
                                   size_t max_bytes, absl::Time now) const;

  // Writes when the connected agents were last seen.
  void SaveLastSeen(absl::Time now);
  // Sessions that were listened to and from which nothing was heard since `since`.
  std::vector<std::shared_ptr<AgentSession>> SilentSince(absl::Time since) const;

 private:
  struct Connection {
    std::shared_ptr<AgentSession> session;
    // A UUID; empty for hosts that don't say.
    std::string boot_id;
    absl::Time last_heard;
    uint64_t epoch = 0;
  };
  // A session of another scheduler.
  struct Elsewhere {
    std::string scheduler;
    uint64_t epoch = 0;
    std::string boot_id;
    absl::Time heard;
  };
  struct Agent {
    StoredAgent stored;
    // The one that came last.
    Connection current;
    // Of other boots, older first; at most IdentityWatch::kMaxHosts.
    std::vector<Connection> others;
    // Rising by epoch; at most IdentityWatch::kMaxHosts.
    std::vector<Elsewhere> elsewhere;
    IdentityWatch identity;
    // Which connection the last one is, in the order of all.
    uint64_t connection = 0;
    absl::Time disconnected_at = absl::InfinitePast();
    absl::Duration clock_offset;

    bool connected_here() const { return current.session != nullptr; }
    bool connected() const { return connected_here() || !elsewhere.empty(); }
    // Its own session is here.
    bool belongs_here() const {
      return connected_here() && (elsewhere.empty() || elsewhere.back().epoch < current.epoch);
    }
  };

  Agents(Store& store, std::unique_ptr<TargetTable> table)
      : store_(store), table_(std::move(table)) {}
  // Makes it the current one; gives the session whose place it takes.
  static std::shared_ptr<AgentSession> Replace(Agent& agent, Connection connection);
  // Null for a session that was replaced and isn't closed yet.
  static Connection* ConnectionOf(Agent& agent, const AgentSession* session);
  void NoteHeardLocked(Agent& agent, Connection& connection, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `before`: those that are known.
  absl::StatusOr<bool> UpdateFacts(const std::string& agent_id, const v1::Facts& before,
                                   const v1::Facts& facts);
  void NoteDuplicate(const Agent& agent, absl::Time now) ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void NoteElsewhereLocked(const StoredSession& session, absl::Time now,
                           std::vector<std::shared_ptr<AgentSession>>* replaced)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static StoredSession Claimed(const Agent& agent, const Connection& connection);
  void TakeUpEarly(Agent& agent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // After `elsewhere` of it has changed. `was_connected`: before.
  void AfterElsewhere(Agent& agent, bool was_connected, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static v1::AgentInfo::State StateOf(const Agent& agent, absl::Time now);
  v1::AgentInfo InfoOf(const Agent& agent, absl::Time now) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // What of an agent's facts others may say of themselves, too; before and after these
  // facts, or whether it is revoked, change.
  void RemoveClaims(const Agent& agent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddClaims(const Agent& agent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddSameHosts(const Agent& agent, v1::AgentInfo* info) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // What UpdateAgent calls after a change that others may want to know.
  Store::Done ToldOf(const std::string& agent_id) const;

  Store& store_;
  Changed changed_;
  // Never taken while holding mutex_ (the other way round is right): an
  // expensive target must not hold up those who connect.
  mutable absl::Mutex table_mutex_;
  std::unique_ptr<TargetTable> table_ ABSL_GUARDED_BY(table_mutex_);
  mutable absl::Mutex mutex_;
  std::map<std::string, Agent, std::less<>> agents_ ABSL_GUARDED_BY(mutex_);
  // Ids of those that aren't revoked, by what they say which host they are.
  std::map<std::string, std::set<std::string>> claims_ ABSL_GUARDED_BY(mutex_);
  // Those of agents_ that have a session: what is done every second looks only
  // at them.
  absl::flat_hash_set<Agent*> connected_ ABSL_GUARDED_BY(mutex_);
  // Those of agents_ that have one elsewhere.
  absl::flat_hash_set<Agent*> elsewhere_ ABSL_GUARDED_BY(mutex_);
  // Of agents that have just enrolled elsewhere and aren't known yet. Bounded.
  std::map<std::string, std::pair<StoredSession, absl::Time>> early_ ABSL_GUARDED_BY(mutex_);
  // Those whose identity two hosts use.
  absl::flat_hash_set<Agent*> duplicates_ ABSL_GUARDED_BY(mutex_);
  uint64_t connections_ ABSL_GUARDED_BY(mutex_) = 0;
  // Risen after what it stands for, so that who sees it sees that, too.
  std::atomic<uint64_t> changes_ = 1;
};

}  // namespace dragnet::scheduler
