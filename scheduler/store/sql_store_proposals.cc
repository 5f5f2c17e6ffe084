// The part of SqlStore about proposals.
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/proposal_tables.h"
#include "scheduler/store/sql_store.h"

namespace dragnet::scheduler {
namespace {

// Each may be a megabyte and more.
constexpr int kProposalsPerPage = 8;

#define DRAGNET_PROPOSAL_COLUMNS                                              \
  "SELECT id, envelope, proposed_by, proposed_at, expires, state, closed_at," \
  " refusal, refused_by, no FROM proposals "

StoredProposal ProposalOf(const Query& query) {
  StoredProposal proposal;
  proposal.id = query.Text(0);
  proposal.envelope = query.Text(1);
  proposal.proposed_by = query.Text(2);
  proposal.proposed_at = query.Time(3);
  proposal.expires = query.Time(4);
  proposal.state = static_cast<v1::Proposal::State>(query.Integer(5));
  if (query.Integer(6) != 0) proposal.closed_at = query.Time(6);
  proposal.refusal = query.Text(7);
  proposal.refused_by = absl::StrSplit(query.Text(8), ' ', absl::SkipEmpty());
  return proposal;
}

// By whom it was refused doesn't matter here, nor which of the two it is.
absl::Status NotOpen(std::string_view id, int64_t state) {
  return absl::FailedPreconditionError(
      StrCat("proposal ", id,
             state == v1::Proposal::STATE_REFUSED ? " was refused" : " was launched already"));
}

absl::Status CheckOpen(Database& database, std::string_view id) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t state,
                           database.IntegerOr(0, "SELECT state FROM proposals WHERE id = ?", id));
  if (state == 0) return absl::NotFoundError(StrCat("no proposal ", id));
  return state == v1::Proposal::STATE_OPEN ? absl::OkStatus() : NotOpen(id, state);
}

absl::Status ForgetClosed(Database& database, absl::Time now) {
  // What was refused and could still be launched stays as long as that is so.
  DRAGNET_RETURN_IF_ERROR(
      database.Run("DELETE FROM proposals WHERE expires < ?1 AND"
                   " CASE state WHEN 1 THEN expires ELSE closed_at END < ?2",
                   now, now - kClosedProposalsKeptFor));
  DRAGNET_RETURN_IF_ERROR(database.Run("DELETE FROM proposals WHERE state = 2 AND closed_at < ?",
                                       now - kClosedProposalsKeptFor));
  constexpr std::string_view kTooMany =
      " no IN (SELECT no FROM proposals WHERE state != 1 OR expires < ?1"
      " ORDER BY CASE state WHEN 1 THEN expires ELSE closed_at END DESC LIMIT 1000000000 OFFSET "
      "?2)";
  DRAGNET_RETURN_IF_ERROR(database.Run(
      StrCat("DELETE FROM proposals WHERE NOT (state = 3 AND expires >= ?1) AND", kTooMany), now,
      kClosedProposalsKept));
  // However many are refused after it: a refusal must outlive what it refused. What
  // is large of it goes.
  return database.Run(StrCat("UPDATE proposals SET envelope = '' WHERE state = 3 AND"
                             " expires >= ?1 AND length(envelope) > 0 AND",
                             kTooMany),
                      now, kClosedProposalsKept);
}

absl::Status CheckRoom(Database& database, const StoredProposal& proposal,
                       const ProposalBounds& bounds, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t open,
      database.IntegerOr(0, "SELECT count(*) FROM proposals WHERE state = 1 AND expires >= ?",
                         now));
  if (open >= bounds.in_all)
    return absl::ResourceExhaustedError(
        StrCat(open, " proposals are open: sign or refuse some of them first"));
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t own,
      database.IntegerOr(
          0, "SELECT count(*) FROM proposals WHERE state = 1 AND expires >= ? AND proposed_by = ?",
          now, proposal.proposed_by));
  if (own < bounds.of_one_person) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      StrCat(own, " proposals of ", proposal.proposed_by, " are open: refuse some of them first"));
}

}  // namespace

absl::StatusOr<bool> CloseProposalOf(Database& database, const StoredAction& action) {
  {
    Query query = database.Ask("SELECT state, envelope FROM proposals WHERE id = ?", action.id);
    if (!query.Next()) {
      DRAGNET_RETURN_IF_ERROR(query.status());
      return false;
    }
    if (query.Integer(0) == v1::Proposal::STATE_REFUSED)
      return NotOpen(action.id, query.Integer(0));
    // Then the action is there, which is found out next.
    if (query.Integer(0) == v1::Proposal::STATE_LAUNCHED) return true;
    DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope proposed,
                             ParseEnvelope(query.View(1), kActionPayloadType));
    DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope launched,
                             ParseEnvelope(action.envelope, kActionPayloadType));
    if (proposed.payload() != launched.payload())
      return absl::AlreadyExistsError(
          StrCat("another action was proposed under the id ", action.id, ": make a new one"));
  }
  DRAGNET_RETURN_IF_ERROR(
      database.Run("UPDATE proposals SET state = 2, closed_at = ?, envelope = ? WHERE id = ?",
                   action.launched_at, action.envelope, action.id));
  return true;
}

absl::Status SqlStore::AddProposal(const StoredProposal& proposal, const ProposalBounds& bounds,
                                   absl::Time now) {
  return writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_RETURN_IF_ERROR(ForgetClosed(database, now));
    DRAGNET_ASSIGN_OR_RETURN(
        const int64_t taken,
        database.IntegerOr(0,
                           "SELECT (SELECT count(*) FROM actions WHERE id = ?1) +"
                           " (SELECT count(*) FROM proposals WHERE id = ?1)",
                           proposal.id));
    if (taken != 0)
      return absl::AlreadyExistsError(
          StrCat("another action has the id ", proposal.id, " already: make a new one"));
    DRAGNET_RETURN_IF_ERROR(CheckRoom(database, proposal, bounds, now));
    DRAGNET_RETURN_IF_ERROR(database.Run(
        "INSERT INTO proposals (id, envelope, proposed_by, proposed_at, expires, state)"
        " VALUES (?, ?, ?, ?, ?, 1)",
        proposal.id, proposal.envelope, proposal.proposed_by, proposal.proposed_at,
        proposal.expires));
    return Tell(database, v1::Notice::KIND_PROPOSAL, proposal.id);
  });
}

absl::Status SqlStore::SignProposal(std::string_view id, std::string_view before,
                                    std::string_view envelope) {
  return writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_RETURN_IF_ERROR(CheckOpen(database, id));
    Query query = database.Ask("SELECT envelope FROM proposals WHERE id = ?", id);
    if (query.Next() && query.View(0) != before)
      return absl::AbortedError(StrCat("proposal ", id, " was signed by someone else meanwhile"));
    DRAGNET_RETURN_IF_ERROR(query.status());
    DRAGNET_RETURN_IF_ERROR(
        database.Run("UPDATE proposals SET envelope = ? WHERE id = ?", envelope, id));
    return Tell(database, v1::Notice::KIND_PROPOSAL, id);
  });
}

absl::Status SqlStore::RefuseProposal(std::string_view id, std::string_view refusal,
                                      const std::vector<std::string>& refused_by, absl::Time now) {
  return writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_RETURN_IF_ERROR(CheckOpen(database, id));
    // Names of investigators have no spaces.
    const std::string names = absl::StrJoin(refused_by, " ");
    DRAGNET_RETURN_IF_ERROR(database.Run(
        "UPDATE proposals SET state = 3, closed_at = ?, refusal = ?, refused_by = ? WHERE id = ?",
        now, refusal, names, id));
    return Tell(database, v1::Notice::KIND_PROPOSAL, id);
  });
}

absl::StatusOr<StoredProposal> SqlStore::FindProposal(std::string_view id) {
  ReadPool::Loan database = readers_->Take();
  Query query = database->Ask(DRAGNET_PROPOSAL_COLUMNS "WHERE id = ?", id);
  if (query.Next()) return ProposalOf(query);
  if (!query.status().ok()) return query.status();
  return absl::NotFoundError(StrCat("no proposal ", id));
}

absl::Status SqlStore::ForEachProposal(const std::function<void(const StoredProposal&)>& visit) {
  ReadPool::Loan database = readers_->Take();
  // As of PagedQuery, from the newest down.
  const int page = database->remote() ? kProposalsPerPage : INT32_MAX;
  int64_t before = INT64_MAX;
  for (int read = page; read == page;) {
    read = 0;
    Query query = database->Ask(DRAGNET_PROPOSAL_COLUMNS "WHERE no < ? ORDER BY no DESC LIMIT ?",
                                before, page);
    for (; query.Next(); ++read) {
      before = query.Integer(9);
      visit(ProposalOf(query));
    }
    DRAGNET_RETURN_IF_ERROR(query.status());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> SqlStore::MatchProposals(std::string_view fragment,
                                                                  int limit) {
  ReadPool::Loan database = readers_->Take();
  Query query = database->Ask(
      "SELECT id FROM proposals WHERE substr(id, 1, length(?1)) = ?1"
      " OR (length(id) >= length(?1) AND substr(id, length(id) - length(?1) + 1) = ?1)"
      " ORDER BY no DESC LIMIT ?2",
      fragment, limit);
  std::vector<std::string> ids;
  while (query.Next()) ids.push_back(query.Text(0));
  DRAGNET_RETURN_IF_ERROR(query.status());
  return ids;
}

}  // namespace dragnet::scheduler
