#include "scheduler/dispatch/agents.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/action.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "core/uuid.h"
#include "google/protobuf/util/message_differencer.h"

namespace dragnet::scheduler {
namespace {

// How long an agent that went away is expected back.
constexpr absl::Duration kJustLeft = absl::Seconds(30);
// One that went away more lately than that is idle, not offline.
constexpr absl::Duration kIdle = absl::Hours(1);
// What a clock may be off before someone should be told.
constexpr absl::Duration kWrongClock = absl::Seconds(60);
// A share of the agents so small that they are looked up one by one.
constexpr size_t kFewOfAll = 8;
constexpr int kMaxWalls = 32;
constexpr size_t kMaxWallBytes = 256;
constexpr int kMaxLimits = 32;
constexpr size_t kMaxLimitBytes = 200;

std::vector<std::string> BoundedWalls(const v1::Hello& hello) {
  std::vector<std::string> walls;
  for (const std::string& wall : hello.missing_walls()) {
    if (walls.size() == kMaxWalls) break;
    // One line each: they are kept as lines.
    walls.push_back(Shorten(ForTerminal(wall), kMaxWallBytes));
  }
  return walls;
}

std::vector<std::string> BoundedLimits(const v1::Hello& hello) {
  std::vector<std::string> limits;
  for (const std::string& limit : hello.limits()) {
    if (limits.size() == kMaxLimits) break;
    limits.push_back(Shorten(ForTerminal(limit), kMaxLimitBytes));
  }
  return limits;
}

// Of InfoOf.
constexpr int kMaxSameHosts = 4;

// Which host it is, in its own words: by each of them another agent may be the same one.
std::vector<std::string> ClaimsOf(const v1::Facts& facts) {
  std::vector<std::string> claims;
  const auto machine = facts.environment().find("machine_id");
  if (machine != facts.environment().end() && !machine->second.empty())
    claims.push_back(StrCat("machine ", machine->second));
  if (!facts.name().empty()) claims.push_back(StrCat("name ", facts.name()));
  return claims;
}

void Ignore(absl::Status) {}

}  // namespace

std::string BootIdOf(const v1::Hello& hello) {
  return IsUuid(hello.boot_id()) ? hello.boot_id() : "";
}

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
  absl::MutexLock table_lock(&table_mutex_);
  const v1::Facts facts = stored.facts;
  {
    absl::MutexLock lock(&mutex_);
    Agent& agent = agents_[stored.id];
    // What was read from the store may be older than a revocation.
    stored.revoked |= agent.stored.revoked;
    RemoveClaims(agent);
    agent.stored = std::move(stored);
    AddClaims(agent);
    ++changes_;
    TakeUpEarly(agent);
    if (agent.stored.revoked) return absl::OkStatus();
  }
  // Revoke, if it comes now, waits for the table and removes it again.
  return table_->Upsert(facts);
}

absl::Status Agents::Refresh(StoredAgent stored) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = agents_.find(stored.id);
    if (found != agents_.end()) {
      StoredAgent& known = found->second.stored;
      // What it says of itself is known better here; not who it is, nor how it is labelled.
      if (found->second.belongs_here() && !stored.revoked) {
        if (known.spki == stored.spki && known.labels == stored.labels) return absl::OkStatus();
        RemoveClaims(found->second);
        known.spki = std::move(stored.spki);
        known.labels = std::move(stored.labels);
        AddClaims(found->second);
        ++changes_;
        return absl::OkStatus();
      }
      known.last_seen = std::max(known.last_seen, stored.last_seen);
      if (known.spki == stored.spki && known.labels == stored.labels &&
          known.revoked >= stored.revoked && known.limits == stored.limits &&
          known.missing_walls == stored.missing_walls &&
          known.trust_policy_version == stored.trust_policy_version &&
          google::protobuf::util::MessageDifferencer::Equals(known.facts, stored.facts))
        return absl::OkStatus();
    }
  }
  if (stored.revoked) Revoke(stored.id);
  return Add(std::move(stored));
}

Store::Done Agents::ToldOf(const std::string& agent_id) const {
  if (changed_ == nullptr) return Ignore;
  return [this, agent_id](const absl::Status& status) {
    if (status.ok()) changed_(agent_id);
  };
}

std::shared_ptr<AgentSession> Agents::Replace(Agent& agent, Connection connection) {
  std::shared_ptr<AgentSession> replaced;
  if (agent.current.boot_id == connection.boot_id) {
    replaced = std::move(agent.current.session);
  } else if (agent.connected_here()) {
    agent.others.push_back(std::move(agent.current));
  }
  agent.current = std::move(connection);
  // One of its own that isn't the latest.
  const auto older = std::find_if(agent.others.begin(), agent.others.end(), [&](const auto& other) {
    return other.boot_id == agent.current.boot_id;
  });
  if (older != agent.others.end()) {
    replaced = std::move(older->session);
    agent.others.erase(older);
  } else if (agent.others.size() > IdentityWatch::kMaxHosts) {
    replaced = std::move(agent.others.front().session);
    agent.others.erase(agent.others.begin());
  }
  return replaced;
}

void Agents::NoteDuplicate(const Agent& agent, absl::Time now) {
  std::string hosts;
  for (const std::string& host : agent.identity.Hosts(now))
    hosts += StrCat(hosts.empty() ? "" : "; ", host);
  spdlog::warn(
      "agent {}: two hosts use this identity, as after a disk was cloned; neither gets actions "
      "until only one is left: {}",
      agent.stored.id, hosts);
  // Nobody can tell which of them sent what.
  store_.MarkDoubted(agent.stored.id, Ignore);
}

absl::StatusOr<std::shared_ptr<AgentSession>> Agents::Connect(
    const std::string& agent_id, const std::shared_ptr<AgentSession>& session,
    const v1::Hello& hello, absl::Time now, uint64_t epoch) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Facts before, FactsOf(agent_id));
  DRAGNET_RETURN_IF_ERROR(UpdateFacts(agent_id, before, hello.facts()).status());
  AgentUpdate update;
  update.last_seen = now;
  update.trust_policy_version = hello.trust_policy_version();
  update.missing_walls = BoundedWalls(hello);
  update.limits = BoundedLimits(hello);
  Connection connection{session, BootIdOf(hello), now, epoch};
  std::shared_ptr<AgentSession> replaced;
  bool is_news = false;
  {
    absl::MutexLock lock(&mutex_);
    Agent& agent = agents_.find(agent_id)->second;
    for (const Elsewhere& other : agent.elsewhere)
      if (other.boot_id == connection.boot_id && other.epoch > epoch)
        return absl::AbortedError("replaced by a newer session of this agent");
    const bool was_connected = agent.connected();
    std::erase_if(agent.elsewhere,
                  [&](const Elsewhere& other) { return other.boot_id == connection.boot_id; });
    AfterElsewhere(agent, was_connected, now);
    if (agent.identity.OnHello(connection.boot_id, hello.facts(), before, now)) {
      duplicates_.insert(&agent);
      NoteDuplicate(agent, now);
    }
    replaced = Replace(agent, std::move(connection));
    connected_.insert(&agent);
    agent.connection = ++connections_;
    agent.stored.last_seen = now;
    is_news = agent.stored.trust_policy_version != hello.trust_policy_version() ||
              agent.stored.missing_walls != *update.missing_walls ||
              agent.stored.limits != *update.limits;
    agent.stored.trust_policy_version = hello.trust_policy_version();
    agent.stored.missing_walls = *update.missing_walls;
    agent.stored.limits = *update.limits;
    ++changes_;
  }
  store_.UpdateAgent(agent_id, update, is_news ? ToldOf(agent_id) : Ignore);
  return replaced;
}

bool Agents::Disconnect(const std::string& agent_id, const AgentSession* session, absl::Time now) {
  {
    absl::MutexLock lock(&mutex_);
    auto found = agents_.find(agent_id);
    if (found == agents_.end()) return false;
    Agent& agent = found->second;
    if (agent.current.session.get() != session) {
      std::erase_if(agent.others,
                    [&](const Connection& other) { return other.session.get() == session; });
      return false;
    }
    agent.current.session.reset();
    if (!agent.others.empty()) {
      agent.current = std::move(agent.others.back());
      agent.others.pop_back();
      return false;
    }
    connected_.erase(&agent);
    ++changes_;
    // Its newer session is the one that has told of it.
    if (agent.connected()) return true;
    agent.disconnected_at = now;
    agent.stored.last_seen = now;
  }
  AgentUpdate update;
  update.last_seen = now;
  store_.UpdateAgent(agent_id, update, Ignore);
  return true;
}

absl::StatusOr<bool> Agents::UpdateFacts(const std::string& agent_id, const v1::Facts& facts) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Facts before, FactsOf(agent_id));
  return UpdateFacts(agent_id, before, facts);
}

absl::StatusOr<bool> Agents::UpdateFacts(const std::string& agent_id, const v1::Facts& before,
                                         const v1::Facts& facts) {
  // A fleet that comes back says what it said before: it doesn't wait for the
  // table, which whoever evaluates a target holds.
  if (google::protobuf::util::MessageDifferencer::Equals(before, facts)) return false;
  absl::MutexLock table_lock(&table_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    auto found = agents_.find(agent_id);
    if (found == agents_.end()) return absl::NotFoundError(StrCat("no agent ", agent_id));
    if (found->second.stored.revoked) return false;
    RemoveClaims(found->second);
    found->second.stored.facts = facts;
    AddClaims(found->second);
    ++changes_;
  }
  AgentUpdate update;
  update.facts = facts;
  store_.UpdateAgent(agent_id, update, ToldOf(agent_id));
  // Revoke, if it comes now, waits for the table and removes it again.
  DRAGNET_RETURN_IF_ERROR(table_->Upsert(facts));
  return true;
}

void Agents::UpdatePolicyVersion(const std::string& agent_id, uint64_t version) {
  {
    absl::MutexLock lock(&mutex_);
    auto found = agents_.find(agent_id);
    if (found == agents_.end()) return;
    found->second.stored.trust_policy_version = version;
    ++changes_;
  }
  AgentUpdate update;
  update.trust_policy_version = version;
  store_.UpdateAgent(agent_id, update, ToldOf(agent_id));
}

void Agents::NoteHeartbeat(const std::string& agent_id, const AgentSession* session,
                           absl::Time agent_now, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  auto found = agents_.find(agent_id);
  if (found == agents_.end()) return;
  Agent& agent = found->second;
  Connection* connection = ConnectionOf(agent, session);
  if (connection == nullptr) return;
  agent.clock_offset = agent_now - now;
  NoteHeardLocked(agent, *connection, now);
}

void Agents::NoteHeard(const std::string& agent_id, const AgentSession* session, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  auto found = agents_.find(agent_id);
  if (found == agents_.end()) return;
  Connection* connection = ConnectionOf(found->second, session);
  if (connection != nullptr) NoteHeardLocked(found->second, *connection, now);
}

Agents::Connection* Agents::ConnectionOf(Agent& agent, const AgentSession* session) {
  if (agent.current.session.get() == session) return &agent.current;
  for (Connection& other : agent.others)
    if (other.session.get() == session) return &other;
  return nullptr;
}

void Agents::NoteHeardLocked(Agent& agent, Connection& connection, absl::Time now) {
  connection.last_heard = now;
  if (!agent.identity.OnHeard(connection.boot_id, now)) return;
  ++changes_;
  duplicates_.insert(&agent);
  NoteDuplicate(agent, now);
}

std::vector<std::string> Agents::EndDuplicates(absl::Time now) {
  std::vector<std::string> ended;
  absl::MutexLock lock(&mutex_);
  for (auto entry = duplicates_.begin(); entry != duplicates_.end();) {
    const auto here = entry++;
    if (!(*here)->identity.Expire(now)) continue;
    ended.push_back((*here)->stored.id);
    ++changes_;
    duplicates_.erase(here);
  }
  return ended;
}

void Agents::Revoke(const std::string& agent_id) {
  {
    absl::MutexLock lock(&mutex_);
    // Also of one that is just being enrolled and will be added in a moment.
    Agent& agent = agents_[agent_id];
    if (agent.stored.id.empty()) {
      agent.stored.id = agent_id;
      agent.stored.facts.set_id(agent_id);
    }
    RemoveClaims(agent);
    agent.stored.revoked = true;
    ++changes_;
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

std::string Agents::NameOf(const std::string& agent_id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = agents_.find(agent_id);
  return found == agents_.end() ? "" : found->second.stored.facts.name();
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
  if (found == agents_.end() || found->second.identity.duplicate()) return nullptr;
  return found->second.belongs_here() ? found->second.current.session : nullptr;
}

std::vector<std::shared_ptr<AgentSession>> Agents::AllSessionsOf(
    const std::string& agent_id) const {
  std::vector<std::shared_ptr<AgentSession>> sessions;
  absl::MutexLock lock(&mutex_);
  const auto found = agents_.find(agent_id);
  if (found == agents_.end() || !found->second.connected_here()) return sessions;
  sessions.push_back(found->second.current.session);
  for (const Connection& other : found->second.others) sessions.push_back(other.session);
  return sessions;
}

std::vector<std::pair<std::string, std::shared_ptr<AgentSession>>> Agents::Sessions() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::pair<std::string, std::shared_ptr<AgentSession>>> sessions;
  for (const Agent* agent : connected_) {
    sessions.emplace_back(agent->stored.id, agent->current.session);
    for (const Connection& other : agent->others)
      sessions.emplace_back(agent->stored.id, other.session);
  }
  return sessions;
}

std::vector<std::string> Agents::ConnectedSince(uint64_t count) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> ids;
  for (const Agent* agent : connected_)
    if (agent->connection > count) ids.push_back(agent->stored.id);
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
  if (found->second.identity.duplicate()) return Presence::kAway;
  if (found->second.connected()) return Presence::kConnected;
  return now - found->second.disconnected_at < kJustLeft ? Presence::kJustLeft : Presence::kAway;
}

std::vector<std::string> Agents::Connected() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> ids;
  ids.reserve(connected_.size() + elsewhere_.size());
  const auto add = [&ids](const Agent& agent) {
    if (!agent.stored.revoked && !agent.identity.duplicate()) ids.push_back(agent.stored.id);
  };
  for (const Agent* agent : connected_) add(*agent);
  for (const Agent* agent : elsewhere_)
    if (!agent->connected_here()) add(*agent);
  return ids;
}

v1::AgentInfo::State Agents::StateOf(const Agent& agent, absl::Time now) {
  if (agent.stored.revoked) return v1::AgentInfo::STATE_REVOKED;
  if (agent.identity.duplicate()) return v1::AgentInfo::STATE_DUPLICATE;
  if (agent.connected()) return v1::AgentInfo::STATE_ONLINE;
  return now - agent.stored.last_seen < kIdle ? v1::AgentInfo::STATE_IDLE
                                              : v1::AgentInfo::STATE_OFFLINE;
}

v1::AgentInfo Agents::InfoOf(const Agent& agent, absl::Time now) const {
  v1::AgentInfo info;
  *info.mutable_facts() = agent.stored.facts;
  info.set_state(StateOf(agent, now));
  if (agent.identity.duplicate())
    for (std::string& host : agent.identity.Hosts(now)) info.add_same_identity(std::move(host));
  absl::Time seen = agent.connected_here() ? agent.current.last_heard : agent.stored.last_seen;
  // The scheduler that it is connected to would have told otherwise.
  if (!agent.connected_here() && agent.connected()) seen = now;
  if (seen != absl::InfinitePast()) *info.mutable_last_seen() = ToTimestamp(seen);
  *info.mutable_enrolled_at() = ToTimestamp(agent.stored.enrolled_at);
  info.set_trust_policy_version(agent.stored.trust_policy_version);
  *info.mutable_clock_offset() = ToProtoDuration(agent.clock_offset);
  for (const std::string& wall : agent.stored.missing_walls) info.add_missing_walls(wall);
  for (const std::string& limit : agent.stored.limits) info.add_limits(limit);
  AddSameHosts(agent, &info);
  return info;
}

void Agents::RemoveClaims(const Agent& agent) {
  for (const std::string& claim : ClaimsOf(agent.stored.facts)) {
    const auto found = claims_.find(claim);
    if (found == claims_.end()) continue;
    found->second.erase(agent.stored.id);
    if (found->second.empty()) claims_.erase(found);
  }
}

void Agents::AddClaims(const Agent& agent) {
  if (agent.stored.revoked) return;
  for (const std::string& claim : ClaimsOf(agent.stored.facts))
    claims_[claim].insert(agent.stored.id);
}

void Agents::AddSameHosts(const Agent& agent, v1::AgentInfo* info) const {
  if (agent.stored.revoked) return;
  std::set<std::string> same;
  for (const std::string& claim : ClaimsOf(agent.stored.facts)) {
    const auto found = claims_.find(claim);
    if (found == claims_.end()) continue;
    for (const std::string& id : found->second) {
      if (same.size() == kMaxSameHosts) break;
      if (id != agent.stored.id) same.insert(id);
    }
  }
  for (const std::string& id : same) info->add_same_host(id);
}

std::vector<v1::AgentInfo> Agents::Describe(const std::vector<std::string>& agent_ids,
                                            absl::Time now) const {
  std::vector<v1::AgentInfo> infos;
  {
    absl::MutexLock lock(&mutex_);
    for (const std::string& id : agent_ids)
      if (auto found = agents_.find(id); found != agents_.end())
        infos.push_back(InfoOf(found->second, now));
  }
  std::sort(infos.begin(), infos.end(), [](const v1::AgentInfo& a, const v1::AgentInfo& b) {
    return std::tie(a.facts().name(), a.facts().id()) < std::tie(b.facts().name(), b.facts().id());
  });
  return infos;
}

Agents::Census Agents::TakeCensus(absl::Time now) const {
  Census census;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, agent] : agents_) {
    const v1::AgentInfo::State state = StateOf(agent, now);
    const std::string& name = agent.stored.facts.name();
    switch (state) {
      case v1::AgentInfo::STATE_ONLINE:
        ++census.online;
        break;
      case v1::AgentInfo::STATE_IDLE:
        ++census.idle;
        break;
      case v1::AgentInfo::STATE_DUPLICATE:
        if (++census.duplicate <= Census::kNamed) census.duplicates.push_back(name);
        break;
      case v1::AgentInfo::STATE_REVOKED:
        ++census.revoked;
        break;
      default:
        ++census.offline;
    }
    if (state == v1::AgentInfo::STATE_ONLINE &&
        absl::AbsDuration(agent.clock_offset) > kWrongClock &&
        ++census.wrong_clocks <= Census::kNamed)
      census.wrong_clock_names.push_back(name);
  }
  return census;
}

absl::StatusOr<AgentPage> Agents::Search(std::string_view target, std::string_view after,
                                         size_t limit, size_t max_bytes, absl::Time now) const {
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
    if (agent.connected() && !agent.stored.revoked) ++page.connected;
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
  size_t bytes = 0;
  for (auto agent = listed.begin(); agent != end; ++agent) {
    v1::AgentInfo info = InfoOf(**agent, now);
    bytes += info.ByteSizeLong();
    if (bytes > max_bytes && !page.agents.empty()) break;
    page.agents.push_back(std::move(info));
  }
  page.more = page.agents.size() < listed.size();
  return page;
}

void Agents::SaveLastSeen(absl::Time now) {
  std::vector<std::string> ids;
  {
    absl::MutexLock lock(&mutex_);
    for (Agent* agent : connected_) {
      agent->stored.last_seen = now;
      ids.push_back(agent->stored.id);
    }
  }
  AgentUpdate update;
  update.last_seen = now;
  for (const std::string& id : ids) store_.UpdateAgent(id, update, Ignore);
}

std::vector<std::shared_ptr<AgentSession>> Agents::SilentSince(absl::Time since) const {
  const auto is_silent = [since](const Connection& connection) {
    return connection.last_heard < since && connection.session->silent_since() < since;
  };
  absl::MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<AgentSession>> silent;
  for (const Agent* agent : connected_) {
    if (is_silent(agent->current)) silent.push_back(agent->current.session);
    for (const Connection& other : agent->others)
      if (is_silent(other)) silent.push_back(other.session);
  }
  return silent;
}

}  // namespace dragnet::scheduler
