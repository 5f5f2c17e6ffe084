#include "scheduler/dispatch/agents.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/action.h"
#include "core/status_macros.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

// How long an agent that went away is expected back.
constexpr absl::Duration kJustLeft = absl::Seconds(30);
// A share of the agents so small that they are looked up one by one.
constexpr size_t kFewOfAll = 8;
constexpr int kMaxWalls = 32;
constexpr size_t kMaxWallBytes = 256;

std::vector<std::string> BoundedWalls(const v1::Hello& hello) {
  std::vector<std::string> walls;
  for (const std::string& wall : hello.missing_walls()) {
    if (walls.size() == kMaxWalls) break;
    // One line each: they are kept as lines.
    walls.push_back(Shorten(ForTerminal(wall), kMaxWallBytes));
  }
  return walls;
}

void Ignore(absl::Status) {}

}  // namespace

absl::StatusOr<std::unique_ptr<Agents>> Agents::Load(Store& store, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<TargetTable> table, TargetTable::Create());
  std::unique_ptr<Agents> agents(new Agents(store, std::move(table)));
  DRAGNET_ASSIGN_OR_RETURN(std::vector<StoredAgent> stored, store.Agents());
  for (StoredAgent& agent : stored) {
    const std::string id = agent.id;
    DRAGNET_RETURN_IF_ERROR(agents->Add(std::move(agent)));
    absl::MutexLock lock(&agents->mutex_);
    agents->agents_.find(id)->second.disconnected_at = now;
  }
  return agents;
}

absl::Status Agents::Add(StoredAgent stored) {
  if (!stored.revoked) {
    absl::MutexLock lock(&table_mutex_);
    DRAGNET_RETURN_IF_ERROR(table_->Upsert(stored.facts));
  }
  absl::MutexLock lock(&mutex_);
  const std::string id = stored.id;
  Agent& agent = agents_[id];
  agent.stored = std::move(stored);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<AgentSession>> Agents::Connect(
    const std::string& agent_id, const std::shared_ptr<AgentSession>& session,
    const v1::Hello& hello, absl::Time now) {
  {
    absl::MutexLock lock(&mutex_);
    if (agents_.find(agent_id) == agents_.end())
      return absl::NotFoundError(StrCat("no agent ", agent_id));
  }
  DRAGNET_RETURN_IF_ERROR(UpdateFacts(agent_id, hello.facts()));
  AgentUpdate update;
  update.last_seen = now;
  update.trust_policy_version = hello.trust_policy_version();
  update.missing_walls = BoundedWalls(hello);
  std::shared_ptr<AgentSession> replaced;
  {
    absl::MutexLock lock(&mutex_);
    Agent& agent = agents_.find(agent_id)->second;
    replaced = std::exchange(agent.session, session);
    agent.connection = ++connections_;
    agent.last_heard = now;
    agent.stored.last_seen = now;
    agent.stored.trust_policy_version = hello.trust_policy_version();
    agent.stored.missing_walls = *update.missing_walls;
  }
  store_.UpdateAgent(agent_id, update, Ignore);
  return replaced;
}

bool Agents::Disconnect(const std::string& agent_id, const AgentSession* session, absl::Time now) {
  {
    absl::MutexLock lock(&mutex_);
    auto found = agents_.find(agent_id);
    if (found == agents_.end() || found->second.session.get() != session) return false;
    found->second.session.reset();
    found->second.disconnected_at = now;
    found->second.stored.last_seen = now;
  }
  AgentUpdate update;
  update.last_seen = now;
  store_.UpdateAgent(agent_id, update, Ignore);
  return true;
}

absl::Status Agents::UpdateFacts(const std::string& agent_id, const v1::Facts& facts) {
  {
    absl::MutexLock lock(&mutex_);
    auto found = agents_.find(agent_id);
    if (found == agents_.end()) return absl::NotFoundError(StrCat("no agent ", agent_id));
    if (found->second.stored.revoked) return absl::OkStatus();
    found->second.stored.facts = facts;
  }
  AgentUpdate update;
  update.facts = facts;
  store_.UpdateAgent(agent_id, update, Ignore);
  absl::MutexLock lock(&table_mutex_);
  return table_->Upsert(facts);
}

void Agents::UpdatePolicyVersion(const std::string& agent_id, uint64_t version) {
  {
    absl::MutexLock lock(&mutex_);
    auto found = agents_.find(agent_id);
    if (found == agents_.end()) return;
    found->second.stored.trust_policy_version = version;
  }
  AgentUpdate update;
  update.trust_policy_version = version;
  store_.UpdateAgent(agent_id, update, Ignore);
}

void Agents::NoteHeartbeat(const std::string& agent_id, absl::Duration clock_offset,
                           absl::Time now) {
  absl::MutexLock lock(&mutex_);
  auto found = agents_.find(agent_id);
  if (found == agents_.end()) return;
  found->second.last_heard = now;
  found->second.clock_offset = clock_offset;
}

void Agents::Revoke(const std::string& agent_id) {
  {
    absl::MutexLock lock(&mutex_);
    auto found = agents_.find(agent_id);
    if (found == agents_.end()) return;
    found->second.stored.revoked = true;
  }
  absl::MutexLock lock(&table_mutex_);
  table_->Remove(agent_id).IgnoreError();
}

absl::StatusOr<std::vector<std::string>> Agents::Select(std::string_view target) const {
  if (!target.empty()) {
    absl::MutexLock lock(&table_mutex_);
    return table_->Select(target);
  }
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> ids;
  ids.reserve(agents_.size());
  for (const auto& [id, agent] : agents_) ids.push_back(id);
  return ids;
}

absl::StatusOr<v1::Facts> Agents::FactsOf(const std::string& agent_id) const {
  absl::MutexLock lock(&mutex_);
  auto found = agents_.find(agent_id);
  if (found == agents_.end()) return absl::NotFoundError(StrCat("no agent ", agent_id));
  return found->second.stored.facts;
}

uint64_t Agents::PolicyVersionOf(const std::string& agent_id) const {
  absl::MutexLock lock(&mutex_);
  auto found = agents_.find(agent_id);
  return found == agents_.end() ? 0 : found->second.stored.trust_policy_version;
}

std::shared_ptr<AgentSession> Agents::SessionOf(const std::string& agent_id) const {
  absl::MutexLock lock(&mutex_);
  auto found = agents_.find(agent_id);
  return found == agents_.end() ? nullptr : found->second.session;
}

std::vector<std::pair<std::string, std::shared_ptr<AgentSession>>> Agents::Sessions() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::pair<std::string, std::shared_ptr<AgentSession>>> sessions;
  for (const auto& [id, agent] : agents_)
    if (agent.session != nullptr) sessions.emplace_back(id, agent.session);
  return sessions;
}

std::vector<std::string> Agents::ConnectedSince(uint64_t count) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, agent] : agents_)
    if (agent.session != nullptr && agent.connection > count) ids.push_back(id);
  return ids;
}

uint64_t Agents::connections() const {
  absl::MutexLock lock(&mutex_);
  return connections_;
}

Presence Agents::PresenceOf(const std::string& agent_id, absl::Time now) const {
  absl::MutexLock lock(&mutex_);
  auto found = agents_.find(agent_id);
  if (found == agents_.end() || found->second.stored.revoked) return Presence::kAway;
  if (found->second.session != nullptr) return Presence::kConnected;
  return now - found->second.disconnected_at < kJustLeft ? Presence::kJustLeft : Presence::kAway;
}

v1::AgentInfo Agents::InfoOf(const Agent& agent) const {
  v1::AgentInfo info;
  *info.mutable_facts() = agent.stored.facts;
  if (agent.stored.revoked) {
    info.set_state(v1::AgentInfo::STATE_REVOKED);
  } else {
    info.set_state(agent.session != nullptr ? v1::AgentInfo::STATE_ONLINE
                                            : v1::AgentInfo::STATE_OFFLINE);
  }
  const absl::Time seen = agent.session != nullptr ? agent.last_heard : agent.stored.last_seen;
  if (seen != absl::InfinitePast()) *info.mutable_last_seen() = ToTimestamp(seen);
  *info.mutable_enrolled_at() = ToTimestamp(agent.stored.enrolled_at);
  info.set_trust_policy_version(agent.stored.trust_policy_version);
  *info.mutable_clock_offset() = ToProtoDuration(agent.clock_offset);
  for (const std::string& wall : agent.stored.missing_walls) info.add_missing_walls(wall);
  return info;
}

std::vector<v1::AgentInfo> Agents::Describe(const std::vector<std::string>& agent_ids) const {
  std::vector<v1::AgentInfo> infos;
  {
    absl::MutexLock lock(&mutex_);
    for (const std::string& id : agent_ids)
      if (auto found = agents_.find(id); found != agents_.end())
        infos.push_back(InfoOf(found->second));
  }
  std::sort(infos.begin(), infos.end(), [](const v1::AgentInfo& a, const v1::AgentInfo& b) {
    return std::tie(a.facts().name(), a.facts().id()) < std::tie(b.facts().name(), b.facts().id());
  });
  return infos;
}

absl::StatusOr<AgentPage> Agents::Search(std::string_view target, std::string_view after,
                                         size_t limit) const {
  std::vector<std::string> ids;
  if (!target.empty()) {
    absl::MutexLock lock(&table_mutex_);
    DRAGNET_ASSIGN_OR_RETURN(ids, table_->Select(target));
  }
  const auto comes_before = [](const Agent* a, const Agent* b) {
    return std::tie(a->stored.facts.name(), a->stored.id) <
           std::tie(b->stored.facts.name(), b->stored.id);
  };
  absl::MutexLock lock(&mutex_);
  const Agent* last = nullptr;
  if (!after.empty()) {
    const auto found = agents_.find(after);
    if (found == agents_.end())
      return absl::InvalidArgumentError("page_token: the list has changed, start again");
    last = &found->second;
  }
  AgentPage page;
  std::vector<const Agent*> listed;
  const auto take = [&](const Agent& agent) {
    ++page.total;
    if (agent.session != nullptr && !agent.stored.revoked) ++page.connected;
    if (limit > 0 && (last == nullptr || comes_before(last, &agent))) listed.push_back(&agent);
  };
  if (target.empty()) {
    for (const auto& [id, agent] : agents_) take(agent);
  } else if (ids.size() < agents_.size() / kFewOfAll) {
    for (const std::string& id : ids)
      if (const auto found = agents_.find(id); found != agents_.end()) take(found->second);
  } else {
    // Both are in order of id: going along costs less than to look each up.
    auto known = agents_.begin();
    for (const std::string& id : ids) {
      while (known != agents_.end() && known->first < id) ++known;
      if (known == agents_.end()) break;
      if (known->first == id) take(known->second);
    }
  }
  const auto end = listed.begin() + static_cast<ptrdiff_t>(std::min(limit, listed.size()));
  std::partial_sort(listed.begin(), end, listed.end(), comes_before);
  for (auto agent = listed.begin(); agent != end; ++agent) page.agents.push_back(InfoOf(**agent));
  return page;
}

void Agents::SaveLastSeen(absl::Time now) {
  std::vector<std::string> ids;
  {
    absl::MutexLock lock(&mutex_);
    for (auto& [id, agent] : agents_) {
      if (agent.session == nullptr) continue;
      agent.stored.last_seen = now;
      ids.push_back(id);
    }
  }
  AgentUpdate update;
  update.last_seen = now;
  for (const std::string& id : ids) store_.UpdateAgent(id, update, Ignore);
}

std::vector<std::shared_ptr<AgentSession>> Agents::SilentSince(absl::Time since) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<AgentSession>> silent;
  for (const auto& [id, agent] : agents_)
    if (agent.session != nullptr && agent.last_heard < since) silent.push_back(agent.session);
  return silent;
}

}  // namespace dragnet::scheduler
