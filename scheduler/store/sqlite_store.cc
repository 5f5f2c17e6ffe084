#include "scheduler/store/sqlite_store.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "scheduler/store/schema.h"
#include "scheduler/store/store_lock.h"

namespace dragnet::scheduler {
namespace {

constexpr int kReaders = 4;
constexpr size_t kMaxName = 255;

absl::Status InsertCertificate(Database& database, const StoredCertificate& certificate) {
  return database.Run(
      "INSERT INTO certificates (fingerprint, identity, issued_at, not_after, revoked)"
      " VALUES (?, ?, ?, ?, ?)",
      certificate.fingerprint, certificate.identity, certificate.issued_at, certificate.not_after,
      certificate.revoked);
}

absl::Status InsertLabels(Database& database, const StoredToken& token) {
  for (const auto& [key, value] : token.labels)
    DRAGNET_RETURN_IF_ERROR(
        database.Run("INSERT INTO token_labels (sha256, key, value) VALUES (?, ?, ?)", token.sha256,
                     key, value));
  return absl::OkStatus();
}

// Whether the token may still be used by a new agent; who enrols again with the
// same key may also use one that is used up.
absl::Status LookAtToken(Database& database, std::string_view sha256, absl::Time now,
                         bool new_agent) {
  Query token = database.Ask("SELECT expires, uses_left FROM tokens WHERE sha256 = ?", sha256);
  if (!token.Next()) {
    if (!token.status().ok()) return token.status();
    return absl::UnauthenticatedError("unknown enrolment token");
  }
  if (token.Time(0) < now)
    return absl::UnauthenticatedError("this enrolment token has expired: create another one");
  if (new_agent && token.Integer(1) == 0)
    return absl::UnauthenticatedError("this enrolment token is used up: create another one");
  return absl::OkStatus();
}

absl::Status InsertAgent(Database& database, const Enrolment& enrolment, absl::Time now) {
  DRAGNET_RETURN_IF_ERROR(database.Run(
      "UPDATE tokens SET uses_left = uses_left - 1 WHERE sha256 = ?", enrolment.token_sha256));
  DRAGNET_RETURN_IF_ERROR(database.Run(
      "INSERT INTO agents (id, identity, spki, name, facts, enrolled_at)"
      " VALUES (?, ?, ?, ?, ?, ?)",
      enrolment.agent_id, enrolment.certificate.identity, enrolment.spki,
      Shorten(enrolment.facts.name(), kMaxName), enrolment.facts.SerializeAsString(), now));
  const int64_t agent = database.last_row();
  return database.Run(
      "INSERT INTO agent_labels (agent, key, value)"
      " SELECT ?, key, value FROM token_labels WHERE sha256 = ?",
      agent, enrolment.token_sha256);
}

absl::Status Enrol(Database& database, const Enrolment& enrolment, absl::Time now) {
  bool known = false;
  bool same_key = false;
  bool revoked = false;
  {
    Query agent = database.Ask("SELECT spki, revoked FROM agents WHERE id = ?", enrolment.agent_id);
    if (agent.Next()) {
      known = true;
      same_key = agent.Text(0) == enrolment.spki;
      revoked = agent.Integer(1) != 0;
    }
    DRAGNET_RETURN_IF_ERROR(agent.status());
  }
  // The token first: without one, nothing is to be learned about an id.
  DRAGNET_RETURN_IF_ERROR(LookAtToken(database, enrolment.token_sha256, now, !known));
  if (known && revoked)
    return absl::PermissionDeniedError(StrCat("agent ", enrolment.agent_id, " was revoked"));
  if (known && !same_key)
    return absl::AlreadyExistsError(StrCat("another key holds the agent id ", enrolment.agent_id));
  if (!known) DRAGNET_RETURN_IF_ERROR(InsertAgent(database, enrolment, now));
  return InsertCertificate(database, enrolment.certificate);
}

absl::Status ReadLabels(Database& database, int64_t agent, StoredAgent* stored) {
  Query query = database.Ask("SELECT key, value FROM agent_labels WHERE agent = ?", agent);
  while (query.Next()) stored->labels[query.Text(0)] = query.Text(1);
  return query.status();
}

#define DRAGNET_AGENT_COLUMNS                                                                    \
  "SELECT no, id, facts, enrolled_at, last_seen, trust_policy_version, missing_walls, revoked, " \
  "spki, limits "

absl::StatusOr<StoredAgent> AgentOf(Database& database, const Query& query) {
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
  DRAGNET_RETURN_IF_ERROR(ReadLabels(database, query.Integer(0), &agent));
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

absl::Status SqliteStore::Create(const std::string& path) { return CreateDatabase(path); }

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               StoreUse use) {
  UniqueFd lock;
  if (use == StoreUse::kRun) {
    // Before the lock file is made beside a store that isn't there.
    DRAGNET_RETURN_IF_ERROR(CheckIsStore(path));
    DRAGNET_ASSIGN_OR_RETURN(lock, TakeStoreLock(path));
    DRAGNET_RETURN_IF_ERROR(BringUpToDate(path));
  }
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, OpenForWriting(path));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<RecordTables> records, RecordTables::Load(*database));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<ReadPool> readers, ReadPool::Open(path, kReaders));
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(lock), std::move(readers),
                                                      std::move(records), std::move(database)));
}

SqliteStore::SqliteStore(UniqueFd lock, std::unique_ptr<ReadPool> readers,
                         std::unique_ptr<RecordTables> records, std::unique_ptr<Database> database)
    : lock_(std::move(lock)),
      readers_(std::move(readers)),
      records_(std::move(records)),
      writer_(std::move(database),
              {.flush = [tables = records_.get()](Database& open) { return tables->Flush(open); },
               .undone = [tables = records_.get()] { tables->Forget(); }}) {}

absl::Status SqliteStore::Maintain(const Writer::Change& change, bool forget) {
  return writer_.Run([&](Database& database) {
    const absl::Status status = change(database);
    if (forget) records_->Forget();
    return status;
  });
}

void SqliteStore::Probe(Done done) {
  writer_.Submit(
      [](Database& database) {
        return database.Run(
            "INSERT OR REPLACE INTO upkeep (name, value) VALUES ('probe', random())");
      },
      // Whether it can be committed to the disk is what is asked.
      0, Durability::kSynced, std::move(done));
}

// ---- trust policies

absl::Status SqliteStore::AddTrustPolicy(const StoredTrustPolicy& policy) {
  return writer_.Run([&](Database& database) {
    return database.Run("INSERT INTO trust_policies (version, envelope) VALUES (?, ?)",
                        policy.version, policy.envelope);
  });
}

absl::StatusOr<std::vector<StoredTrustPolicy>> SqliteStore::TrustPolicies() {
  ReadPool::Lease database = readers_->Take();
  Query query = database->Ask("SELECT version, envelope FROM trust_policies ORDER BY version");
  std::vector<StoredTrustPolicy> policies;
  while (query.Next())
    policies.push_back(
        {.version = static_cast<uint64_t>(query.Integer(0)), .envelope = query.Text(1)});
  DRAGNET_RETURN_IF_ERROR(query.status());
  return policies;
}

// ---- enrolment

absl::Status SqliteStore::AddToken(const StoredToken& token) {
  return writer_.Run([&](Database& database) {
    DRAGNET_RETURN_IF_ERROR(
        database.Run("INSERT INTO tokens (sha256, expires, uses_left) VALUES (?, ?, ?)",
                     token.sha256, token.expires, token.uses_left));
    return InsertLabels(database, token);
  });
}

absl::Status SqliteStore::EnrolAgent(const Enrolment& enrolment, absl::Time now) {
  return writer_.Run([&](Database& database) { return Enrol(database, enrolment, now); });
}

absl::Status SqliteStore::AddCertificate(const StoredCertificate& certificate) {
  return writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(const int64_t revoked,
                             database.IntegerOr(0, "SELECT revoked FROM agents WHERE identity = ?",
                                                certificate.identity));
    if (revoked != 0)
      return absl::PermissionDeniedError(StrCat(certificate.identity, " was revoked"));
    return InsertCertificate(database, certificate);
  });
}

absl::StatusOr<std::optional<StoredCertificate>> SqliteStore::FindCertificate(
    std::string_view fingerprint) {
  ReadPool::Lease database = readers_->Take();
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

absl::StatusOr<uint32_t> SqliteStore::RevokeIdentity(std::string_view identity) {
  uint32_t revoked = 0;
  DRAGNET_RETURN_IF_ERROR(writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(
        const int64_t known,
        database.IntegerOr(0, "SELECT count(*) FROM certificates WHERE identity = ?", identity));
    if (known == 0) return absl::NotFoundError(StrCat("no certificate of ", identity));
    DRAGNET_RETURN_IF_ERROR(database.Run(
        "UPDATE certificates SET revoked = 1 WHERE identity = ? AND revoked = 0", identity));
    revoked = static_cast<uint32_t>(database.changes());
    DRAGNET_RETURN_IF_ERROR(
        database.Run("UPDATE agents SET revoked = 1 WHERE identity = ?", identity));
    DRAGNET_ASSIGN_OR_RETURN(
        const int64_t agent,
        database.IntegerOr(0, "SELECT no FROM agents WHERE identity = ?", identity));
    return agent == 0 ? absl::OkStatus() : records_->ForgetAgent(database, agent);
  }));
  return revoked;
}

// ---- agents

absl::StatusOr<std::vector<StoredAgent>> SqliteStore::Agents() {
  ReadPool::Lease database = readers_->Take();
  Query query = database->Ask(DRAGNET_AGENT_COLUMNS "FROM agents ORDER BY id");
  std::vector<StoredAgent> agents;
  while (query.Next()) {
    DRAGNET_ASSIGN_OR_RETURN(StoredAgent agent, AgentOf(*database, query));
    agents.push_back(std::move(agent));
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return agents;
}

absl::Status SqliteStore::CheckToken(std::string_view sha256, absl::Time now) {
  ReadPool::Lease database = readers_->Take();
  return LookAtToken(*database, sha256, now, /*new_agent=*/false);
}

absl::StatusOr<StoredAgent> SqliteStore::FindAgent(std::string_view agent_id) {
  ReadPool::Lease database = readers_->Take();
  Query query = database->Ask(DRAGNET_AGENT_COLUMNS "FROM agents WHERE id = ?", agent_id);
  if (query.Next()) return AgentOf(*database, query);
  if (!query.status().ok()) return query.status();
  return absl::NotFoundError(StrCat("no agent ", agent_id));
}

void SqliteStore::UpdateAgent(std::string_view agent_id, const AgentUpdate& update, Done done) {
  const size_t bytes = BytesOf(update);
  writer_.Submit([id = std::string(agent_id),
                  update](Database& database) { return WriteAgent(database, id, update); },
                 bytes, Durability::kSoon, std::move(done));
}

}  // namespace dragnet::scheduler
