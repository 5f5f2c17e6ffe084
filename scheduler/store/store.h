// What the scheduler keeps: agents, certificates, enrolment tokens, trust
// policies, actions, what became of them on each agent, and refusals.
//
// The interface speaks of the scheduler's things, not of tables, so that
// another database can stand behind it; store_conformance.h holds every
// implementation to what is written here.
//
// Thread-safe. Calls without a callback block until their change is committed
// to disk, or until they have read. Calls with one return at once; the callback
// runs after the commit, on a thread of the store, in the order of the calls,
// and must not block. Changes take effect in the order in which they were asked
// for. After a power cut (not after a crash of this process) the last of those
// marked "soon" may be undone; everything else stands.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dragnet/v1/facts.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "dragnet/v1/results.pb.h"
#include "scheduler/dispatch/dispatch.h"
#include "scheduler/dispatch/pair.h"
#include "scheduler/store/agent_record.h"
#include "scheduler/store/coordination.h"

namespace dragnet::scheduler {

// A certificate that the fleet's CA issued.
struct StoredCertificate {
  // Lower-case hex SHA-256 of the DER.
  std::string fingerprint;
  // spiffe://…
  std::string identity;
  absl::Time issued_at;
  absl::Time not_after;
  bool revoked = false;
};

struct StoredToken {
  // SHA-256 of the token: the token itself is kept nowhere.
  std::string sha256;
  absl::Time expires;
  // Hosts that it still lets in.
  uint32_t uses_left = 0;
  // Labels for the hosts that enrol with it.
  std::map<std::string, std::string> labels;
  // For AddToken, which takes `uses_left` for it, nothing. Of tokens of versions before
  // this one, what was left when that ended.
  uint32_t uses = 0;
  // Unknown (1970) of tokens of versions before this one.
  absl::Time created = absl::UnixEpoch();
  std::string created_by{};
  std::string note{};
  // In CIDR notation (enrolment/network.h); none: from anywhere.
  std::vector<std::string> networks{};
  bool needs_approval = false;
  // The agent whose place the first one takes that enrols with it; empty: none.
  std::string replaces_agent_id{};
  bool revoked = false;
};

// How people name a token: the first 8 bytes of its SHA-256, in lower-case hex.
std::string TokenId(std::string_view sha256);

// A host that came with a token which needs approval.
struct StoredEnrolmentRequest {
  std::string agent_id;
  // DER SubjectPublicKeyInfo of the key that it asks a certificate for.
  std::string spki;
  std::string token_sha256;
  // Of its connection, for people.
  std::string address;
  absl::Time asked;
  // Shortened: what waits must be small.
  v1::Facts facts;
};

// What there is to say to a host that needs approval.
enum class Admission {
  // It waits from now on.
  kAsked,
  kWaits,
  // Let in by an operator, or in the fleet already.
  kApproved,
  kDenied,
};

// Hosts that may wait, or were denied and not forgotten yet.
inline constexpr int kMaxEnrolmentRequests = 10'000;
// Hosts that may wait for one token beyond those that it can let in: a thief of a token
// for one host can't crowd the others out.
inline constexpr int kSpareEnrolmentRequests = 100;

struct StoredAgent {
  std::string id;
  // DER SubjectPublicKeyInfo that it enrolled with.
  std::string spki;
  v1::Facts facts;
  std::map<std::string, std::string> labels;
  absl::Time enrolled_at;
  absl::Time last_seen = absl::InfinitePast();
  uint64_t trust_policy_version = 0;
  std::vector<std::string> missing_walls;
  // Of its own agent.toml, one line each.
  std::vector<std::string> limits;
  bool revoked = false;
};

// What changed of an agent; what is unset stays.
struct AgentUpdate {
  std::optional<v1::Facts> facts;
  std::optional<absl::Time> last_seen;
  std::optional<uint64_t> trust_policy_version;
  std::optional<std::vector<std::string>> missing_walls;
  std::optional<std::vector<std::string>> limits;
};

struct Enrolment {
  std::string agent_id;
  // DER SubjectPublicKeyInfo of the agent's TLS key.
  std::string spki;
  std::string token_sha256;
  v1::Facts facts;
  StoredCertificate certificate;
};

struct StoredTrustPolicy {
  uint64_t version = 0;
  std::string envelope;
};

struct StoredAction {
  std::string id;
  // Serialised, as it was launched.
  std::string envelope;
  std::string launched_by;
  std::vector<std::string> signed_by;
  absl::Time launched_at;
  absl::Time expires;
  bool cancelled = false;
  // For AddAction: one for each operation.
  std::vector<OperationBounds> bounds;
  // For AddAction. Of a sweep: no occurrence after this.
  std::optional<absl::Time> recurs_until;
  // For AddAction: the sweep to which this action's verdicts count. Both have the
  // same operations. Empty: none.
  std::string extra_run_of;
};

// Of a check on a host; a later one is worse. Stored as these numbers.
enum class VerdictStatus : uint8_t {
  kNone = 0,
  kNotApplicable = 1,
  kPass = 2,
  kUnknown = 3,
  kFail = 4,
};
// "pass", "fail", "unknown" or "not_applicable"; kNone and "" for anything else.
VerdictStatus VerdictStatusOf(std::string_view word);
std::string_view WordOf(VerdictStatus status);

// One run of a sweep. What it counts outlives its rows.
struct StoredRun {
  std::string action_id;
  absl::Time occurrence;
  // Launched by hand.
  bool extra = false;
  // Agents that told of it, in part or whole.
  uint64_t told = 0;
  // Agents that had the sweep when it was due and haven't told. 0 of extra runs.
  uint64_t silent = 0;
  // As SweepRun has them.
  v1::VerdictCounts verdicts;
  v1::VerdictCounts agents;
};

// The newest verdicts of all agents.
struct NewestCounts {
  v1::VerdictCounts verdicts;
  v1::VerdictCounts agents;
};

// An agent of a sweep's target; not one that was revoked.
struct SweepAgent {
  std::string id;
  // It took the sweep on, and hasn't refused it since.
  bool has_it = false;
  // When it took it on first.
  absl::Time accepted_at;
  // The newest occurrence of the schedule that it told of; InfinitePast: none yet.
  absl::Time last_told = absl::InfinitePast();
};

struct SweepAgentCounts {
  uint64_t with_it = 0;
  uint64_t without_it = 0;
  // Of those with it.
  uint64_t silent = 0;
};

// The newest verdict of an agent on a check.
struct StoredVerdict {
  // Number of the check (SweepTerms::checks).
  uint32_t check = 0;
  VerdictStatus status = VerdictStatus::kNone;
  absl::Time occurrence;
  absl::Time since;
  std::string reason;
  std::vector<std::string> evidence;
  uint64_t evidence_left_out = 0;
};

struct StoredSweepChange {
  uint64_t position = 0;
  std::string agent_id;
  std::string agent_name;
  uint32_t check = 0;
  // kNone: the first verdict.
  VerdictStatus from = VerdictStatus::kNone;
  VerdictStatus to = VerdictStatus::kNone;
  absl::Time occurrence;
  std::string reason;
};

// A signed order about an action.
struct StoredOrder {
  std::string id;
  std::string action_id;
  // Serialised, as it was sent.
  std::string envelope;
  std::vector<std::string> signed_by;
  absl::Time expires;
};

// An action that waits for signatures, or waited.
struct StoredProposal {
  std::string id;
  // Serialised, with all signatures so far. Empty for one that was refused long ago,
  // and must not be forgotten.
  std::string envelope;
  std::string proposed_by;
  absl::Time proposed_at;
  absl::Time expires;
  // OPEN, LAUNCHED or REFUSED. One that has expired is still OPEN here.
  v1::Proposal::State state = v1::Proposal::STATE_OPEN;
  // When it was launched or refused.
  absl::Time closed_at = absl::InfinitePast();
  // The order that refused it, serialised as it was sent, and who signed that.
  std::string refusal;
  std::vector<std::string> refused_by;

  bool open(absl::Time now) const { return state == v1::Proposal::STATE_OPEN && now <= expires; }
};

// How many proposals may be open.
struct ProposalBounds {
  int of_one_person = 32;
  int in_all = 256;
};

// Of those that are closed, the newest are kept, for so long. One that was refused
// is not forgotten before it has expired: of older ones, all but the envelope is kept.
inline constexpr int kClosedProposalsKept = 256;
inline constexpr absl::Duration kClosedProposalsKeptFor = absl::Hours(7 * 24);

// One (action, agent) pair in a list of them.
struct PairState {
  std::string agent_id;
  v1::DispatchState state = v1::DISPATCH_STATE_UNSPECIFIED;
  uint64_t rows = 0;
  // As Failed(pair).
  bool failed = false;
};

// The pairs of an action that aren't what they were at a position.
struct ChangedPairs {
  // Where to go on.
  uint64_t position = 0;
  std::vector<PairState> pairs;
};

// What one agent was asked.
struct AgentAction {
  StoredAction action;
  v1::DispatchState state = v1::DISPATCH_STATE_UNSPECIFIED;
  uint64_t rows = 0;
};

// Something that happened to an action, at a position in the order of
// everything that happens: rows were stored, or a pair is in another state.
struct Change {
  uint64_t position = 0;
  std::string agent_id;
  std::string agent_name;
  // Set: rows. Else: the state that the pair is in now.
  std::optional<v1::Rows> rows;
  uint32_t operation = 0;
  Pair pair;
};

// The same, of any action; and changes of verdicts, which have no rows and no pair.
struct ActionChange : Change {
  // Of a change of a verdict: the sweep.
  std::string action_id;
  std::optional<StoredSweepChange> sweep_change;
  // Unknown (InfinitePast) of what a version before this one stored.
  absl::Time stored_at = absl::InfinitePast();
};

// Where someone stands who reads everything.
struct StreamPosition {
  uint64_t position = 0;
  // Which removal of results was the last that it knows of.
  uint64_t removal = 0;
};

struct AllChanges {
  std::vector<ActionChange> changes;
  // To go on from.
  StreamPosition next;
};

struct StoredRefusal {
  std::string action_id;
  v1::Refusal refusal;
};

// What became of a record.
struct Appended {
  // It was there already.
  bool duplicate = false;
  // Not OK: it was not stored and never will be; the agent may forget it.
  absl::Status dropped;
  // Dropped because an operation that hasn't ended brings more than its bounds: what
  // an honest agent does whose own limits are larger.
  bool over_bounds = false;
  // The pair's state after it; unspecified when there is no such pair.
  v1::DispatchState state = v1::DISPATCH_STATE_UNSPECIFIED;
  // The run of a sweep that it was stored for; empty: the record's action itself.
  std::string run_id;
  // The sweep whose counts it may have changed; empty: none.
  std::string sweep_id;
};

// Orders that are kept for one action, the newest.
inline constexpr int kOrdersKeptPerAction = 32;

// Refusals that are kept for one agent, the newest.
inline constexpr int kRefusalsKeptPerAgent = 1000;

class Store : public Coordination {
 public:
  using Done = std::function<void(absl::Status)>;
  using Appending = std::function<void(absl::StatusOr<Appended>)>;

  // ---- trust policies
  // AlreadyExists for a version that is there.
  virtual absl::Status AddTrustPolicy(const StoredTrustPolicy& policy) = 0;
  // In rising order of version.
  virtual absl::StatusOr<std::vector<StoredTrustPolicy>> TrustPolicies() = 0;

  // ---- enrolment
  virtual absl::Status AddToken(const StoredToken& token) = 0;
  // Only looks: Unauthenticated for a token that is not known, was revoked or has
  // expired at `now`; one that is used up is found. Costs no transaction, so it comes
  // before anything that does.
  virtual absl::StatusOr<StoredToken> FindToken(std::string_view sha256, absl::Time now) = 0;
  // The newest first. Without `all`: only those that may still let someone in at `now`.
  virtual absl::StatusOr<std::vector<StoredToken>> Tokens(bool all, absl::Time now, int limit) = 0;
  // By its TokenId. Gives how many agents it has let in; who waits with it is forgotten.
  // Again changes nothing. NotFound.
  virtual absl::StatusOr<uint32_t> RevokeToken(std::string_view token_id) = 0;
  // In one step: takes a use of the token, adds the agent and its certificate, and lets
  // it take the place of the one that the token replaces: with that one's labels (where
  // the token doesn't say otherwise), and that one is revoked, as by RevokeIdentity.
  // Unauthenticated: no such token, or expired at `now`, revoked or used up.
  // AlreadyExists: another key holds this id. PermissionDenied: it was revoked, or
  // the token needs approval and it was denied. Unavailable: it wasn't approved yet.
  // An agent that is known with the same key gets another certificate and takes no
  // further use, needs no approval and replaces no one: its first answer was lost, or
  // its certificate has expired.
  virtual absl::Status EnrolAgent(const Enrolment& enrolment, absl::Time now) = 0;
  // A host comes with a token that needs approval: it waits, if it didn't already. An id
  // has one request. While it waits or is approved, another key is refused; one with
  // another token waits anew, and so does another key once it was denied. Requests end
  // with their token. Errors as EnrolAgent; AlreadyExists also: another key waits under
  // this id. ResourceExhausted: too many wait.
  virtual absl::StatusOr<Admission> AskToEnrol(const StoredEnrolmentRequest& request,
                                               absl::Time now) = 0;
  // Of those that wait for an answer at `now`, the oldest first.
  virtual absl::StatusOr<std::vector<StoredEnrolmentRequest>> EnrolmentRequests(absl::Time now,
                                                                                int limit) = 0;
  virtual absl::StatusOr<uint64_t> CountEnrolmentRequests(absl::Time now) = 0;
  // `key_sha256`: lower-case hex of the SHA-256 of its spki. NotFound: it doesn't wait.
  // FailedPrecondition: with another key.
  virtual absl::Status DecideEnrolment(std::string_view agent_id, std::string_view key_sha256,
                                       bool approve, absl::Time now) = 0;
  // For renewals and for investigators. PermissionDenied for an agent that was revoked.
  virtual absl::Status AddCertificate(const StoredCertificate& certificate) = 0;
  virtual absl::StatusOr<std::optional<StoredCertificate>> FindCertificate(
      std::string_view fingerprint) = 0;
  // Of each identity the certificate that was issued last, those that aren't revoked and
  // are good after `after`, in order of identity.
  virtual absl::StatusOr<std::vector<StoredCertificate>> NewestCertificates(absl::Time after) = 0;
  // Revokes all its certificates; an agent gets no other one ever, a person may.
  // How many that weren't revoked before. NotFound: an identity without any.
  virtual absl::StatusOr<uint32_t> RevokeIdentity(std::string_view identity) = 0;

  // ---- agents
  // In order of id.
  virtual absl::StatusOr<std::vector<StoredAgent>> Agents() = 0;
  virtual absl::StatusOr<StoredAgent> FindAgent(std::string_view agent_id) = 0;
  // Soon.
  virtual void UpdateAgent(std::string_view agent_id, const AgentUpdate& update, Done done) = 0;

  // ---- actions
  // With a waiting pair for each agent, in one step, in which a proposal of this id
  // becomes launched. AlreadyExists for a known id, or a proposal of it with another
  // payload; FailedPrecondition for a proposal that was refused.
  // NotFound: no sweep `extra_run_of`.
  virtual absl::Status AddAction(const StoredAction& action,
                                 const std::vector<std::string>& agent_ids) = 0;
  virtual absl::StatusOr<StoredAction> FindAction(std::string_view action_id) = 0;
  // Ids that begin or end with `fragment`, at most `limit`. Of runs of sweeps, only
  // one that is it.
  virtual absl::StatusOr<std::vector<std::string>> MatchActions(std::string_view fragment,
                                                                int limit) = 0;
  // Newest first; those launched before the action `before`, if it isn't empty. Here
  // and below, runs of sweeps are none of them.
  virtual absl::StatusOr<std::vector<StoredAction>> ListActions(std::string_view before,
                                                                int limit) = 0;
  // Neither cancelled nor expired.
  virtual absl::StatusOr<std::vector<StoredAction>> ActiveActions(absl::Time now) = 0;
  // Waiting pairs become never sent. NotFound.
  virtual absl::Status CancelAction(std::string_view action_id) = 0;
  // Waiting pairs of expired actions become never sent; the actions concerned.
  virtual absl::StatusOr<std::vector<std::string>> CloseExpired(absl::Time now) = 0;

  // ---- proposals
  // In one step: forgets those that are closed and too old or too many, and adds
  // this one. AlreadyExists for an id that an action or a proposal has;
  // ResourceExhausted when too many are open at `now`.
  virtual absl::Status AddProposal(const StoredProposal& proposal, const ProposalBounds& bounds,
                                   absl::Time now) = 0;
  // Of one that is still as it was. FailedPrecondition when it isn't OPEN any more,
  // Aborted when its envelope isn't `before`; NotFound.
  virtual absl::Status SignProposal(std::string_view id, std::string_view before,
                                    std::string_view envelope) = 0;
  // FailedPrecondition when it isn't OPEN any more; NotFound.
  virtual absl::Status RefuseProposal(std::string_view id, std::string_view refusal,
                                      const std::vector<std::string>& refused_by,
                                      absl::Time now) = 0;
  virtual absl::StatusOr<StoredProposal> FindProposal(std::string_view id) = 0;
  // Newest first, one at a time: together they may be half a gigabyte. `visit` must
  // not come back to the store.
  virtual absl::Status ForEachProposal(const std::function<void(const StoredProposal&)>& visit) = 0;
  // As MatchActions.
  virtual absl::StatusOr<std::vector<std::string>> MatchProposals(std::string_view fragment,
                                                                  int limit) = 0;

  // ---- orders
  // With what is left of the action's dispatch after it, and if it `cancels`, as
  // CancelAction besides; in one step. The last one added is the newest, whatever
  // its id says. NotFound for an unknown action, AlreadyExists for a known id.
  virtual absl::Status AddOrder(const StoredOrder& order, const KeptDispatch& dispatch,
                                bool cancels) = 0;
  // About one action, oldest first.
  virtual absl::StatusOr<std::vector<StoredOrder>> Orders(std::string_view action_id) = 0;
  // The newest one of each action that hasn't expired at `expires_after`; its own
  // expiry says nothing: a pause that agents no longer take holds all the same.
  virtual absl::StatusOr<std::vector<StoredOrder>> OrdersInForce(absl::Time expires_after) = 0;
  // NotFound for an unknown action.
  virtual absl::Status SaveDispatch(std::string_view action_id, const KeptDispatch& dispatch) = 0;
  // What was saved last; the default if nothing was.
  virtual absl::StatusOr<KeptDispatch> FindDispatch(std::string_view action_id) = 0;

  // ---- pairs
  // Adds a waiting pair where there is none. NotFound for an unknown action or agent.
  virtual absl::Status AddPair(std::string_view action_id, std::string_view agent_id,
                               absl::Time now) = 0;
  virtual absl::StatusOr<std::optional<Pair>> FindPair(std::string_view action_id,
                                                       std::string_view agent_id) = 0;
  virtual absl::StatusOr<std::vector<PairState>> Pairs(std::string_view action_id) = 0;
  // All pairs for position 0. Costs what has changed, not what there is.
  virtual absl::StatusOr<ChangedPairs> PairsChangedAfter(std::string_view action_id,
                                                         uint64_t position) = 0;
  // The newest actions of one agent, newest first. NotFound.
  virtual absl::StatusOr<std::vector<AgentAction>> ActionsOf(std::string_view agent_id,
                                                             int limit) = 0;
  // Both soon: whether an agent has an action, it says itself when it is sent again.
  virtual void MarkSent(std::string_view action_id, std::vector<std::string> agent_ids,
                        Done done) = 0;
  virtual void MarkAccepted(std::string_view action_id, std::string_view agent_id, Done done) = 0;
  // Two hosts use this identity: of actions that haven't ended, what the agent has begun
  // ends incomplete. NotFound.
  virtual void MarkDoubted(std::string_view agent_id, Done done) = 0;

  // ---- records
  // Stores what this agent sends: rows and summaries of a pair, refusals of
  // anything. A record that may not be stored is dropped, with a note among the
  // agent's refusals; only a failure of the store itself is an error, after
  // which the same record may be sent again.
  //
  // A record with an occurrence is stored for the run of its sweep, which is made when
  // the first agent tells of it: an action of its own, whose id is "SWEEP@SECONDS".
  // `now` bounds which occurrences there may be. Verdicts on checks, in it or in an
  // extra run, are counted in the same step.
  virtual void AppendRecord(std::string_view agent_id, v1::ResultRecord record, absl::Time now,
                            Appending done) = 0;
  // The same for records that were read from a bus, and in the same transaction notes
  // up to where its partition is stored: what came twice from the bus is stored once.
  // Aborted when the partition isn't where `range` begins. `records` are in order. One
  // answer for each.
  using AppendingAll = std::function<void(absl::StatusOr<std::vector<Appended>>)>;
  virtual void AppendRecords(std::vector<AgentRecord> records, const std::optional<BusRange>& range,
                             AppendingAll done) = 0;
  // Bytes of records that wait to be committed: for flow control.
  virtual size_t PendingBytes() const = 0;

  // What happened to an action after `position`, in order, at most about
  // `max_bytes` (but at least one, if there is one). Of a pair only its last state.
  virtual absl::StatusOr<std::vector<Change>> ReadChanges(std::string_view action_id,
                                                          uint64_t position, size_t max_bytes) = 0;
  // Gives `reader` the rows of one operation that were stored after `position`, as
  // serialised v1::Rows and with a number (below 2^40) for the agent that they are
  // of, until about `max_bytes` were read; then where to go on. Nothing is left to
  // read when that is `position`. NotFound, or the reader's error.
  using RowsReader = std::function<absl::Status(uint64_t agent, std::string_view rows)>;
  virtual absl::StatusOr<uint64_t> ReadRows(std::string_view action_id, uint32_t operation,
                                            uint64_t position, size_t max_bytes,
                                            const RowsReader& reader) = 0;
  // ---- sweeps. NotFound for what is no sweep.
  // Newest first. Without `with_ended`: neither cancelled nor over at `now`.
  virtual absl::StatusOr<std::vector<StoredAction>> ListSweeps(bool with_ended, absl::Time now,
                                                               int limit) = 0;
  // As many as ListSweeps would give without its limit.
  virtual absl::StatusOr<uint64_t> CountSweeps(bool with_ended, absl::Time now) = 0;
  virtual absl::StatusOr<NewestCounts> CountNewest(std::string_view sweep_id) = 0;
  // By check's number; those that are missing at the end have no verdicts. Of the
  // newest verdicts for a sweep's id, of one run for the run's.
  virtual absl::StatusOr<std::vector<v1::VerdictCounts>> CountByCheck(
      std::string_view action_id) = 0;
  // By occurrence, newest first; those after `since`.
  virtual absl::StatusOr<std::vector<StoredRun>> Runs(std::string_view sweep_id, absl::Time since,
                                                      int limit) = 0;
  // In order of name and id.
  virtual absl::StatusOr<std::vector<SweepAgent>> SweepAgents(std::string_view sweep_id) = 0;
  // Silent are those that took it on by `silent_since` and have told of no run that was
  // due then or later; none when it isn't set.
  virtual absl::StatusOr<SweepAgentCounts> CountSweepAgents(
      std::string_view sweep_id, std::optional<absl::Time> silent_since) = 0;
  // Agents that have verdicts, by name and id.
  virtual absl::StatusOr<std::vector<std::string>> AgentsWithVerdicts(
      std::string_view sweep_id) = 0;
  // Of one agent, in order of the checks.
  virtual absl::StatusOr<std::vector<StoredVerdict>> NewestVerdicts(std::string_view sweep_id,
                                                                    std::string_view agent_id) = 0;
  // Newest first; those of runs after `since`, stored before the position `before` (0:
  // all).
  virtual absl::StatusOr<std::vector<StoredSweepChange>> SweepChanges(std::string_view sweep_id,
                                                                      absl::Time since,
                                                                      uint64_t before,
                                                                      int limit) = 0;

  // ---- everything, of all actions
  // Tells this store from every other one, and from what it was before it was
  // restored: positions of one mean nothing in another.
  virtual absl::StatusOr<uint64_t> StreamIdentity() = 0;
  // The oldest that is kept, and the newest that is there.
  virtual absl::StatusOr<StreamPosition> StreamBegin() = 0;
  virtual absl::StatusOr<StreamPosition> StreamEnd() = 0;
  // As ReadChanges, of all actions in one order. FailedPrecondition when retention
  // has removed something behind `after` that its reader doesn't know of.
  virtual absl::StatusOr<AllChanges> ReadAllChanges(const StreamPosition& after,
                                                    size_t max_bytes) = 0;

  // Of one agent, latest first.
  virtual absl::StatusOr<std::vector<StoredRefusal>> Refusals(std::string_view agent_id,
                                                              int limit) = 0;
};

}  // namespace dragnet::scheduler
