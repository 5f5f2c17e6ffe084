// What several schedulers of one process see of one database: each a SharedStore of its
// own, which can be cut off from it. Tests only.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/store/store.h"

namespace dragnet::scheduler {

class SharedStore final : public Store {
 public:
  // `database` outlives it.
  explicit SharedStore(Store& database) : database_(database) {}
  // Calls back last before it goes.
  ~SharedStore() override {
    std::unique_lock lock(mutex_);
    called_back_.wait(lock, [this] { return pending_ == 0; });
  }
  // Can't be reached, until it can again.
  void Cut(bool cut) { cut_ = cut; }

  absl::Status AddTrustPolicy(const StoredTrustPolicy& policy) override {
    if (cut_) return Gone();
    return database_.AddTrustPolicy(policy);
  }
  absl::StatusOr<std::vector<StoredTrustPolicy>> TrustPolicies() override {
    if (cut_) return Gone();
    return database_.TrustPolicies();
  }
  absl::Status AddToken(const StoredToken& token) override {
    if (cut_) return Gone();
    return database_.AddToken(token);
  }
  absl::StatusOr<StoredToken> FindToken(std::string_view sha256, absl::Time now) override {
    if (cut_) return Gone();
    return database_.FindToken(sha256, now);
  }
  absl::StatusOr<std::vector<StoredToken>> Tokens(bool all, absl::Time now, int limit) override {
    if (cut_) return Gone();
    return database_.Tokens(all, now, limit);
  }
  absl::StatusOr<uint32_t> RevokeToken(std::string_view token_id) override {
    if (cut_) return Gone();
    return database_.RevokeToken(token_id);
  }
  absl::Status EnrolAgent(const Enrolment& enrolment, absl::Time now) override {
    if (cut_) return Gone();
    return database_.EnrolAgent(enrolment, now);
  }
  absl::StatusOr<Admission> AskToEnrol(const StoredEnrolmentRequest& request,
                                       absl::Time now) override {
    if (cut_) return Gone();
    return database_.AskToEnrol(request, now);
  }
  absl::StatusOr<std::vector<StoredEnrolmentRequest>> EnrolmentRequests(absl::Time now,
                                                                        int limit) override {
    if (cut_) return Gone();
    return database_.EnrolmentRequests(now, limit);
  }
  absl::StatusOr<uint64_t> CountEnrolmentRequests(absl::Time now) override {
    if (cut_) return Gone();
    return database_.CountEnrolmentRequests(now);
  }
  absl::Status DecideEnrolment(std::string_view agent_id, std::string_view key_sha256, bool approve,
                               absl::Time now) override {
    if (cut_) return Gone();
    return database_.DecideEnrolment(agent_id, key_sha256, approve, now);
  }
  absl::Status AddCertificate(const StoredCertificate& certificate) override {
    if (cut_) return Gone();
    return database_.AddCertificate(certificate);
  }
  absl::StatusOr<std::optional<StoredCertificate>> FindCertificate(
      std::string_view fingerprint) override {
    if (cut_) return Gone();
    return database_.FindCertificate(fingerprint);
  }
  absl::StatusOr<std::vector<StoredCertificate>> NewestCertificates(absl::Time after) override {
    if (cut_) return Gone();
    return database_.NewestCertificates(after);
  }
  absl::StatusOr<uint32_t> RevokeIdentity(std::string_view identity) override {
    if (cut_) return Gone();
    return database_.RevokeIdentity(identity);
  }
  absl::StatusOr<std::vector<StoredAgent>> Agents() override {
    if (cut_) return Gone();
    return database_.Agents();
  }
  absl::StatusOr<StoredAgent> FindAgent(std::string_view agent_id) override {
    if (cut_) return Gone();
    return database_.FindAgent(agent_id);
  }
  void UpdateAgent(std::string_view agent_id, const AgentUpdate& update, Done done) override {
    if (cut_) return done(Gone());
    database_.UpdateAgent(agent_id, update, Counted(std::move(done)));
  }
  absl::Status AddAction(const StoredAction& action,
                         const std::vector<std::string>& agent_ids) override {
    if (cut_) return Gone();
    return database_.AddAction(action, agent_ids);
  }
  absl::StatusOr<StoredAction> FindAction(std::string_view action_id) override {
    if (cut_) return Gone();
    return database_.FindAction(action_id);
  }
  absl::StatusOr<std::vector<std::string>> MatchActions(std::string_view fragment,
                                                        int limit) override {
    if (cut_) return Gone();
    return database_.MatchActions(fragment, limit);
  }
  absl::StatusOr<std::vector<StoredAction>> ListActions(std::string_view before,
                                                        int limit) override {
    if (cut_) return Gone();
    return database_.ListActions(before, limit);
  }
  absl::StatusOr<std::vector<StoredAction>> ActiveActions(absl::Time now) override {
    if (cut_) return Gone();
    return database_.ActiveActions(now);
  }
  absl::Status CancelAction(std::string_view action_id) override {
    if (cut_) return Gone();
    return database_.CancelAction(action_id);
  }
  absl::StatusOr<std::vector<std::string>> CloseExpired(absl::Time now) override {
    if (cut_) return Gone();
    return database_.CloseExpired(now);
  }
  absl::Status AddProposal(const StoredProposal& proposal, const ProposalBounds& bounds,
                           absl::Time now) override {
    if (cut_) return Gone();
    return database_.AddProposal(proposal, bounds, now);
  }
  absl::Status SignProposal(std::string_view id, std::string_view before,
                            std::string_view envelope) override {
    if (cut_) return Gone();
    return database_.SignProposal(id, before, envelope);
  }
  absl::Status RefuseProposal(std::string_view id, std::string_view refusal,
                              const std::vector<std::string>& refused_by, absl::Time now) override {
    if (cut_) return Gone();
    return database_.RefuseProposal(id, refusal, refused_by, now);
  }
  absl::StatusOr<StoredProposal> FindProposal(std::string_view id) override {
    if (cut_) return Gone();
    return database_.FindProposal(id);
  }
  absl::Status ForEachProposal(const std::function<void(const StoredProposal&)>& visit) override {
    if (cut_) return Gone();
    return database_.ForEachProposal(visit);
  }
  absl::StatusOr<std::vector<std::string>> MatchProposals(std::string_view fragment,
                                                          int limit) override {
    if (cut_) return Gone();
    return database_.MatchProposals(fragment, limit);
  }
  absl::Status AddOrder(const StoredOrder& order, const KeptDispatch& dispatch,
                        bool cancels) override {
    if (cut_) return Gone();
    return database_.AddOrder(order, dispatch, cancels);
  }
  absl::StatusOr<std::vector<StoredOrder>> Orders(std::string_view action_id) override {
    if (cut_) return Gone();
    return database_.Orders(action_id);
  }
  absl::StatusOr<std::vector<StoredOrder>> OrdersInForce(absl::Time expires_after) override {
    if (cut_) return Gone();
    return database_.OrdersInForce(expires_after);
  }
  absl::Status SaveDispatch(std::string_view action_id, const KeptDispatch& dispatch) override {
    if (cut_) return Gone();
    return database_.SaveDispatch(action_id, dispatch);
  }
  absl::StatusOr<KeptDispatch> FindDispatch(std::string_view action_id) override {
    if (cut_) return Gone();
    return database_.FindDispatch(action_id);
  }
  absl::Status AddPair(std::string_view action_id, std::string_view agent_id,
                       absl::Time now) override {
    if (cut_) return Gone();
    return database_.AddPair(action_id, agent_id, now);
  }
  absl::StatusOr<std::optional<Pair>> FindPair(std::string_view action_id,
                                               std::string_view agent_id) override {
    if (cut_) return Gone();
    return database_.FindPair(action_id, agent_id);
  }
  absl::StatusOr<std::vector<PairState>> Pairs(std::string_view action_id) override {
    if (cut_) return Gone();
    return database_.Pairs(action_id);
  }
  absl::StatusOr<ChangedPairs> PairsChangedAfter(std::string_view action_id,
                                                 uint64_t position) override {
    if (cut_) return Gone();
    return database_.PairsChangedAfter(action_id, position);
  }
  absl::StatusOr<std::vector<AgentAction>> ActionsOf(std::string_view agent_id,
                                                     int limit) override {
    if (cut_) return Gone();
    return database_.ActionsOf(agent_id, limit);
  }
  void MarkSent(std::string_view action_id, std::vector<std::string> agent_ids,
                Done done) override {
    if (cut_) return done(Gone());
    database_.MarkSent(action_id, std::move(agent_ids), Counted(std::move(done)));
  }
  void MarkAccepted(std::string_view action_id, std::string_view agent_id, Done done) override {
    if (cut_) return done(Gone());
    database_.MarkAccepted(action_id, agent_id, Counted(std::move(done)));
  }
  void MarkDoubted(std::string_view agent_id, Done done) override {
    if (cut_) return done(Gone());
    database_.MarkDoubted(agent_id, Counted(std::move(done)));
  }
  void AppendRecord(std::string_view agent_id, v1::ResultRecord record, absl::Time now,
                    Appending done) override {
    if (cut_) return done(Gone());
    database_.AppendRecord(agent_id, std::move(record), now, Counted(std::move(done)));
  }
  void AppendRecords(std::vector<AgentRecord> records, const std::optional<BusRange>& range,
                     AppendingAll done) override {
    if (cut_) return done(Gone());
    database_.AppendRecords(std::move(records), range, Counted(std::move(done)));
  }
  size_t PendingBytes() const override { return database_.PendingBytes(); }
  absl::StatusOr<std::vector<Change>> ReadChanges(std::string_view action_id, uint64_t position,
                                                  size_t max_bytes) override {
    if (cut_) return Gone();
    return database_.ReadChanges(action_id, position, max_bytes);
  }
  absl::StatusOr<uint64_t> ReadRows(std::string_view action_id, uint32_t operation,
                                    uint64_t position, size_t max_bytes,
                                    const RowsReader& reader) override {
    if (cut_) return Gone();
    return database_.ReadRows(action_id, operation, position, max_bytes, reader);
  }
  absl::StatusOr<std::vector<StoredAction>> ListSweeps(bool with_ended, absl::Time now,
                                                       int limit) override {
    if (cut_) return Gone();
    return database_.ListSweeps(with_ended, now, limit);
  }
  absl::StatusOr<uint64_t> CountSweeps(bool with_ended, absl::Time now) override {
    if (cut_) return Gone();
    return database_.CountSweeps(with_ended, now);
  }
  absl::StatusOr<NewestCounts> CountNewest(std::string_view sweep_id) override {
    if (cut_) return Gone();
    return database_.CountNewest(sweep_id);
  }
  absl::StatusOr<std::vector<v1::VerdictCounts>> CountByCheck(std::string_view action_id) override {
    if (cut_) return Gone();
    return database_.CountByCheck(action_id);
  }
  absl::StatusOr<std::vector<StoredRun>> Runs(std::string_view sweep_id, absl::Time since,
                                              int limit) override {
    if (cut_) return Gone();
    return database_.Runs(sweep_id, since, limit);
  }
  absl::StatusOr<std::vector<SweepAgent>> SweepAgents(std::string_view sweep_id) override {
    if (cut_) return Gone();
    return database_.SweepAgents(sweep_id);
  }
  absl::StatusOr<SweepAgentCounts> CountSweepAgents(
      std::string_view sweep_id, std::optional<absl::Time> silent_since) override {
    if (cut_) return Gone();
    return database_.CountSweepAgents(sweep_id, silent_since);
  }
  absl::StatusOr<std::vector<std::string>> AgentsWithVerdicts(std::string_view sweep_id) override {
    if (cut_) return Gone();
    return database_.AgentsWithVerdicts(sweep_id);
  }
  absl::StatusOr<std::vector<StoredVerdict>> NewestVerdicts(std::string_view sweep_id,
                                                            std::string_view agent_id) override {
    if (cut_) return Gone();
    return database_.NewestVerdicts(sweep_id, agent_id);
  }
  absl::StatusOr<std::vector<StoredSweepChange>> SweepChanges(std::string_view sweep_id,
                                                              absl::Time since, uint64_t before,
                                                              int limit) override {
    if (cut_) return Gone();
    return database_.SweepChanges(sweep_id, since, before, limit);
  }
  absl::StatusOr<uint64_t> StreamIdentity() override {
    if (cut_) return Gone();
    return database_.StreamIdentity();
  }
  absl::StatusOr<StreamPosition> StreamBegin() override {
    if (cut_) return Gone();
    return database_.StreamBegin();
  }
  absl::StatusOr<StreamPosition> StreamEnd() override {
    if (cut_) return Gone();
    return database_.StreamEnd();
  }
  absl::StatusOr<AllChanges> ReadAllChanges(const StreamPosition& after,
                                            size_t max_bytes) override {
    if (cut_) return Gone();
    return database_.ReadAllChanges(after, max_bytes);
  }
  absl::StatusOr<std::vector<StoredRefusal>> Refusals(std::string_view agent_id,
                                                      int limit) override {
    if (cut_) return Gone();
    return database_.Refusals(agent_id, limit);
  }
  absl::StatusOr<Lease> TakeLease(std::string_view name, std::string_view holder,
                                  absl::Duration lifetime) override {
    if (cut_) return Gone();
    return database_.TakeLease(name, holder, lifetime);
  }
  absl::Status GiveUpLease(std::string_view name, std::string_view holder) override {
    if (cut_) return Gone();
    return database_.GiveUpLease(name, holder);
  }
  absl::StatusOr<std::map<std::string, Lease>> Leases(std::string_view prefix) override {
    if (cut_) return Gone();
    return database_.Leases(prefix);
  }
  absl::StatusOr<std::vector<Claimed>> ClaimSessions(
      std::string_view scheduler, const std::vector<SessionClaim>& claims) override {
    if (cut_) return Gone();
    return database_.ClaimSessions(scheduler, claims);
  }
  absl::Status ReleaseSessions(const std::vector<StoredSession>& sessions) override {
    if (cut_) return Gone();
    return database_.ReleaseSessions(sessions);
  }
  absl::StatusOr<std::vector<std::string>> LostSessions(
      const std::vector<StoredSession>& sessions) override {
    if (cut_) return Gone();
    return database_.LostSessions(sessions);
  }
  absl::Status ReleaseAllSessions(std::string_view scheduler) override {
    if (cut_) return Gone();
    return database_.ReleaseAllSessions(scheduler);
  }
  absl::StatusOr<std::vector<StoredSession>> Sessions() override {
    if (cut_) return Gone();
    return database_.Sessions();
  }
  absl::StatusOr<std::vector<v1::Notice>> Outbox(int limit) override {
    if (cut_) return Gone();
    return database_.Outbox(limit);
  }
  absl::Status ForgetOutbox(const std::vector<uint64_t>& ids) override {
    if (cut_) return Gone();
    return database_.ForgetOutbox(ids);
  }
  absl::StatusOr<std::vector<Revocation>> RevocationsAfter(uint64_t no) override {
    if (cut_) return Gone();
    return database_.RevocationsAfter(no);
  }
  absl::StatusOr<uint64_t> LastRevocation() override {
    if (cut_) return Gone();
    return database_.LastRevocation();
  }
  absl::StatusOr<uint64_t> BusPosition(uint32_t partition) override {
    if (cut_) return Gone();
    return database_.BusPosition(partition);
  }

 private:
  static absl::Status Gone() { return absl::UnavailableError("the store is cut off"); }

  template <typename Argument>
  std::function<void(Argument)> Counted(std::function<void(Argument)> done) {
    {
      const std::lock_guard lock(mutex_);
      ++pending_;
    }
    return [this, done = std::move(done)](Argument argument) {
      done(std::move(argument));
      const std::lock_guard lock(mutex_);
      if (--pending_ == 0) called_back_.notify_all();
    };
  }

  Store& database_;
  std::atomic<bool> cut_ = false;
  std::mutex mutex_;
  std::condition_variable called_back_;
  int pending_ = 0;
};

}  // namespace dragnet::scheduler
