#include "scheduler/store/sql_store.h"

#include <spdlog/spdlog.h>

#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "scheduler/store/all_changes.h"

namespace dragnet::scheduler {
namespace {

constexpr int kAgentsPerPage = 1000;
constexpr size_t kMaxName = 255;
// Two: what takes its time (all sessions, at start) doesn't hold up the questions of each
// moment.
constexpr int kCoordinationReaders = 2;

absl::Status ReadLabels(Database& database, int64_t agent, StoredAgent* stored) {
  Query query = database.Ask("SELECT key, value FROM agent_labels WHERE agent = ?", agent);
  while (query.Next()) stored->labels[query.Text(0)] = query.Text(1);
  return query.status();
}

#define DRAGNET_AGENT_COLUMNS                                                                    \
  "SELECT no, id, facts, enrolled_at, last_seen, trust_policy_version, missing_walls, revoked, " \
  "spki, limits "

// Of agents in the order of their ids, the first behind `after`.
absl::Status ReadLabelsOf(Database& database, std::span<StoredAgent> agents,
                          std::string_view after) {
  Query query = database.Ask(
      "SELECT g.id, l.key, l.value FROM agents g JOIN agent_labels l ON l.agent = g.no"
      " WHERE g.id > ? AND g.id <= ? ORDER BY g.id",
      after, agents.back().id);
  auto agent = agents.begin();
  while (query.Next()) {
    while (agent != agents.end() && agent->id != query.View(0)) ++agent;
    if (agent == agents.end()) break;
    agent->labels[query.Text(1)] = query.Text(2);
  }
  return query.status();
}

// Without its labels.
absl::StatusOr<StoredAgent> AgentOf(const Query& query) {
  StoredAgent agent;
  agent.id = query.Text(1);
  if (!agent.facts.ParseFromString(query.Text(2)))
    return absl::DataLossError(StrCat("the facts of agent ", agent.id, " don't parse"));
  agent.enrolled_at = query.Time(3);
  if (query.Integer(4) != 0) agent.last_seen = query.Time(4);
  agent.trust_policy_version = static_cast<uint64_t>(query.Integer(5));
  agent.missing_walls = absl::StrSplit(query.Text(6), '\n', absl::SkipEmpty());
  agent.revoked = query.Integer(7) != 0;
  agent.spki = query.Text(8);
  agent.limits = absl::StrSplit(query.Text(9), '\n', absl::SkipEmpty());
  return agent;
}

absl::Status WriteAgent(Database& database, const std::string& id, const AgentUpdate& update) {
  if (update.facts.has_value())
    DRAGNET_RETURN_IF_ERROR(database.Run("UPDATE agents SET facts = ?, name = ? WHERE id = ?",
                                         update.facts->SerializeAsString(),
                                         Shorten(update.facts->name(), kMaxName), id));
  if (update.last_seen.has_value())
    DRAGNET_RETURN_IF_ERROR(
        database.Run("UPDATE agents SET last_seen = ? WHERE id = ?", *update.last_seen, id));
  if (update.trust_policy_version.has_value())
    DRAGNET_RETURN_IF_ERROR(database.Run("UPDATE agents SET trust_policy_version = ? WHERE id = ?",
                                         *update.trust_policy_version, id));
  if (update.missing_walls.has_value())
    DRAGNET_RETURN_IF_ERROR(database.Run("UPDATE agents SET missing_walls = ? WHERE id = ?",
                                         absl::StrJoin(*update.missing_walls, "\n"), id));
  if (update.limits.has_value())
    DRAGNET_RETURN_IF_ERROR(database.Run("UPDATE agents SET limits = ? WHERE id = ?",
                                         absl::StrJoin(*update.limits, "\n"), id));
  return absl::OkStatus();
}

// What it takes while it waits: facts are what a host says of itself.
size_t BytesOf(const AgentUpdate& update) {
  size_t bytes = sizeof(update);
  if (update.facts.has_value()) bytes += update.facts->ByteSizeLong();
  if (update.missing_walls.has_value())
    for (const std::string& wall : *update.missing_walls) bytes += sizeof(wall) + wall.size();
  if (update.limits.has_value())
    for (const std::string& limit : *update.limits) bytes += sizeof(limit) + limit.size();
  return bytes;
}

}  // namespace

absl::StatusOr<SqlStore::Parts> SqlStore::OpenParts(std::unique_ptr<StoreEngine> engine,
                                                    const SqlStoreOptions& options) {
  Parts parts;
  parts.engine = std::move(engine);
  parts.options = options;
  DRAGNET_ASSIGN_OR_RETURN(parts.writer, parts.engine->OpenWriter());
  DRAGNET_ASSIGN_OR_RETURN(parts.coordinator, parts.engine->OpenCoordinator());
  uint64_t position = 0;
  if (!parts.engine->has_other_writers()) {
    DRAGNET_ASSIGN_OR_RETURN(position, LastPositionEver(*parts.writer));
  }
  parts.records = std::make_unique<RecordTables>(position);
  DRAGNET_ASSIGN_OR_RETURN(parts.readers, ReadPool::Open(*parts.engine, options.readers));
  DRAGNET_ASSIGN_OR_RETURN(parts.coordination_readers,
                           ReadPool::OpenForCoordination(*parts.engine, kCoordinationReaders));
  return parts;
}

absl::StatusOr<std::unique_ptr<SqlStore>> SqlStore::Open(std::unique_ptr<StoreEngine> engine,
                                                         const SqlStoreOptions& options) {
  DRAGNET_ASSIGN_OR_RETURN(Parts parts, OpenParts(std::move(engine), options));
  return std::unique_ptr<SqlStore>(new SqlStore(std::move(parts)));
}

SqlStore::SqlStore(Parts parts)
    : engine_(std::move(parts.engine)),
      options_(parts.options),
      readers_(std::move(parts.readers)),
      coordination_readers_(std::move(parts.coordination_readers)),
      coordinator_(std::move(parts.coordinator)),
      records_(std::move(parts.records)),
      writer_(std::move(parts.writer), WriterMemory()) {}

Writer::Memory SqlStore::WriterMemory() {
  Writer::Memory memory;
  memory.flush = [this](Database& database) { return records_->Flush(database); };
  memory.undone = [this] { records_->Forget(); };
  if (!engine_->has_other_writers()) return memory;
  memory.begin = [this](Database& database) { return head_.Take(database, *records_); };
  memory.look_ahead = [this](Database& database, const std::vector<PairName>& pairs) {
    return records_->LookAhead(database, pairs);
  };
  memory.end = [this](Database& database) { return head_.Leave(database, *records_); };
  memory.before_again = [](Database& database, const absl::Status& why) {
    if (!Database::IsBlocked(why)) return;
    const absl::StatusOr<bool> ended = StreamHead::EndWhoHangs(database);
    if (ended.ok() && *ended)
      spdlog::warn("store: a scheduler that hangs had the lock of all writers; it was taken away");
  };
  memory.was_committed = [this](Database& database) { return head_.WasCommitted(database); };
  return memory;
}

absl::Status SqlStore::Maintain(const Writer::Change& change, bool forget) {
  return writer_.Run([&](Database& database) {
    const absl::Status status = change(database);
    if (forget) records_->Forget();
    return status;
  });
}

void SqlStore::Probe(Done done) {
  writer_.Submit(
      [](Database& database) {
        return database.Run(
            "INSERT INTO upkeep (name, value) VALUES ('probe', ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            absl::ToUnixNanos(absl::Now()));
      },
      // Whether it can be committed to the disk is what is asked.
      0, Durability::kSynced, std::move(done));
}

// ---- trust policies

absl::Status SqlStore::AddTrustPolicy(const StoredTrustPolicy& policy) {
  return writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_RETURN_IF_ERROR(
        database.Run("INSERT INTO trust_policies (version, envelope) VALUES (?, ?)", policy.version,
                     policy.envelope));
    return Tell(database, v1::Notice::KIND_TRUST_POLICY, StrCat(policy.version));
  });
}

absl::StatusOr<std::vector<StoredTrustPolicy>> SqlStore::TrustPolicies() {
  ReadPool::Loan database = readers_->Take();
  Query query = database->Ask("SELECT version, envelope FROM trust_policies ORDER BY version");
  std::vector<StoredTrustPolicy> policies;
  while (query.Next())
    policies.push_back(
        {.version = static_cast<uint64_t>(query.Integer(0)), .envelope = query.Text(1)});
  DRAGNET_RETURN_IF_ERROR(query.status());
  return policies;
}

// ---- certificates

absl::Status SqlStore::InsertCertificate(Database& database, const StoredCertificate& certificate) {
  return database.Run(
      "INSERT INTO certificates (fingerprint, identity, issued_at, not_after, revoked)"
      " VALUES (?, ?, ?, ?, ?)",
      certificate.fingerprint, certificate.identity, certificate.issued_at, certificate.not_after,
      certificate.revoked);
}

absl::Status SqlStore::AddCertificate(const StoredCertificate& certificate) {
  return writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(const int64_t revoked,
                             database.IntegerOr(0, "SELECT revoked FROM agents WHERE identity = ?",
                                                certificate.identity));
    if (revoked != 0)
      return absl::PermissionDeniedError(StrCat(certificate.identity, " was revoked"));
    return InsertCertificate(database, certificate);
  });
}

absl::StatusOr<std::optional<StoredCertificate>> SqlStore::FindCertificate(
    std::string_view fingerprint) {
  ReadPool::Loan database = readers_->Take();
  Query query = database->Ask(
      "SELECT fingerprint, identity, issued_at, not_after, revoked FROM certificates"
      " WHERE fingerprint = ?",
      fingerprint);
  if (!query.Next()) {
    if (!query.status().ok()) return query.status();
    return std::nullopt;
  }
  StoredCertificate certificate;
  certificate.fingerprint = query.Text(0);
  certificate.identity = query.Text(1);
  certificate.issued_at = query.Time(2);
  certificate.not_after = query.Time(3);
  certificate.revoked = query.Integer(4) != 0;
  return certificate;
}

absl::StatusOr<std::vector<StoredCertificate>> SqlStore::NewestCertificates(absl::Time after) {
  // Pages of identities, in their order.
  constexpr int kPage = 2000;
  ReadPool::Loan database = readers_->Take();
  std::vector<StoredCertificate> certificates;
  std::string last;
  for (int read = kPage; read == kPage;) {
    read = 0;
    Query query = database->Ask(
        "SELECT fingerprint, identity, issued_at, not_after FROM certificates c"
        " WHERE revoked = 0 AND identity > ? AND NOT EXISTS"
        " (SELECT 1 FROM certificates n WHERE n.identity = c.identity AND n.revoked = 0 AND"
        "   (n.issued_at > c.issued_at OR"
        "    (n.issued_at = c.issued_at AND n.fingerprint > c.fingerprint)))"
        " ORDER BY identity LIMIT ?",
        last, kPage);
    std::string newest = last;
    for (; query.Next(); ++read) {
      StoredCertificate certificate;
      certificate.fingerprint = query.Text(0);
      certificate.identity = query.Text(1);
      certificate.issued_at = query.Time(2);
      certificate.not_after = query.Time(3);
      newest = certificate.identity;
      if (certificate.not_after > after) certificates.push_back(std::move(certificate));
    }
    DRAGNET_RETURN_IF_ERROR(query.status());
    last = std::move(newest);
  }
  return certificates;
}

absl::StatusOr<uint32_t> SqlStore::Revoke(Database& database, std::string_view identity) {
  DRAGNET_RETURN_IF_ERROR(database.Run(
      "UPDATE certificates SET revoked = 1 WHERE identity = ? AND revoked = 0", identity));
  const auto revoked = static_cast<uint32_t>(database.changes());
  DRAGNET_RETURN_IF_ERROR(
      database.Run("UPDATE agents SET revoked = 1 WHERE identity = ?", identity));
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t agent,
      database.IntegerOr(0, "SELECT no FROM agents WHERE identity = ?", identity));
  if (agent != 0) DRAGNET_RETURN_IF_ERROR(records_->ForgetAgent(database, agent));
  // For schedulers that the bus doesn't reach.
  DRAGNET_RETURN_IF_ERROR(database.Run("INSERT INTO revocations (no, identity) VALUES (?, ?)",
                                       records_->NextPosition(), identity));
  DRAGNET_RETURN_IF_ERROR(Tell(database, v1::Notice::KIND_REVOKED, identity));
  return revoked;
}

absl::StatusOr<uint32_t> SqlStore::RevokeIdentity(std::string_view identity) {
  uint32_t revoked = 0;
  DRAGNET_RETURN_IF_ERROR(writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(
        const int64_t known,
        database.IntegerOr(0, "SELECT count(*) FROM certificates WHERE identity = ?", identity));
    if (known == 0) return absl::NotFoundError(StrCat("no certificate of ", identity));
    DRAGNET_ASSIGN_OR_RETURN(revoked, Revoke(database, identity));
    return absl::OkStatus();
  }));
  return revoked;
}

// ---- agents

absl::StatusOr<std::vector<StoredAgent>> SqlStore::Agents() {
  ReadPool::Loan database = readers_->Take();
  std::vector<StoredAgent> agents;
  std::string last;
  for (size_t read = kAgentsPerPage; read == kAgentsPerPage;) {
    const size_t begin = agents.size();
    {
      Query query =
          database->Ask(DRAGNET_AGENT_COLUMNS "FROM agents WHERE id > ? ORDER BY id LIMIT ?", last,
                        kAgentsPerPage);
      while (query.Next()) {
        DRAGNET_ASSIGN_OR_RETURN(StoredAgent agent, AgentOf(query));
        agents.push_back(std::move(agent));
      }
      DRAGNET_RETURN_IF_ERROR(query.status());
    }
    read = agents.size() - begin;
    if (read == 0) break;
    DRAGNET_RETURN_IF_ERROR(ReadLabelsOf(*database, std::span(agents).subspan(begin), last));
    last = agents.back().id;
  }
  return agents;
}

absl::StatusOr<StoredAgent> SqlStore::FindAgent(std::string_view agent_id) {
  ReadPool::Loan database = readers_->Take();
  Query query = database->Ask(DRAGNET_AGENT_COLUMNS "FROM agents WHERE id = ?", agent_id);
  if (query.Next()) {
    DRAGNET_ASSIGN_OR_RETURN(StoredAgent agent, AgentOf(query));
    DRAGNET_RETURN_IF_ERROR(ReadLabels(*database, query.Integer(0), &agent));
    return agent;
  }
  if (!query.status().ok()) return query.status();
  return absl::NotFoundError(StrCat("no agent ", agent_id));
}

void SqlStore::UpdateAgent(std::string_view agent_id, const AgentUpdate& update, Done done) {
  const size_t bytes = BytesOf(update);
  writer_.Submit([id = std::string(agent_id),
                  update](Database& database) { return WriteAgent(database, id, update); },
                 bytes, Durability::kSoon, std::move(done));
}

}  // namespace dragnet::scheduler
