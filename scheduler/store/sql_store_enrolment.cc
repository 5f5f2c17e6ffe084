// The part of SqlStore about who joins the fleet: tokens, and hosts that wait to be
// let in.
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "scheduler/store/enrolment_limits.h"
#include "scheduler/store/sql_store.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxName = 255;
constexpr size_t kTokenIdBytes = 8;

// enrolment_requests.state
enum class RequestState { kWaits = 0, kApproved = 1, kDenied = 2 };

// Of a request whose token, joined as t, may still let it in at ?1.
#define DRAGNET_TOKEN_IS_GOOD "t.expires >= ?1 AND t.revoked = 0 AND t.uses_left > 0"

absl::Status InsertToken(Database& database, const StoredToken& token) {
  DRAGNET_RETURN_IF_ERROR(database.Run(
      "INSERT INTO tokens (sha256, expires, uses_left, id, uses, created, created_by, note,"
      " networks, needs_approval, replaces, revoked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      token.sha256, token.expires, token.uses_left, TokenId(token.sha256), token.uses_left,
      token.created, token.created_by, token.note, absl::StrJoin(token.networks, "\n"),
      token.needs_approval, token.replaces_agent_id, token.revoked));
  for (const auto& [key, value] : token.labels)
    DRAGNET_RETURN_IF_ERROR(
        database.Run("INSERT INTO token_labels (sha256, key, value) VALUES (?, ?, ?)", token.sha256,
                     key, value));
  return absl::OkStatus();
}

#define DRAGNET_TOKEN_COLUMNS                                                     \
  "SELECT sha256, expires, uses_left, uses, created, created_by, note, networks," \
  " needs_approval, replaces, revoked FROM tokens "

absl::StatusOr<StoredToken> TokenOf(Database& database, const Query& query) {
  StoredToken token;
  token.sha256 = query.Text(0);
  token.expires = query.Time(1);
  token.uses_left = static_cast<uint32_t>(query.Integer(2));
  token.uses = static_cast<uint32_t>(query.Integer(3));
  token.created = query.Time(4);
  token.created_by = query.Text(5);
  token.note = query.Text(6);
  token.networks = absl::StrSplit(query.Text(7), '\n', absl::SkipEmpty());
  token.needs_approval = query.Integer(8) != 0;
  token.replaces_agent_id = query.Text(9);
  token.revoked = query.Integer(10) != 0;
  Query labels = database.Ask("SELECT key, value FROM token_labels WHERE sha256 = ?", token.sha256);
  while (labels.Next()) token.labels[labels.Text(0)] = labels.Text(1);
  DRAGNET_RETURN_IF_ERROR(labels.status());
  return token;
}

absl::StatusOr<StoredToken> GoodToken(Database& database, std::string_view sha256, absl::Time now) {
  Query query = database.Ask(DRAGNET_TOKEN_COLUMNS "WHERE sha256 = ?", sha256);
  if (!query.Next()) {
    if (!query.status().ok()) return query.status();
    return absl::UnauthenticatedError("unknown enrolment token");
  }
  DRAGNET_ASSIGN_OR_RETURN(StoredToken token, TokenOf(database, query));
  if (token.revoked)
    return absl::UnauthenticatedError("this enrolment token was revoked: create another one");
  if (token.expires < now)
    return absl::UnauthenticatedError("this enrolment token has expired: create another one");
  return token;
}

absl::Status CheckIsNotUsedUp(const StoredToken& token) {
  if (token.uses_left > 0) return absl::OkStatus();
  return absl::UnauthenticatedError("this enrolment token is used up: create another one");
}

absl::Status Denied() {
  return absl::PermissionDeniedError("an operator decided not to let this host in");
}

// Whether the fleet knows an agent of this id; errors when that one is another one, or
// may not come back.
absl::StatusOr<bool> IsKnown(Database& database, std::string_view agent_id, std::string_view spki) {
  Query agent = database.Ask("SELECT spki, revoked FROM agents WHERE id = ?", agent_id);
  if (!agent.Next()) {
    if (!agent.status().ok()) return agent.status();
    return false;
  }
  if (agent.Integer(1) != 0)
    return absl::PermissionDeniedError(StrCat("agent ", agent_id, " was revoked"));
  if (agent.View(0) != spki)
    return absl::AlreadyExistsError(StrCat("another key holds the agent id ", agent_id));
  return true;
}

// What is kept of a host's wish to be let in.
struct Waiting {
  std::string spki;
  std::string token_sha256;
  RequestState state = RequestState::kWaits;
};

absl::StatusOr<std::optional<Waiting>> FindWaiting(Database& database, std::string_view agent_id,
                                                   absl::Time now) {
  Query query = database.Ask(
      "SELECT r.spki, r.token, r.state FROM enrolment_requests r"
      " JOIN tokens t ON t.sha256 = r.token WHERE " DRAGNET_TOKEN_IS_GOOD " AND r.agent_id = ?2",
      now, agent_id);
  if (!query.Next()) {
    if (!query.status().ok()) return query.status();
    return std::nullopt;
  }
  return Waiting{query.Text(0), query.Text(1), static_cast<RequestState>(query.Integer(2))};
}

absl::StatusOr<Admission> AnswerTo(const Waiting& waiting) {
  switch (waiting.state) {
    case RequestState::kWaits:
      return Admission::kWaits;
    case RequestState::kApproved:
      return Admission::kApproved;
    case RequestState::kDenied:
      return Admission::kDenied;
  }
  return absl::DataLossError("a request to enrol in an unknown state");
}

bool IsOf(const Waiting& waiting, const StoredEnrolmentRequest& request) {
  return waiting.spki == request.spki && waiting.token_sha256 == request.token_sha256;
}

// Who asks under an id first holds it until there is an answer: what the operator looks
// at doesn't become another key's.
absl::Status CheckKeyMayAsk(const Waiting& waiting, const StoredEnrolmentRequest& request) {
  if (waiting.spki == request.spki || waiting.state == RequestState::kDenied)
    return absl::OkStatus();
  return absl::AlreadyExistsError(
      StrCat("another key waits to be let in under the agent id ", request.agent_id));
}

absl::Status MakeRoom(Database& database, const StoredToken& token, absl::Time now) {
  DRAGNET_RETURN_IF_ERROR(
      database.Run("DELETE FROM enrolment_requests WHERE token NOT IN"
                   " (SELECT t.sha256 FROM tokens t WHERE " DRAGNET_TOKEN_IS_GOOD ")",
                   now));
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t of_token,
      database.IntegerOr(0, "SELECT count(*) FROM enrolment_requests WHERE token = ? AND state < ?",
                         token.sha256, static_cast<int>(RequestState::kDenied)));
  if (of_token >= int64_t{token.uses_left} + kSpareEnrolmentRequests)
    return absl::ResourceExhaustedError(
        "more hosts wait with this enrolment token than it can let in: try again later");
  if (of_token >= kMaxEnrolmentRequestsOfToken)
    return absl::ResourceExhaustedError(
        StrCat(kMaxEnrolmentRequestsOfToken,
               " hosts wait with this enrolment token, as many as may: try again later, when an "
               "operator has decided about some"));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t all,
                           database.IntegerOr(0, "SELECT count(*) FROM enrolment_requests"));
  if (all < kMaxEnrolmentRequests) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(
      database.Run("DELETE FROM enrolment_requests WHERE no ="
                   " (SELECT min(no) FROM enrolment_requests WHERE state = ?)",
                   static_cast<int>(RequestState::kDenied)));
  if (database.changes() > 0) return absl::OkStatus();
  return absl::ResourceExhaustedError("too many hosts wait to be let in: try again later");
}

absl::StatusOr<Admission> Ask(Database& database, const StoredEnrolmentRequest& request,
                              absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const StoredToken token, GoodToken(database, request.token_sha256, now));
  DRAGNET_ASSIGN_OR_RETURN(const bool known, IsKnown(database, request.agent_id, request.spki));
  if (known) return Admission::kApproved;
  DRAGNET_RETURN_IF_ERROR(CheckIsNotUsedUp(token));
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<Waiting> waiting,
                           FindWaiting(database, request.agent_id, now));
  if (waiting.has_value()) {
    if (IsOf(*waiting, request)) return AnswerTo(*waiting);
    DRAGNET_RETURN_IF_ERROR(CheckKeyMayAsk(*waiting, request));
  }
  DRAGNET_RETURN_IF_ERROR(
      database.Run("DELETE FROM enrolment_requests WHERE agent_id = ?", request.agent_id));
  DRAGNET_RETURN_IF_ERROR(MakeRoom(database, token, now));
  DRAGNET_RETURN_IF_ERROR(
      database.Run("INSERT INTO enrolment_requests (agent_id, spki, token, address, asked, facts)"
                   " VALUES (?, ?, ?, ?, ?, ?)",
                   request.agent_id, request.spki, request.token_sha256, request.address,
                   request.asked, request.facts.SerializeAsString()));
  return Admission::kAsked;
}

absl::Status CheckWasApproved(Database& database, const Enrolment& enrolment, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<Waiting> waiting,
                           FindWaiting(database, enrolment.agent_id, now));
  if (!waiting.has_value() || waiting->spki != enrolment.spki ||
      waiting->token_sha256 != enrolment.token_sha256 || waiting->state == RequestState::kWaits)
    return absl::UnavailableError("an operator has yet to let this host in");
  return waiting->state == RequestState::kDenied ? Denied() : absl::OkStatus();
}

absl::Status Decide(Database& database, std::string_view agent_id, std::string_view key_sha256,
                    bool approve, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<Waiting> waiting,
                           FindWaiting(database, agent_id, now));
  if (!waiting.has_value() || waiting->state != RequestState::kWaits)
    return absl::NotFoundError(StrCat("no agent ", agent_id, " waits to be let in"));
  if (HexEncode(Sha256(waiting->spki)) != key_sha256)
    return absl::FailedPreconditionError(
        StrCat("agent ", agent_id, " waits with another key: look at it again"));
  return database.Run("UPDATE enrolment_requests SET state = ? WHERE agent_id = ?",
                      static_cast<int>(approve ? RequestState::kApproved : RequestState::kDenied),
                      agent_id);
}

}  // namespace

std::string TokenId(std::string_view sha256) { return HexEncode(sha256.substr(0, kTokenIdBytes)); }

absl::Status SqlStore::AddToken(const StoredToken& token) {
  return writer_.Run([&](Database& database) { return InsertToken(database, token); });
}

absl::StatusOr<StoredToken> SqlStore::FindToken(std::string_view sha256, absl::Time now) {
  ReadPool::Loan database = readers_->Take();
  return GoodToken(*database, sha256, now);
}

absl::StatusOr<std::vector<StoredToken>> SqlStore::Tokens(bool all, absl::Time now, int limit) {
  ReadPool::Loan database = readers_->Take();
  Query query = database->Ask(DRAGNET_TOKEN_COLUMNS
                              "WHERE ?1 != 0 OR (expires >= ?2 AND revoked = 0 AND uses_left > 0)"
                              " ORDER BY created DESC, id LIMIT ?3",
                              all, now, limit);
  std::vector<StoredToken> tokens;
  while (query.Next()) {
    DRAGNET_ASSIGN_OR_RETURN(StoredToken token, TokenOf(*database, query));
    tokens.push_back(std::move(token));
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return tokens;
}

absl::StatusOr<uint32_t> SqlStore::RevokeToken(std::string_view token_id) {
  uint32_t taken = 0;
  DRAGNET_RETURN_IF_ERROR(writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(
        const int64_t used,
        database.IntegerOr(-1, "SELECT uses - uses_left FROM tokens WHERE id = ?", token_id));
    if (used < 0) return absl::NotFoundError(StrCat("no enrolment token ", token_id));
    taken = static_cast<uint32_t>(used);
    DRAGNET_RETURN_IF_ERROR(
        database.Run("DELETE FROM enrolment_requests WHERE token IN"
                     " (SELECT sha256 FROM tokens WHERE id = ?)",
                     token_id));
    return database.Run("UPDATE tokens SET revoked = 1 WHERE id = ?", token_id);
  }));
  return taken;
}

absl::Status SqlStore::TakeOver(Database& database, std::string_view replaced_agent_id,
                                int64_t agent) {
  int64_t replaced = 0;
  std::string identity;
  {
    Query query = database.Ask("SELECT no, identity FROM agents WHERE id = ?", replaced_agent_id);
    if (!query.Next()) {
      if (!query.status().ok()) return query.status();
      return absl::UnauthenticatedError(
          StrCat("this enrolment token is for the host that was agent ", replaced_agent_id,
                 ", which is not known: create another one"));
    }
    replaced = query.Integer(0);
    identity = query.Text(1);
  }
  // What the token says goes first, and is there already.
  DRAGNET_RETURN_IF_ERROR(
      database.Run("INSERT INTO agent_labels (agent, key, value)"
                   " SELECT ?, key, value FROM agent_labels WHERE agent = ?"
                   " ON CONFLICT (agent, key) DO NOTHING",
                   agent, replaced));
  return Revoke(database, identity).status();
}

absl::Status SqlStore::InsertAgent(Database& database, const Enrolment& enrolment,
                                   const StoredToken& token, absl::Time now) {
  DRAGNET_RETURN_IF_ERROR(database.Run(
      "UPDATE tokens SET uses_left = uses_left - 1 WHERE sha256 = ?", enrolment.token_sha256));
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t agent,
      database.IntegerOr(0,
                         "INSERT INTO agents (id, identity, spki, name, facts, enrolled_at)"
                         " VALUES (?, ?, ?, ?, ?, ?) RETURNING no",
                         enrolment.agent_id, enrolment.certificate.identity, enrolment.spki,
                         Shorten(enrolment.facts.name(), kMaxName),
                         enrolment.facts.SerializeAsString(), now));
  DRAGNET_RETURN_IF_ERROR(
      database.Run("INSERT INTO agent_labels (agent, key, value)"
                   " SELECT ?, key, value FROM token_labels WHERE sha256 = ?",
                   agent, enrolment.token_sha256));
  DRAGNET_RETURN_IF_ERROR(
      database.Run("DELETE FROM enrolment_requests WHERE agent_id = ?", enrolment.agent_id));
  if (token.replaces_agent_id.empty()) return absl::OkStatus();
  return TakeOver(database, token.replaces_agent_id, agent);
}

absl::Status SqlStore::Enrol(Database& database, const Enrolment& enrolment, absl::Time now) {
  // The token first: without one, nothing is to be learned about an id.
  DRAGNET_ASSIGN_OR_RETURN(const StoredToken token,
                           GoodToken(database, enrolment.token_sha256, now));
  DRAGNET_ASSIGN_OR_RETURN(const bool known, IsKnown(database, enrolment.agent_id, enrolment.spki));
  if (!known) {
    DRAGNET_RETURN_IF_ERROR(CheckIsNotUsedUp(token));
    if (token.needs_approval) DRAGNET_RETURN_IF_ERROR(CheckWasApproved(database, enrolment, now));
    DRAGNET_RETURN_IF_ERROR(InsertAgent(database, enrolment, token, now));
  }
  DRAGNET_RETURN_IF_ERROR(InsertCertificate(database, enrolment.certificate));
  return Tell(database, v1::Notice::KIND_AGENT, enrolment.agent_id);
}

absl::Status SqlStore::EnrolAgent(const Enrolment& enrolment, absl::Time now) {
  return writer_.Run([&](Database& database) { return Enrol(database, enrolment, now); });
}

absl::StatusOr<Admission> SqlStore::AskToEnrol(const StoredEnrolmentRequest& request,
                                               absl::Time now) {
  {
    // Who waits asks again and again: that changes nothing, and waits for no disk.
    ReadPool::Loan database = readers_->Take();
    DRAGNET_ASSIGN_OR_RETURN(const StoredToken token,
                             GoodToken(*database, request.token_sha256, now));
    DRAGNET_ASSIGN_OR_RETURN(const std::optional<Waiting> waiting,
                             FindWaiting(*database, request.agent_id, now));
    if (waiting.has_value() && IsOf(*waiting, request)) return AnswerTo(*waiting);
  }
  Admission admission = Admission::kWaits;
  DRAGNET_RETURN_IF_ERROR(writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(admission, Ask(database, request, now));
    return absl::OkStatus();
  }));
  return admission;
}

absl::StatusOr<std::vector<StoredEnrolmentRequest>> SqlStore::EnrolmentRequests(absl::Time now,
                                                                                int limit) {
  ReadPool::Loan database = readers_->Take();
  Query query = database->Ask(
      "SELECT r.agent_id, r.spki, r.token, r.address, r.asked, r.facts"
      " FROM enrolment_requests r JOIN tokens t ON t.sha256 = r.token"
      " WHERE " DRAGNET_TOKEN_IS_GOOD " AND r.state = ?2 ORDER BY r.no LIMIT ?3",
      now, static_cast<int>(RequestState::kWaits), limit);
  std::vector<StoredEnrolmentRequest> requests;
  while (query.Next()) {
    StoredEnrolmentRequest& request = requests.emplace_back();
    request.agent_id = query.Text(0);
    request.spki = query.Text(1);
    request.token_sha256 = query.Text(2);
    request.address = query.Text(3);
    request.asked = query.Time(4);
    if (!request.facts.ParseFromString(query.Text(5)))
      return absl::DataLossError(StrCat("the facts of ", request.agent_id, " don't parse"));
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return requests;
}

absl::StatusOr<uint64_t> SqlStore::CountEnrolmentRequests(absl::Time now) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t count,
                           database->IntegerOr(0,
                                               "SELECT count(*) FROM enrolment_requests r"
                                               " JOIN tokens t ON t.sha256 = r.token"
                                               " WHERE " DRAGNET_TOKEN_IS_GOOD " AND r.state = ?2",
                                               now, static_cast<int>(RequestState::kWaits)));
  return static_cast<uint64_t>(count);
}

absl::Status SqlStore::DecideEnrolment(std::string_view agent_id, std::string_view key_sha256,
                                       bool approve, absl::Time now) {
  return writer_.Run(
      [&](Database& database) { return Decide(database, agent_id, key_sha256, approve, now); });
}

}  // namespace dragnet::scheduler
