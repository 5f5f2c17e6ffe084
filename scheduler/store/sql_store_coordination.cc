// The part of SqlStore that several schedulers agree by. What they agree on besides what
// happens (leases, sessions, the outbox) is changed beside the writer where the engine can
// do that, so that it doesn't wait behind results.
#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "core/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/bus_positions.h"
#include "scheduler/store/paged_query.h"
#include "scheduler/store/sql_store.h"

namespace dragnet::scheduler {
namespace {

constexpr int kMaxRevocations = 1000;
constexpr std::string_view kLeadLease = "lead";
// Questions for many at once are put for so many.
constexpr size_t kAtOnce = 1000;
constexpr int kSessionsPerPage = 5000;
constexpr absl::Duration kPatience = absl::Seconds(5);

struct KnownAgent {
  int64_t no = 0;
  Claimed claimed;
};

void ReadKnownAgents(Query& query, std::map<std::string, KnownAgent, std::less<>>* known) {
  while (query.Next()) {
    KnownAgent& agent = (*known)[query.Text(0)];
    agent.no = query.Integer(1);
    if (query.IsNull(2)) continue;
    StoredSession& before = agent.claimed.before;
    before.agent_id = query.Text(0);
    before.scheduler = query.Text(2);
    before.epoch = static_cast<uint64_t>(query.Integer(3));
    before.boot_id = query.Text(4);
    before.connected = query.Integer(5) != 0;
  }
}

#define DRAGNET_AGENT_AND_SESSION                                   \
  "SELECT g.id, g.no, s.scheduler, s.epoch, s.boot_id, s.connected" \
  " FROM agents g LEFT JOIN sessions s ON s.agent = g.no WHERE g.id "

absl::StatusOr<std::map<std::string, KnownAgent, std::less<>>> FindAgents(
    Database& database, const std::vector<SessionClaim>& claims) {
  std::map<std::string, KnownAgent, std::less<>> known;
  for (size_t begin = 0; begin < claims.size();) {
    if (!database.remote()) {
      Query query = database.Ask(DRAGNET_AGENT_AND_SESSION "= ?", claims[begin++].agent_id);
      ReadKnownAgents(query, &known);
      DRAGNET_RETURN_IF_ERROR(query.status());
      continue;
    }
    std::vector<std::string> ids;
    for (; begin < claims.size() && ids.size() < kAtOnce; ++begin)
      ids.push_back(claims[begin].agent_id);
    Query query = database.Ask(DRAGNET_AGENT_AND_SESSION "= ANY (?)", ids);
    ReadKnownAgents(query, &known);
    DRAGNET_RETURN_IF_ERROR(query.status());
  }
  return known;
}

absl::StatusOr<std::vector<Claimed>> Claim(Database& database, std::string_view scheduler,
                                           const std::vector<SessionClaim>& claims) {
  DRAGNET_ASSIGN_OR_RETURN(auto known, FindAgents(database, claims));
  std::vector<Claimed> claimed;
  claimed.reserve(claims.size());
  for (const SessionClaim& claim : claims) {
    const auto agent = known.find(claim.agent_id);
    if (agent == known.end()) return absl::NotFoundError(StrCat("no agent ", claim.agent_id));
    Claimed& next = agent->second.claimed;
    next.epoch = next.before.epoch + 1;
    DRAGNET_RETURN_IF_ERROR(database.Run(
        "INSERT INTO sessions (agent, scheduler, epoch, boot_id, connected) VALUES (?, ?, ?, ?, 1)"
        " ON CONFLICT (agent) DO UPDATE SET scheduler = excluded.scheduler,"
        " epoch = excluded.epoch, boot_id = excluded.boot_id, connected = 1",
        agent->second.no, scheduler, next.epoch, claim.boot_id));
    claimed.push_back(next);
    // Of an agent that is claimed twice here.
    next.before = {.agent_id = claim.agent_id,
                   .scheduler = std::string(scheduler),
                   .epoch = next.epoch,
                   .boot_id = claim.boot_id,
                   .connected = true};
  }
  return claimed;
}

// The newest position of a partition; 0: none yet.
absl::StatusOr<int64_t> PositionOf(Database& database, uint32_t partition) {
  return database.IntegerOr(0, "SELECT position FROM bus_positions WHERE partition = ?", partition);
}

}  // namespace

absl::Status CheckBusPosition(Database& database, const BusRange& range) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t position, PositionOf(database, range.partition));
  if (static_cast<uint64_t>(position) == range.after) return absl::OkStatus();
  return absl::AbortedError(StrCat("partition ", range.partition, " of the bus is stored up to ",
                                   position, ", and this goes on after ", range.after,
                                   ": another scheduler reads it"));
}

absl::Status SaveBusPosition(Database& database, const BusRange& range) {
  return database.Run(
      "INSERT INTO bus_positions (partition, position) VALUES (?, ?)"
      " ON CONFLICT (partition) DO UPDATE SET position = excluded.position",
      range.partition, range.last);
}

absl::Status SqlStore::Tell(Database& database, v1::Notice::Kind kind, std::string_view name) {
  if (!options_.shared) return absl::OkStatus();
  // A position, so that none is given twice: it is the message's id on the bus.
  const uint64_t no = records_->NextPosition();
  // Who starts anew knows only of positions that something has.
  if (!engine_->has_other_writers())
    DRAGNET_RETURN_IF_ERROR(
        database.Run("INSERT INTO upkeep (name, value) VALUES ('last_told', ?)"
                     " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                     no));
  return database.Run("INSERT INTO outbox (no, kind, name) VALUES (?, ?, ?)", no,
                      static_cast<int>(kind), name);
}

absl::Status SqlStore::Coordinate(const Writer::Change& change) {
  if (coordinator_ == nullptr) return writer_.Run(change);
  const WaitableMutex::Lock lock(coordinating_);
  const auto attempt = [&]() -> absl::Status {
    DRAGNET_RETURN_IF_ERROR(coordinator_->Begin(/*synced=*/true));
    DRAGNET_RETURN_IF_ERROR(change(*coordinator_));
    return coordinator_->Commit();
  };
  // Each of these changes can be made twice: when no one has said whether it was committed,
  // it is made again.
  const absl::Time begun = SteadyNow();
  for (absl::Duration pause = absl::Milliseconds(20);; pause *= 2) {
    absl::Status status = attempt();
    if (status.ok()) return status;
    coordinator_->Rollback();
    if (!Database::IsLost(status) || SteadyNow() - begun > kPatience) return status;
    std::this_thread::sleep_for(absl::ToChronoMilliseconds(pause));
  }
}

ReadPool::Loan SqlStore::TakeCoordinationReader() {
  return coordination_readers_ == nullptr ? readers_->Take() : coordination_readers_->Take();
}

// ---- leases

absl::StatusOr<Lease> SqlStore::TakeLease(std::string_view name, std::string_view holder,
                                          absl::Duration lifetime) {
  Lease lease;
  DRAGNET_RETURN_IF_ERROR(Coordinate([&](Database& database) -> absl::Status {
    DRAGNET_RETURN_IF_ERROR(
        database.Run(StrCat("INSERT INTO leases (name, holder, epoch, expires)"
                            " VALUES (?1, ?2, 1, ?3 + ",
                            database.now(),
                            ") ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,"
                            " epoch = CASE WHEN leases.holder = excluded.holder THEN leases.epoch"
                            " ELSE leases.epoch + 1 END, expires = excluded.expires"
                            " WHERE leases.holder = excluded.holder OR leases.expires <= ",
                            database.now()),
                     name, holder, absl::ToInt64Milliseconds(lifetime)));
    Query query = database.Ask(
        StrCat("SELECT holder, epoch, expires - ", database.now(), " FROM leases WHERE name = ?"),
        name);
    if (query.Next()) {
      lease.holder = query.Text(0);
      lease.epoch = static_cast<uint64_t>(query.Integer(1));
      lease.left = absl::Milliseconds(query.Integer(2));
    }
    return query.status();
  }));
  if (name == kLeadLease && lease.holder == holder) {
    const WaitableMutex::Lock lock(lead_mutex_);
    held_lead_ = lease;
  }
  return lease;
}

absl::Status SqlStore::CheckStillLeads(Database& database) {
  Lease held;
  {
    const WaitableMutex::Lock lock(lead_mutex_);
    held = held_lead_;
  }
  if (held.holder.empty()) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(
      database.Run("UPDATE leases SET epoch = epoch WHERE name = ? AND holder = ? AND epoch = ?",
                   kLeadLease, held.holder, held.epoch));
  if (database.changes() > 0) return absl::OkStatus();
  return absl::AbortedError("another scheduler leads since this moment: try again");
}

absl::Status SqlStore::GiveUpLease(std::string_view name, std::string_view holder) {
  return Coordinate([&](Database& database) {
    return database.Run("UPDATE leases SET holder = '', expires = 0 WHERE name = ? AND holder = ?",
                        name, holder);
  });
}

absl::StatusOr<std::map<std::string, Lease>> SqlStore::Leases(std::string_view prefix) {
  ReadPool::Loan database = TakeCoordinationReader();
  std::map<std::string, Lease> leases;
  Query query = database->Ask(
      StrCat("SELECT name, holder, epoch, expires - ", database->now(),
             " FROM leases WHERE substr(name, 1, length(?1)) = ?1 AND expires > ", database->now()),
      prefix);
  while (query.Next())
    leases[query.Text(0)] = {.holder = query.Text(1),
                             .epoch = static_cast<uint64_t>(query.Integer(2)),
                             .left = absl::Milliseconds(query.Integer(3))};
  DRAGNET_RETURN_IF_ERROR(query.status());
  return leases;
}

// ---- sessions

absl::StatusOr<std::vector<Claimed>> SqlStore::ClaimSessions(
    std::string_view scheduler, const std::vector<SessionClaim>& claims) {
  std::vector<Claimed> claimed;
  DRAGNET_RETURN_IF_ERROR(Coordinate([&](Database& database) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(claimed, Claim(database, scheduler, claims));
    return absl::OkStatus();
  }));
  return claimed;
}

absl::Status SqlStore::ReleaseSessions(const std::vector<StoredSession>& sessions) {
  return Coordinate([&](Database& database) -> absl::Status {
    for (const StoredSession& session : sessions)
      DRAGNET_RETURN_IF_ERROR(
          database.Run("UPDATE sessions SET connected = 0 WHERE epoch = ? AND scheduler = ?"
                       " AND agent = (SELECT no FROM agents WHERE id = ?)",
                       session.epoch, session.scheduler, session.agent_id));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<std::string>> SqlStore::LostSessions(
    const std::vector<StoredSession>& sessions) {
  // All that the schedulers have, at once: a question for each session would be too many.
  std::map<std::pair<std::string, std::string>, uint64_t> epochs;
  std::vector<std::string> schedulers;
  for (const StoredSession& session : sessions)
    if (std::find(schedulers.begin(), schedulers.end(), session.scheduler) == schedulers.end())
      schedulers.push_back(session.scheduler);
  ReadPool::Loan database = TakeCoordinationReader();
  for (const std::string& scheduler : schedulers) {
    PagedQuery query(*database, 0, kSessionsPerPage, [&](int64_t after, int limit) {
      return database->Ask(
          "SELECT s.agent, g.id, s.epoch FROM sessions s JOIN agents g ON g.no = s.agent"
          " WHERE s.scheduler = ? AND s.connected = 1 AND s.agent > ? ORDER BY s.agent LIMIT ?",
          scheduler, after, limit);
    });
    while (query.Next())
      epochs[{scheduler, query.Text(1)}] = static_cast<uint64_t>(query.Integer(2));
    DRAGNET_RETURN_IF_ERROR(query.status());
  }
  std::vector<std::string> lost;
  for (const StoredSession& session : sessions) {
    const auto epoch = epochs.find({session.scheduler, session.agent_id});
    if (epoch == epochs.end() || epoch->second != session.epoch) lost.push_back(session.agent_id);
  }
  return lost;
}

absl::Status SqlStore::ReleaseAllSessions(std::string_view scheduler) {
  return Coordinate([&](Database& database) {
    return database.Run("UPDATE sessions SET connected = 0 WHERE scheduler = ? AND connected = 1",
                        scheduler);
  });
}

absl::StatusOr<std::vector<StoredSession>> SqlStore::Sessions() {
  ReadPool::Loan database = TakeCoordinationReader();
  return InSnapshot(*database, [&]() -> absl::StatusOr<std::vector<StoredSession>> {
    std::vector<StoredSession> sessions;
    PagedQuery query(*database, 0, kSessionsPerPage, [&](int64_t after, int limit) {
      return database->Ask(
          "SELECT s.agent, g.id, s.scheduler, s.epoch, s.boot_id FROM sessions s"
          " JOIN agents g ON g.no = s.agent WHERE s.connected = 1 AND s.agent > ?"
          " ORDER BY s.agent LIMIT ?",
          after, limit);
    });
    while (query.Next())
      sessions.push_back({.agent_id = query.Text(1),
                          .scheduler = query.Text(2),
                          .epoch = static_cast<uint64_t>(query.Integer(3)),
                          .boot_id = query.Text(4),
                          .connected = true});
    DRAGNET_RETURN_IF_ERROR(query.status());
    return sessions;
  });
}

// ---- the outbox, revocations, the bus

absl::StatusOr<std::vector<v1::Notice>> SqlStore::Outbox(int limit) {
  ReadPool::Loan database = TakeCoordinationReader();
  std::vector<v1::Notice> notices;
  Query query = database->Ask("SELECT no, kind, name FROM outbox ORDER BY no LIMIT ?", limit);
  while (query.Next()) {
    v1::Notice& notice = notices.emplace_back();
    notice.set_id(static_cast<uint64_t>(query.Integer(0)));
    notice.set_kind(static_cast<v1::Notice::Kind>(query.Integer(1)));
    notice.set_name(query.Text(2));
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return notices;
}

absl::Status SqlStore::ForgetOutbox(const std::vector<uint64_t>& ids) {
  return Coordinate([&](Database& database) -> absl::Status {
    for (const uint64_t id : ids)
      DRAGNET_RETURN_IF_ERROR(database.Run("DELETE FROM outbox WHERE no = ?", id));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<SqlStore::Revocation>> SqlStore::RevocationsAfter(uint64_t no) {
  ReadPool::Loan database = TakeCoordinationReader();
  std::vector<Revocation> revocations;
  Query query = database->Ask(
      "SELECT no, identity FROM revocations WHERE no > ? ORDER BY no LIMIT ?", no, kMaxRevocations);
  while (query.Next())
    revocations.push_back(
        {.no = static_cast<uint64_t>(query.Integer(0)), .identity = query.Text(1)});
  DRAGNET_RETURN_IF_ERROR(query.status());
  return revocations;
}

absl::StatusOr<uint64_t> SqlStore::LastRevocation() {
  ReadPool::Loan database = TakeCoordinationReader();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t last,
                           database->IntegerOr(0, "SELECT max(no) FROM revocations"));
  return static_cast<uint64_t>(last);
}

absl::StatusOr<uint64_t> SqlStore::BusPosition(uint32_t partition) {
  ReadPool::Loan database = TakeCoordinationReader();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t position, PositionOf(*database, partition));
  return static_cast<uint64_t>(position);
}

// A commit is told, and seen by others, when the standby has it; but after a start the
// server shows all that it has itself. A commit that comes after them waits for them.
absl::Status SqlStore::Settle() {
  if (coordinator_ == nullptr) return absl::OkStatus();
  return Coordinate([](Database& database) {
    return database.Run(StrCat("INSERT INTO upkeep (name, value) VALUES ('settled', ",
                               database.now(),
                               ") ON CONFLICT (name) DO UPDATE SET value = excluded.value"));
  });
}

}  // namespace dragnet::scheduler
