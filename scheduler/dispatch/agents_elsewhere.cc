// The part of Agents about the sessions of other schedulers.
#include <algorithm>
#include <utility>

#include "scheduler/dispatch/agents.h"

namespace dragnet::scheduler {
namespace {

// Of agents that enrolled elsewhere in this moment; what isn't kept is read from the
// store before long.
constexpr size_t kMaxEarly = 4096;

}  // namespace

void Agents::AfterElsewhere(Agent& agent, bool was_connected, absl::Time now) {
  if (agent.elsewhere.empty()) {
    elsewhere_.erase(&agent);
  } else {
    elsewhere_.insert(&agent);
  }
  if (agent.connected() == was_connected) return;
  ++changes_;
  if (agent.connected()) return;
  agent.disconnected_at = now;
  agent.stored.last_seen = now;
}

void Agents::TakeUpEarly(Agent& agent) {
  const auto early = early_.extract(agent.stored.id);
  if (early.empty()) return;
  std::vector<std::shared_ptr<AgentSession>> replaced;  // it has none here yet
  NoteElsewhereLocked(early.mapped().first, early.mapped().second, &replaced);
}

void Agents::NoteElsewhereLocked(const StoredSession& session, absl::Time now,
                                 std::vector<std::shared_ptr<AgentSession>>* replaced) {
  const auto found = agents_.find(session.agent_id);
  if (found == agents_.end()) {
    if (early_.size() < kMaxEarly || early_.contains(session.agent_id))
      early_[session.agent_id] = {session, now};
    return;
  }
  Agent& agent = found->second;
  std::vector<Elsewhere>& elsewhere = agent.elsewhere;
  const bool was_connected = agent.connected();
  if (!session.connected) {
    std::erase_if(elsewhere, [&](const Elsewhere& other) {
      return other.scheduler == session.scheduler && other.epoch <= session.epoch;
    });
    return AfterElsewhere(agent, was_connected, now);
  }
  uint64_t newest = agent.connected_here() ? agent.current.epoch : 0;
  if (!elsewhere.empty()) newest = std::max(newest, elsewhere.back().epoch);
  const auto same_boot =
      std::find_if(elsewhere.begin(), elsewhere.end(),
                   [&](const Elsewhere& other) { return other.boot_id == session.boot_id; });
  bool is_known = false;
  if (same_boot != elsewhere.end()) {
    // What was under way when the host went on to another scheduler.
    if (same_boot->epoch > session.epoch) return;
    is_known = same_boot->epoch == session.epoch;
    elsewhere.erase(same_boot);
  }
  if (elsewhere.size() == IdentityWatch::kMaxHosts) elsewhere.erase(elsewhere.begin());
  elsewhere.insert(
      std::upper_bound(elsewhere.begin(), elsewhere.end(), session.epoch,
                       [](uint64_t epoch, const Elsewhere& other) { return epoch < other.epoch; }),
      {session.scheduler, session.epoch, session.boot_id, now});
  AfterElsewhere(agent, was_connected, now);
  const v1::Facts& facts = agent.stored.facts;
  bool shows_two = false;
  if (!is_known && session.epoch > newest) {
    shows_two = agent.identity.OnHello(session.boot_id, facts, facts, now);
  } else if (agent.identity.Knows(session.boot_id)) {
    shows_two = is_known && agent.identity.OnHeard(session.boot_id, now);
  } else {
    agent.identity.OnOlder(session.boot_id, facts, now);
  }
  if (shows_two) {
    ++changes_;
    duplicates_.insert(&agent);
    NoteDuplicate(agent, now);
  }
  const auto replaces = [&](const Connection& connection) {
    return connection.session != nullptr && connection.boot_id == session.boot_id &&
           connection.epoch < session.epoch;
  };
  if (replaces(agent.current)) replaced->push_back(agent.current.session);
  for (const Connection& other : agent.others)
    if (replaces(other)) replaced->push_back(other.session);
}

std::vector<std::shared_ptr<AgentSession>> Agents::NoteElsewhere(
    const std::vector<StoredSession>& sessions, absl::Time now) {
  std::vector<std::shared_ptr<AgentSession>> replaced;
  absl::MutexLock lock(&mutex_);
  for (const StoredSession& session : sessions) NoteElsewhereLocked(session, now, &replaced);
  return replaced;
}

std::vector<std::shared_ptr<AgentSession>> Agents::SetElsewhere(
    const std::vector<StoredSession>& sessions, std::string_view self, absl::Time asked,
    absl::Time now) {
  std::vector<std::shared_ptr<AgentSession>> replaced;
  absl::flat_hash_set<std::pair<std::string, uint64_t>> known;
  for (const StoredSession& session : sessions) known.emplace(session.agent_id, session.epoch);
  absl::MutexLock lock(&mutex_);
  const std::vector<Agent*> before(elsewhere_.begin(), elsewhere_.end());
  for (Agent* agent : before) {
    const bool was_connected = agent->connected();
    std::erase_if(agent->elsewhere, [&](const Elsewhere& other) {
      return other.heard < asked && !known.contains({agent->stored.id, other.epoch});
    });
    AfterElsewhere(*agent, was_connected, now);
  }
  for (const StoredSession& session : sessions)
    if (session.scheduler != self) NoteElsewhereLocked(session, now, &replaced);
  return replaced;
}

void Agents::ForgetElsewhere(std::string_view scheduler, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  const std::vector<Agent*> before(elsewhere_.begin(), elsewhere_.end());
  for (Agent* agent : before) {
    const bool was_connected = agent->connected();
    std::erase_if(agent->elsewhere,
                  [&](const Elsewhere& other) { return other.scheduler == scheduler; });
    AfterElsewhere(*agent, was_connected, now);
  }
}

std::string Agents::SchedulerOf(const std::string& agent_id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = agents_.find(agent_id);
  if (found == agents_.end() || found->second.belongs_here() || found->second.elsewhere.empty())
    return "";
  return found->second.elsewhere.back().scheduler;
}

bool Agents::IsReachable(const std::string& agent_id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = agents_.find(agent_id);
  return found != agents_.end() && found->second.connected() && !found->second.identity.duplicate();
}

StoredSession Agents::Claimed(const Agent& agent, const Connection& connection) {
  StoredSession session;
  session.agent_id = agent.stored.id;
  session.epoch = connection.epoch;
  session.boot_id = connection.boot_id;
  session.connected = true;
  return session;
}

std::vector<StoredSession> Agents::OwnHere() const {
  absl::MutexLock lock(&mutex_);
  std::vector<StoredSession> sessions;
  for (const Agent* agent : connected_)
    if (agent->belongs_here()) sessions.push_back(Claimed(*agent, agent->current));
  return sessions;
}

std::vector<StoredSession> Agents::DuplicatesHere() const {
  absl::MutexLock lock(&mutex_);
  std::vector<StoredSession> sessions;
  for (const Agent* agent : duplicates_) {
    if (!agent->connected_here()) continue;
    sessions.push_back(Claimed(*agent, agent->current));
    for (const Connection& other : agent->others) sessions.push_back(Claimed(*agent, other));
  }
  return sessions;
}

std::vector<std::shared_ptr<AgentSession>> Agents::StillOwnHere(
    const std::vector<StoredSession>& lost) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<AgentSession>> sessions;
  for (const StoredSession& session : lost) {
    const auto found = agents_.find(session.agent_id);
    if (found != agents_.end() && found->second.belongs_here() &&
        found->second.current.epoch == session.epoch)
      sessions.push_back(found->second.current.session);
  }
  return sessions;
}

}  // namespace dragnet::scheduler
