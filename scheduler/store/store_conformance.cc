#include "scheduler/store/store_conformance.h"

#include <atomic>
#include <future>
#include <vector>

#include "core/envelope.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/uuid.h"

namespace dragnet::scheduler {
namespace {

constexpr char kAction[] = "0190a000-0000-7000-8000-000000000001";
constexpr char kOther[] = "0190a000-0000-7000-8000-0000000000ff";

std::string IdentityOf(const std::string& agent) { return "spiffe://fleet/agent/" + agent; }

Enrolment EnrolmentOf(const std::string& agent, const std::string& token,
                      const std::string& key = "key") {
  Enrolment enrolment;
  enrolment.agent_id = agent;
  enrolment.spki = key;
  enrolment.token_sha256 = Sha256(token);
  enrolment.facts.set_id(agent);
  enrolment.facts.set_name("host-" + agent.substr(0, 4));
  enrolment.certificate.fingerprint = NewUuidV4();
  enrolment.certificate.identity = IdentityOf(agent);
  return enrolment;
}

v1::ResultRecord RowsRecord(uint64_t sequence, int rows, std::string_view action = kAction) {
  v1::ResultRecord record;
  record.set_action_id(std::string(action));
  record.set_sequence(sequence);
  for (int i = 0; i < rows; ++i) record.mutable_rows()->add_rows(StrCat("row ", i));
  return record;
}

v1::ResultRecord SummaryRecord(uint64_t sequence, v1::Outcome outcome, uint64_t rows) {
  v1::ResultRecord record;
  record.set_action_id(kAction);
  record.set_sequence(sequence);
  record.mutable_summary()->set_outcome(outcome);
  record.mutable_summary()->set_termination(v1::TERMINATION_COMPLETED);
  record.mutable_summary()->set_rows(rows);
  return record;
}

v1::ResultRecord RefusalRecord(std::string_view action, v1::Refusal::Reason reason,
                               std::string_view sha256 = "") {
  v1::ResultRecord record;
  record.set_action_id(std::string(action));
  record.mutable_refusal()->set_reason(reason);
  record.mutable_refusal()->set_envelope_sha256(std::string(sha256));
  return record;
}

}  // namespace

void StoreConformance::SetUp() {
  fixture_ = GetParam()();
  store_ = fixture_->Open(/*shared=*/false);
}

void StoreConformance::Reopen() {
  store_.reset();
  store_ = fixture_->Open(/*shared=*/false);
}

std::string StoreConformance::AddAgent(char digit) {
  const std::string id = std::string(8, digit) + "-0000-4000-8000-000000000000";
  StoredToken token;
  token.sha256 = Sha256(StrCat("token of ", id));
  token.expires = now_ + absl::Hours(1);
  token.uses_left = 1;
  EXPECT_TRUE(store_->AddToken(token).ok());
  const absl::Status status = store_->EnrolAgent(EnrolmentOf(id, StrCat("token of ", id)), now_);
  EXPECT_TRUE(status.ok()) << status;
  return id;
}

StoredAction StoreConformance::NewAction(std::string_view id, size_t operations) const {
  StoredAction action;
  action.id = std::string(id);
  action.envelope = StrCat("envelope of ", id);
  action.launched_by = "alice";
  action.signed_by = {"alice", "bob"};
  action.launched_at = now_;
  action.expires = now_ + absl::Minutes(5);
  action.bounds.assign(operations, {.rows = 1000, .bytes = 1 << 20});
  return action;
}

absl::StatusOr<Appended> StoreConformance::Append(const std::string& agent,
                                                  v1::ResultRecord record) {
  std::promise<void> done;
  absl::StatusOr<Appended> result;
  store_->AppendRecord(agent, std::move(record), now_, [&](absl::StatusOr<Appended> appended) {
    result = std::move(appended);
    done.set_value();
  });
  done.get_future().wait();
  return result;
}

void StoreConformance::MarkSent(const std::string& action, const std::string& agent) {
  std::promise<void> done;
  store_->MarkSent(action, {agent}, [&](absl::Status status) {
    EXPECT_TRUE(status.ok()) << status;
    done.set_value();
  });
  done.get_future().wait();
}

void StoreConformance::MarkAccepted(const std::string& action, const std::string& agent) {
  std::promise<void> done;
  store_->MarkAccepted(action, agent, [&](absl::Status status) {
    EXPECT_TRUE(status.ok()) << status;
    done.set_value();
  });
  done.get_future().wait();
}

Pair StoreConformance::FindPair(const std::string& action, const std::string& agent) {
  absl::StatusOr<std::optional<Pair>> pair = store_->FindPair(action, agent);
  EXPECT_TRUE(pair.ok() && pair->has_value());
  return pair.ok() && pair->has_value() ? **pair : Pair();
}

TEST_P(StoreConformance, TrustPoliciesComeInOrderAndOnlyOnce) {
  ASSERT_TRUE(store_->AddTrustPolicy({.version = 2, .envelope = "b"}).ok());
  ASSERT_TRUE(store_->AddTrustPolicy({.version = 1, .envelope = "a"}).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(store_->AddTrustPolicy({.version = 2, .envelope = "c"})));
  Reopen();
  const auto policies = store_->TrustPolicies();
  ASSERT_EQ(policies->size(), 2u);
  EXPECT_EQ(policies->at(0).envelope, "a");
  EXPECT_EQ(policies->at(1).envelope, "b");
}

TEST_P(StoreConformance, TokenEnrolsAsManyAgentsAsItHasUses) {
  StoredToken token;
  token.sha256 = Sha256("token");
  token.expires = now_ + absl::Hours(1);
  token.uses_left = 2;
  token.labels = {{"site", "berlin"}};
  ASSERT_TRUE(store_->AddToken(token).ok());
  const std::string a = NewUuidV4(), b = NewUuidV4(), c = NewUuidV4();
  EXPECT_TRUE(store_->EnrolAgent(EnrolmentOf(a, "token"), now_).ok());
  EXPECT_TRUE(store_->EnrolAgent(EnrolmentOf(b, "token"), now_).ok());
  EXPECT_TRUE(absl::IsUnauthenticated(store_->EnrolAgent(EnrolmentOf(c, "token"), now_)));
  EXPECT_TRUE(absl::IsNotFound(store_->FindAgent(c).status()));
  EXPECT_EQ(store_->FindAgent(a)->labels.at("site"), "berlin");
  // The answer was lost: the same agent may ask again, though no use is left.
  EXPECT_TRUE(store_->EnrolAgent(EnrolmentOf(a, "token"), now_).ok());
}

TEST_P(StoreConformance, UnknownAndExpiredTokensEnrolNoOne) {
  StoredToken token;
  token.sha256 = Sha256("token");
  token.expires = now_ + absl::Hours(1);
  token.uses_left = 1;
  ASSERT_TRUE(store_->AddToken(token).ok());
  const std::string id = NewUuidV4();
  EXPECT_TRUE(absl::IsUnauthenticated(store_->EnrolAgent(EnrolmentOf(id, "other"), now_)));
  EXPECT_TRUE(
      absl::IsUnauthenticated(store_->EnrolAgent(EnrolmentOf(id, "token"), now_ + absl::Hours(2))));
  EXPECT_TRUE(store_->Agents()->empty());
}

TEST_P(StoreConformance, AnotherKeyCanNotTakeAnAgentsId) {
  const std::string agent = AddAgent('1');
  StoredToken token;
  token.sha256 = Sha256("token");
  token.expires = now_ + absl::Hours(1);
  token.uses_left = 10;
  ASSERT_TRUE(store_->AddToken(token).ok());
  EXPECT_TRUE(
      absl::IsAlreadyExists(store_->EnrolAgent(EnrolmentOf(agent, "token", "another key"), now_)));
}

TEST_P(StoreConformance, RevokedAgentGetsNoCertificateAgain) {
  const std::string agent = AddAgent('1');
  StoredCertificate second;
  second.fingerprint = "second";
  second.identity = IdentityOf(agent);
  ASSERT_TRUE(store_->AddCertificate(second).ok());
  EXPECT_EQ(*store_->RevokeIdentity(IdentityOf(agent)), 2u);
  EXPECT_EQ(*store_->RevokeIdentity(IdentityOf(agent)), 0u);
  Reopen();
  EXPECT_TRUE((*store_->FindCertificate("second"))->revoked);
  EXPECT_TRUE(store_->FindAgent(agent)->revoked);
  second.fingerprint = "third";
  EXPECT_TRUE(absl::IsPermissionDenied(store_->AddCertificate(second)));
  EXPECT_TRUE(absl::IsPermissionDenied(
      store_->EnrolAgent(EnrolmentOf(agent, StrCat("token of ", agent)), now_)));
  EXPECT_TRUE(absl::IsNotFound(store_->RevokeIdentity("spiffe://fleet/agent/none").status()));
  EXPECT_FALSE(store_->FindCertificate("none")->has_value());
}

TEST_P(StoreConformance, AgentsKeepWhatIsUpdated) {
  const std::string agent = AddAgent('1');
  AgentUpdate update;
  update.facts.emplace().set_id(agent);
  update.facts->set_name("new name");
  update.last_seen = now_ + absl::Seconds(5);
  update.trust_policy_version = 7;
  update.missing_walls = {"no seccomp", "no landlock"};
  update.limits = {"privacy mode", "memory: 1 MiB"};
  std::promise<void> done;
  store_->UpdateAgent(agent, update, [&](absl::Status status) {
    EXPECT_TRUE(status.ok()) << status;
    done.set_value();
  });
  done.get_future().wait();
  const StoredAgent stored = *store_->FindAgent(agent);
  EXPECT_EQ(stored.facts.name(), "new name");
  EXPECT_EQ(stored.last_seen, now_ + absl::Seconds(5));
  EXPECT_EQ(stored.trust_policy_version, 7u);
  EXPECT_EQ(stored.missing_walls.size(), 2u);
  EXPECT_EQ(stored.limits, (std::vector<std::string>{"privacy mode", "memory: 1 MiB"}));
  EXPECT_EQ(stored.enrolled_at, now_);
}

TEST_P(StoreConformance, ActionAndItsPairsAreAddedTogetherOrNotAtAll) {
  const std::string agent = AddAgent('1');
  EXPECT_FALSE(store_->AddAction(NewAction(kAction), {agent, NewUuidV4()}).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->FindAction(kAction).status()));
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {agent}).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(store_->AddAction(NewAction(kAction), {agent})));
  Reopen();
  const StoredAction action = *store_->FindAction(kAction);
  EXPECT_EQ(action.envelope, NewAction(kAction).envelope);
  EXPECT_EQ(action.signed_by, (std::vector<std::string>{"alice", "bob"}));
  ASSERT_EQ(store_->Pairs(kAction)->size(), 1u);
  EXPECT_EQ(store_->Pairs(kAction)->at(0).state, v1::DISPATCH_STATE_WAITING);
}

TEST_P(StoreConformance, ActionsAreFoundByBothEndsOfTheirId) {
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {}).ok());
  ASSERT_TRUE(store_->AddAction(NewAction(kOther), {}).ok());
  EXPECT_EQ(store_->MatchActions("0190a", 9)->size(), 2u);
  EXPECT_EQ(store_->MatchActions("00ff", 9)->size(), 1u);
  EXPECT_EQ(store_->MatchActions("0190a", 1)->size(), 1u);
  EXPECT_TRUE(store_->MatchActions("%", 9)->empty());
}

TEST_P(StoreConformance, ActionsAreListedNewestFirstInPages) {
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {}).ok());
  ASSERT_TRUE(store_->AddAction(NewAction(kOther), {}).ok());
  const auto first = store_->ListActions("", 1);
  ASSERT_EQ(first->size(), 1u);
  EXPECT_EQ(first->at(0).id, kOther);
  const auto second = store_->ListActions(kOther, 10);
  ASSERT_EQ(second->size(), 1u);
  EXPECT_EQ(second->at(0).id, kAction);
}

TEST_P(StoreConformance, ExpiredAndCancelledActionsAreNotActiveAndWhatWaitsIsNeverSent) {
  const std::string a = AddAgent('1'), b = AddAgent('2');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {a, b}).ok());
  ASSERT_TRUE(store_->AddAction(NewAction(kOther), {a}).ok());
  MarkSent(kAction, a);
  EXPECT_EQ(store_->ActiveActions(now_)->size(), 2u);
  EXPECT_TRUE(store_->CloseExpired(now_)->empty());
  ASSERT_TRUE(store_->CancelAction(kOther).ok());
  EXPECT_EQ(store_->ActiveActions(now_)->size(), 1u);
  EXPECT_EQ(FindPair(kOther, a).state, v1::DISPATCH_STATE_NEVER_SENT);
  const auto closed = store_->CloseExpired(now_ + absl::Hours(1));
  EXPECT_EQ(*closed, std::vector<std::string>{kAction});
  EXPECT_EQ(FindPair(kAction, a).state, v1::DISPATCH_STATE_SENT);
  EXPECT_EQ(FindPair(kAction, b).state, v1::DISPATCH_STATE_NEVER_SENT);
  EXPECT_TRUE(absl::IsNotFound(store_->CancelAction(NewUuidV4())));
}

TEST_P(StoreConformance, OrdersStayWithTheNewestLastWhileTheirActionHasNotExpired) {
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {}).ok());
  ASSERT_TRUE(store_->AddAction(NewAction(kOther), {}).ok());
  const auto order = [&](const std::string& id, const std::string& action) {
    return StoredOrder{.id = id,
                       .action_id = action,
                       .envelope = StrCat("envelope of ", id),
                       .signed_by = {"alice", "bob"},
                       .expires = now_ + absl::Seconds(1)};
  };
  KeptDispatch stopped;
  stopped.stopped = true;
  stopped.reason = "why";
  stopped.canaries = 3;
  stopped.ended_before = 20;
  stopped.failed_before = 7;
  EXPECT_TRUE(store_->AddOrder(order("1", kAction), {}, false).ok());
  EXPECT_TRUE(store_->AddOrder(order("3", kAction), stopped, false).ok());
  EXPECT_TRUE(store_->AddOrder(order("2", kOther), {}, false).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(store_->AddOrder(order("3", kAction), {}, false)));
  EXPECT_TRUE(absl::IsNotFound(store_->AddOrder(order("4", NewUuidV4()), {}, false)));
  Reopen();
  const auto orders = *store_->Orders(kAction);
  ASSERT_EQ(orders.size(), 2u);
  EXPECT_EQ(orders[0].id, "1");
  EXPECT_EQ(orders[1].envelope, "envelope of 3");
  EXPECT_EQ(orders[1].action_id, kAction);
  EXPECT_EQ(orders[1].signed_by, (std::vector<std::string>{"alice", "bob"}));
  EXPECT_EQ(orders[1].expires, now_ + absl::Seconds(1));
  const absl::Time action_expires = store_->FindAction(kAction)->expires;
  ASSERT_GT(action_expires, now_ + absl::Seconds(1)) << "later than its orders";
  const auto in_force = *store_->OrdersInForce(action_expires);
  ASSERT_EQ(in_force.size(), 2u);
  EXPECT_EQ(in_force[0].id, "3");
  EXPECT_EQ(in_force[1].id, "2");
  EXPECT_TRUE(store_->OrdersInForce(action_expires + absl::Seconds(1))->empty());
  EXPECT_EQ(*store_->FindDispatch(kAction), stopped);
  EXPECT_EQ(*store_->FindDispatch(kOther), KeptDispatch());
  ASSERT_TRUE(store_->SaveDispatch(kAction, {}).ok());
  EXPECT_EQ(*store_->FindDispatch(kAction), KeptDispatch());
}

TEST_P(StoreConformance, ACancellationIsTheNewestOrderAndCancelsInOneStep) {
  const std::string a = AddAgent('1'), b = AddAgent('2');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {a, b}).ok());
  MarkSent(kAction, a);
  const auto order = [&](const std::string& id) {
    return StoredOrder{.id = id,
                       .action_id = kAction,
                       .envelope = id,
                       .signed_by = {},
                       .expires = now_ + absl::Hours(1)};
  };
  ASSERT_TRUE(store_->AddOrder(order("from the future"), {}, false).ok());
  ASSERT_TRUE(store_->AddOrder(order("cancel"), {}, true).ok());
  Reopen();
  EXPECT_TRUE(store_->FindAction(kAction)->cancelled);
  EXPECT_EQ(FindPair(kAction, a).state, v1::DISPATCH_STATE_SENT);
  EXPECT_EQ(FindPair(kAction, b).state, v1::DISPATCH_STATE_NEVER_SENT);
  EXPECT_EQ(store_->Orders(kAction)->back().id, "cancel");
  ASSERT_EQ(store_->OrdersInForce(now_)->size(), 1u);
  EXPECT_EQ(store_->OrdersInForce(now_)->front().id, "cancel");
  // What isn't stored as a whole isn't stored at all.
  ASSERT_TRUE(store_->AddAction(NewAction(kOther), {b}).ok());
  StoredOrder again = order("cancel");
  again.action_id = kOther;
  EXPECT_TRUE(absl::IsAlreadyExists(store_->AddOrder(again, {}, true)));
  EXPECT_FALSE(store_->FindAction(kOther)->cancelled);
  EXPECT_EQ(FindPair(kOther, b).state, v1::DISPATCH_STATE_WAITING);
}

TEST_P(StoreConformance, OfAnActionOnlyTheNewestOrdersAreKept) {
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {}).ok());
  for (int i = 0; i < kOrdersKeptPerAction + 5; ++i)
    ASSERT_TRUE(store_
                    ->AddOrder({.id = StrCat(100 + i),
                                .action_id = kAction,
                                .envelope = "e",
                                .signed_by = {},
                                .expires = now_ + absl::Hours(1)},
                               {}, false)
                    .ok());
  const auto orders = *store_->Orders(kAction);
  ASSERT_EQ(orders.size(), static_cast<size_t>(kOrdersKeptPerAction));
  EXPECT_EQ(orders.front().id, "105");
}

TEST_P(StoreConformance, RecordsAreStoredOnceHoweverOftenTheyAreSent) {
  const std::string agent = AddAgent('1');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {agent}).ok());
  MarkSent(kAction, agent);
  for (int round = 0; round < 3; ++round) {
    for (const v1::ResultRecord& record :
         {RowsRecord(1, 2), RowsRecord(2, 1), SummaryRecord(3, v1::OUTCOME_FOUND, 3)}) {
      const auto appended = Append(agent, record);
      ASSERT_TRUE(appended.ok()) << appended.status();
      EXPECT_TRUE(appended->dropped.ok()) << appended->dropped;
      EXPECT_EQ(appended->duplicate, round > 0);
    }
    Reopen();
  }
  const Pair pair = FindPair(kAction, agent);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(pair.rows(), 3u);
  EXPECT_EQ(store_->Pairs(kAction)->at(0).rows, 3u);
  EXPECT_TRUE(store_->Refusals(agent, 10)->empty());
}

TEST_P(StoreConformance, RecordsThatComeLateAreStoredOnce) {
  const std::string agent = AddAgent('1');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {agent}).ok());
  for (const bool again : {false, true}) {
    for (const uint64_t sequence : {1, 5, 3, 2}) {
      const auto appended = Append(agent, RowsRecord(sequence, 1));
      ASSERT_TRUE(appended.ok() && appended->dropped.ok());
      EXPECT_EQ(appended->duplicate, again) << sequence;
      Reopen();
    }
  }
  EXPECT_EQ(FindPair(kAction, agent).rows(), 4u);
  EXPECT_FALSE(Append(agent, RowsRecord(4, 1))->duplicate);
  EXPECT_EQ(Append(agent, SummaryRecord(6, v1::OUTCOME_FOUND, 5))->state, v1::DISPATCH_STATE_FOUND);
}

TEST_P(StoreConformance, AgentsThatFailedAreCounted) {
  const std::string a = AddAgent('1'), b = AddAgent('2');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {a, b}).ok());
  v1::ResultRecord crashed = SummaryRecord(1, v1::OUTCOME_INCOMPLETE, 0);
  crashed.mutable_summary()->set_termination(v1::TERMINATION_CRASHED);
  ASSERT_TRUE(Append(a, crashed).ok());
  ASSERT_TRUE(Append(b, SummaryRecord(1, v1::OUTCOME_CLEAN, 0)).ok());
  const auto pairs = store_->Pairs(kAction);
  ASSERT_EQ(pairs->size(), 2u);
  for (const PairState& pair : *pairs) EXPECT_EQ(pair.failed, pair.agent_id == a);
}

TEST_P(StoreConformance, RecordsOfAnActionThatTheAgentWasNotSentAreDropped) {
  const std::string a = AddAgent('1'), b = AddAgent('2');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {a}).ok());
  for (const char* action : {kAction, kOther, "not even an id"}) {
    const auto appended = Append(b, RowsRecord(1, 1, action));
    ASSERT_TRUE(appended.ok());
    EXPECT_TRUE(absl::IsPermissionDenied(appended->dropped)) << action;
  }
  EXPECT_TRUE(store_->ReadChanges(kAction, 0, 1 << 20)->at(0).rows == std::nullopt);
  EXPECT_EQ(FindPair(kAction, a).state, v1::DISPATCH_STATE_WAITING);
  EXPECT_EQ(store_->Refusals(b, 10)->size(), 3u);
  EXPECT_TRUE(store_->Refusals(a, 10)->empty());
}

TEST_P(StoreConformance, DroppedRecordsAreNotedAndMakeThePairIncomplete) {
  const std::string agent = AddAgent('1');
  StoredAction action = NewAction(kAction);
  action.bounds[0].rows = 3;
  ASSERT_TRUE(store_->AddAction(action, {agent}).ok());
  EXPECT_TRUE(Append(agent, RowsRecord(1, 3))->dropped.ok());
  EXPECT_TRUE(absl::IsOutOfRange(Append(agent, RowsRecord(2, 1))->dropped));
  EXPECT_EQ(Append(agent, SummaryRecord(3, v1::OUTCOME_FOUND, 4))->state,
            v1::DISPATCH_STATE_INCOMPLETE);
  Reopen();
  const Pair pair = FindPair(kAction, agent);
  EXPECT_EQ(pair.dropped, 1u);
  EXPECT_EQ(pair.rows(), 3u);
  EXPECT_NE(pair.detail, "");
  ASSERT_EQ(store_->Refusals(agent, 10)->size(), 1u);
}

// An agent whose own limits are larger goes on sending, however long.
TEST_P(StoreConformance, HoweverMuchIsOverTheBoundsTheSummaryIsTakenAndNothingIsMissing) {
  const std::string agent = AddAgent('1');
  StoredAction action = NewAction(kAction);
  action.bounds[0].rows = 3;
  ASSERT_TRUE(store_->AddAction(action, {agent}).ok());
  ASSERT_TRUE(Append(agent, RowsRecord(1, 2))->dropped.ok());
  constexpr uint64_t kLast = 2 * kMaxMissingRecords + 7;
  for (uint64_t sequence = 2; sequence <= kLast; ++sequence) {
    const auto appended = Append(agent, RowsRecord(sequence, 2));
    ASSERT_TRUE(appended.ok());
    ASSERT_TRUE(absl::IsOutOfRange(appended->dropped)) << sequence << " " << appended->dropped;
    ASSERT_TRUE(appended->over_bounds);
    ASSERT_EQ(appended->state, v1::DISPATCH_STATE_RUNNING);
    if (sequence == kLast / 2) Reopen();
  }
  EXPECT_TRUE(Append(agent, RowsRecord(kLast, 2))->duplicate) << "it may forget that one";
  // Less than what was dropped, and it fits.
  EXPECT_TRUE(Append(agent, RowsRecord(kLast + 1, 1))->dropped.ok());
  EXPECT_EQ(Append(agent, SummaryRecord(kLast + 2, v1::OUTCOME_FOUND, 2 * kLast + 1))->state,
            v1::DISPATCH_STATE_INCOMPLETE);
  Reopen();
  const Pair pair = FindPair(kAction, agent);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_TRUE(pair.operations[0].summary.has_value());
  EXPECT_EQ(pair.operations[0].missing, std::vector<uint64_t>());
  EXPECT_EQ(pair.rows(), 3u);
  EXPECT_EQ(pair.dropped, kLast - 1);
  EXPECT_NE(pair.detail.find("more than 3 rows"), std::string::npos) << pair.detail;
  EXPECT_NE(pair.detail.find("max_rows"), std::string::npos) << pair.detail;
  EXPECT_EQ(store_->Refusals(agent, 10)->size(), 1u);
}

TEST_P(StoreConformance, WhatIsOverTheBoundsIsNotedOnceForEachOperation) {
  const std::string agent = AddAgent('1');
  StoredAction action = NewAction(kAction, 2);
  for (OperationBounds& bounds : action.bounds) bounds.rows = 1;
  ASSERT_TRUE(store_->AddAction(action, {agent}).ok());
  const auto last_note = [&] { return store_->Refusals(agent, 1)->at(0).refusal.detail(); };
  for (const uint32_t operation : {0u, 1u}) {
    for (const uint64_t sequence : {1u, 2u, 3u}) {
      v1::ResultRecord record = RowsRecord(sequence, 2);
      record.set_operation(operation);
      ASSERT_TRUE(Append(agent, record)->over_bounds);
      EXPECT_NE(last_note().find(StrCat("operation ", operation, ", sequence 1)")),
                std::string::npos)
          << last_note();
    }
  }
}

// What no honest agent sends: the gateway counts these.
TEST_P(StoreConformance, OutOfPlaceIsNotTakenForOverTheBounds) {
  const std::string agent = AddAgent('1');
  StoredAction action = NewAction(kAction);
  action.bounds[0].rows = 1;
  ASSERT_TRUE(store_->AddAction(action, {agent}).ok());
  ASSERT_TRUE(Append(agent, RowsRecord(1, 2))->over_bounds);
  EXPECT_FALSE(Append(agent, RowsRecord(1, 2))->over_bounds) << "once more";
  EXPECT_FALSE(Append(agent, RowsRecord(kMaxSequenceJump + 2, 2))->over_bounds) << "far ahead";
  ASSERT_TRUE(Append(agent, SummaryRecord(3, v1::OUTCOME_FOUND, 4)).ok());
  const auto late = Append(agent, RowsRecord(2, 2));
  EXPECT_TRUE(absl::IsOutOfRange(late->dropped));
  EXPECT_FALSE(late->over_bounds) << "after the summary";
}

TEST_P(StoreConformance, RefusalsAreKeptLatestFirstAndBounded) {
  const std::string agent = AddAgent('1');
  for (int i = 0; i < kRefusalsKeptPerAgent + 10; ++i)
    ASSERT_TRUE(Append(agent, RefusalRecord("", v1::Refusal::REASON_MALFORMED,
                                            Sha256(StrCat("envelope ", i))))
                    .ok());
  // The same one again is the same one.
  ASSERT_TRUE(
      Append(agent, RefusalRecord("", v1::Refusal::REASON_MALFORMED, Sha256("envelope 500"))).ok());
  const auto refusals = store_->Refusals(agent, kRefusalsKeptPerAgent + 100);
  ASSERT_EQ(refusals->size(), static_cast<size_t>(kRefusalsKeptPerAgent));
  EXPECT_EQ(refusals->at(0).refusal.envelope_sha256(), Sha256("envelope 500"));
}

TEST_P(StoreConformance, RefusalOfAnActionShowsInItsPairOnly) {
  const std::string a = AddAgent('1'), b = AddAgent('2');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {a, b}).ok());
  ASSERT_TRUE(Append(a, RefusalRecord(kAction, v1::Refusal::REASON_NOT_TARGETED)).ok());
  EXPECT_EQ(FindPair(kAction, a).state, v1::DISPATCH_STATE_REFUSED);
  EXPECT_EQ(FindPair(kAction, a).refusal->reason(), v1::Refusal::REASON_NOT_TARGETED);
  EXPECT_EQ(FindPair(kAction, b).state, v1::DISPATCH_STATE_WAITING);
}

TEST_P(StoreConformance, ChangesComeInOrderAndCanBeReadOnFromAnyPosition) {
  const std::string a = AddAgent('1'), b = AddAgent('2');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {a, b}).ok());
  ASSERT_TRUE(Append(a, RowsRecord(1, 1)).ok());
  ASSERT_TRUE(Append(b, RowsRecord(1, 1)).ok());
  ASSERT_TRUE(Append(a, SummaryRecord(2, v1::OUTCOME_FOUND, 1)).ok());
  ASSERT_TRUE(Append(b, SummaryRecord(2, v1::OUTCOME_FOUND, 1)).ok());

  const auto all = *store_->ReadChanges(kAction, 0, 1 << 20);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_TRUE(all[0].rows.has_value());
  EXPECT_EQ(all[0].agent_id, a);
  EXPECT_EQ(all[0].agent_name, "host-1111");
  EXPECT_TRUE(all[1].rows.has_value());
  EXPECT_EQ(all[2].pair.state, v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(all[3].agent_id, b);

  // One at a time gives the same.
  uint64_t position = 0;
  for (const Change& expected : all) {
    const auto next = *store_->ReadChanges(kAction, position, 1);
    ASSERT_EQ(next.size(), 1u);
    EXPECT_EQ(next[0].position, expected.position);
    position = next[0].position;
  }
  EXPECT_TRUE(store_->ReadChanges(kAction, position, 1)->empty());
  EXPECT_TRUE(absl::IsNotFound(store_->ReadChanges(kOther, 0, 1).status()));
}

TEST_P(StoreConformance, PositionsGoOnRisingAfterAReopening) {
  const std::string agent = AddAgent('1');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {agent}).ok());
  ASSERT_TRUE(Append(agent, RowsRecord(1, 1)).ok());
  const uint64_t before = store_->ReadChanges(kAction, 0, 1 << 20)->back().position;
  Reopen();
  ASSERT_TRUE(Append(agent, RowsRecord(2, 1)).ok());
  const auto after = *store_->ReadChanges(kAction, before, 1 << 20);
  ASSERT_EQ(after.size(), 1u);
  EXPECT_EQ(after[0].rows->rows_size(), 1);
}

TEST_P(StoreConformance, CallbacksComeInOrderAndNothingIsLostWhenItCloses) {
  const std::string agent = AddAgent('1');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {agent}).ok());
  std::vector<uint64_t> order;
  for (uint64_t i = 1; i <= 500; ++i)
    store_->AppendRecord(agent, RowsRecord(i, 1), now_,
                         [&order, i](absl::StatusOr<Appended> appended) {
                           if (appended.ok() && appended->dropped.ok()) order.push_back(i);
                         });
  Reopen();
  ASSERT_EQ(order.size(), 500u);
  for (uint64_t i = 0; i < 500; ++i) EXPECT_EQ(order[i], i + 1);
  EXPECT_EQ(FindPair(kAction, agent).rows(), 500u);
  EXPECT_EQ(store_->PendingBytes(), 0u);
}

TEST_P(StoreConformance, WhatTwoHostsMayHaveSentEndsIncomplete) {
  const std::string agent = AddAgent('1'), other = AddAgent('2');
  const StoredAction action = NewAction(kAction);
  ASSERT_TRUE(store_->AddAction(action, {agent, other}).ok());
  for (const std::string& id : {agent, other}) MarkSent(kAction, id);
  std::promise<absl::Status> done;
  store_->MarkDoubted(agent, [&](absl::Status status) { done.set_value(std::move(status)); });
  ASSERT_TRUE(done.get_future().get().ok());
  Reopen();
  for (const std::string& id : {agent, other})
    ASSERT_TRUE(Append(id, SummaryRecord(1, v1::OUTCOME_CLEAN, 0)).ok());
  EXPECT_EQ(FindPair(kAction, agent).state, v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_EQ(FindPair(kAction, agent).detail.rfind("two hosts", 0), 0u);
  EXPECT_EQ(FindPair(kAction, other).state, v1::DISPATCH_STATE_CLEAN);
}

TEST_P(StoreConformance, AFailedChangeLeavesThoseBesideItStanding) {
  const std::string agent = AddAgent('1');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {agent}).ok());
  std::atomic<int> stored = 0, failed = 0;
  const auto count = [&](absl::StatusOr<Appended> appended) {
    appended.ok() ? ++stored : ++failed;
  };
  for (uint64_t i = 1; i <= 100; ++i) {
    store_->AppendRecord(agent, RowsRecord(i, 1), now_, count);
    store_->AppendRecord("no such agent", RowsRecord(i, 1), now_, count);
  }
  Reopen();
  EXPECT_EQ(stored, 100);
  EXPECT_EQ(failed, 100);
  EXPECT_EQ(FindPair(kAction, agent).rows(), 100u);
}

namespace {

std::string EnvelopeOf(std::string_view payload, std::string_view signature = "") {
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, payload);
  if (!signature.empty()) {
    envelope.add_signatures()->set_keyid("key");
    envelope.mutable_signatures(0)->set_sig(std::string(signature));
  }
  return envelope.SerializeAsString();
}

StoredProposal NewProposal(std::string_view id, absl::Time now, std::string_view by = "alice") {
  StoredProposal proposal;
  proposal.id = std::string(id);
  proposal.envelope = EnvelopeOf("payload");
  proposal.proposed_by = std::string(by);
  proposal.proposed_at = now;
  proposal.expires = now + absl::Hours(1);
  return proposal;
}

std::string IdOf(int number) { return StrCat("0190a000-0000-7000-8000-00000000", 1000 + number); }

}  // namespace

TEST_P(StoreConformance, ProposalsAreKeptAsTheyAreSigned) {
  ASSERT_TRUE(store_->AddProposal(NewProposal(kAction, now_), {}, now_).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(store_->AddProposal(NewProposal(kAction, now_), {}, now_)));
  const std::string more = EnvelopeOf("payload", "bob's");
  ASSERT_TRUE(store_->SignProposal(kAction, EnvelopeOf("payload"), more).ok());
  EXPECT_TRUE(absl::IsAborted(store_->SignProposal(kAction, EnvelopeOf("payload"), "x")));
  EXPECT_TRUE(absl::IsNotFound(store_->SignProposal(kOther, "", "x")));
  Reopen();
  const auto stored = store_->FindProposal(kAction);
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->envelope, more);
  EXPECT_EQ(stored->proposed_by, "alice");
  EXPECT_EQ(stored->expires, now_ + absl::Hours(1));
  EXPECT_TRUE(stored->open(now_));
  EXPECT_FALSE(stored->open(now_ + absl::Hours(2)));
  EXPECT_EQ(store_->MatchProposals("0190a", 9)->size(), 1u);
  EXPECT_EQ(store_->MatchProposals("0001", 9)->size(), 1u);
  EXPECT_TRUE(store_->MatchProposals("%", 9)->empty());
  EXPECT_TRUE(absl::IsNotFound(store_->FindProposal(kOther).status()));
}

TEST_P(StoreConformance, AProposalAndItsActionChangeInOneStep) {
  ASSERT_TRUE(store_->AddProposal(NewProposal(kAction, now_), {}, now_).ok());
  StoredAction action = NewAction(kAction);
  action.envelope = EnvelopeOf("another payload");
  EXPECT_TRUE(absl::IsAlreadyExists(store_->AddAction(action, {})));
  EXPECT_TRUE(absl::IsNotFound(store_->FindAction(kAction).status()));
  action.envelope = EnvelopeOf("payload", "signed");
  // Not launched, so not closed.
  EXPECT_FALSE(store_->AddAction(action, {NewUuidV4()}).ok());
  EXPECT_EQ(store_->FindProposal(kAction)->state, v1::Proposal::STATE_OPEN);
  ASSERT_TRUE(store_->AddAction(action, {}).ok());
  EXPECT_EQ(store_->FindProposal(kAction)->state, v1::Proposal::STATE_LAUNCHED);
  EXPECT_EQ(store_->FindProposal(kAction)->envelope, action.envelope);
  EXPECT_TRUE(absl::IsAlreadyExists(store_->AddAction(action, {})));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->RefuseProposal(kAction, "x", {"bob"}, now_)));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->SignProposal(kAction, action.envelope, "x")));
}

TEST_P(StoreConformance, ARefusedProposalIsNoActionAnyMore) {
  ASSERT_TRUE(store_->AddProposal(NewProposal(kAction, now_), {}, now_).ok());
  ASSERT_TRUE(store_->RefuseProposal(kAction, "order", {"bob", "dora"}, now_).ok());
  Reopen();
  StoredAction action = NewAction(kAction);
  action.envelope = EnvelopeOf("payload", "signed");
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->AddAction(action, {})));
  EXPECT_TRUE(absl::IsNotFound(store_->FindAction(kAction).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->RefuseProposal(kAction, "x", {"bob"}, now_)));
  const auto stored = store_->FindProposal(kAction);
  EXPECT_EQ(stored->refusal, "order");
  EXPECT_EQ(stored->refused_by, (std::vector<std::string>{"bob", "dora"}));
  EXPECT_EQ(stored->closed_at, now_);
  EXPECT_TRUE(absl::IsNotFound(store_->RefuseProposal(kOther, "x", {"bob"}, now_)));
}

TEST_P(StoreConformance, AnActionsIdCanNotBeProposed) {
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {}).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(store_->AddProposal(NewProposal(kAction, now_), {}, now_)));
}

TEST_P(StoreConformance, OpenProposalsAreBoundedForEachAndForAll) {
  const ProposalBounds bounds = {.of_one_person = 2, .in_all = 3};
  ASSERT_TRUE(store_->AddProposal(NewProposal(IdOf(1), now_), bounds, now_).ok());
  ASSERT_TRUE(store_->AddProposal(NewProposal(IdOf(2), now_), bounds, now_).ok());
  EXPECT_TRUE(
      absl::IsResourceExhausted(store_->AddProposal(NewProposal(IdOf(3), now_), bounds, now_)));
  ASSERT_TRUE(store_->AddProposal(NewProposal(IdOf(3), now_, "bob"), bounds, now_).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(
      store_->AddProposal(NewProposal(IdOf(4), now_, "dora"), bounds, now_)));
  // What has expired is not open.
  const absl::Time later = now_ + absl::Hours(2);
  EXPECT_TRUE(store_->AddProposal(NewProposal(IdOf(4), later), bounds, later).ok());
}

TEST_P(StoreConformance, ClosedProposalsAreForgottenByAgeButNotWhatCouldStillBeLaunched) {
  StoredProposal refused = NewProposal(IdOf(1), now_);
  refused.expires = now_ + absl::Hours(30 * 24);
  ASSERT_TRUE(store_->AddProposal(refused, {}, now_).ok());
  ASSERT_TRUE(store_->RefuseProposal(refused.id, "order", {"bob"}, now_).ok());
  ASSERT_TRUE(store_->AddProposal(NewProposal(IdOf(2), now_), {}, now_).ok());
  ASSERT_TRUE(store_->AddProposal(NewProposal(IdOf(3), now_), {}, now_).ok());
  StoredAction action = NewAction(IdOf(3));
  action.envelope = EnvelopeOf("payload", "signed");
  ASSERT_TRUE(store_->AddAction(action, {}).ok());
  const absl::Time later = now_ + absl::Hours(8 * 24);
  ASSERT_TRUE(store_->AddProposal(NewProposal(IdOf(4), later), {}, later).ok());
  std::vector<std::string> left;
  ASSERT_TRUE(
      store_->ForEachProposal([&](const StoredProposal& one) { left.push_back(one.id); }).ok());
  EXPECT_EQ(left, (std::vector<std::string>{IdOf(4), refused.id})) << "the newest comes first";
}

TEST_P(StoreConformance, ARefusalIsNotPushedOutByOthers) {
  StoredProposal refused = NewProposal(IdOf(1), now_);
  refused.expires = now_ + absl::Hours(30 * 24);
  ASSERT_TRUE(store_->AddProposal(refused, {}, now_).ok());
  ASSERT_TRUE(store_->RefuseProposal(refused.id, "order", {"bob"}, now_).ok());
  const absl::Time later = now_ + absl::Seconds(1);
  for (int i = 2; i <= kClosedProposalsKept + 3; ++i) {
    StoredProposal other = NewProposal(IdOf(i), later);
    other.expires = refused.expires;
    ASSERT_TRUE(store_->AddProposal(other, {}, later).ok());
    ASSERT_TRUE(store_->RefuseProposal(other.id, "order", {"bob"}, later).ok());
  }
  StoredAction action = NewAction(refused.id);
  action.envelope = EnvelopeOf("payload", "signed");
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->AddAction(action, {})));
  EXPECT_EQ(store_->FindProposal(refused.id)->refusal, "order");
  int documents = 0;
  ASSERT_TRUE(store_
                  ->ForEachProposal([&](const StoredProposal& one) {
                    if (!one.envelope.empty()) ++documents;
                  })
                  .ok());
  EXPECT_LE(documents, kClosedProposalsKept + 1) << "what is large is bounded";
  // When it has expired, nothing is left of it.
  const absl::Time end = refused.expires + absl::Hours(8 * 24);
  ASSERT_TRUE(store_->AddProposal(NewProposal(IdOf(0), end), {}, end).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->FindProposal(refused.id).status()));
}

TEST_P(StoreConformance, PairsThatChangedAreReadOnceAndNoneIsMissed) {
  const std::string a = AddAgent('1'), b = AddAgent('2');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {a, b}).ok());
  auto changed = store_->PairsChangedAfter(kAction, 0);
  ASSERT_EQ(changed->pairs.size(), 2u);
  EXPECT_TRUE(store_->PairsChangedAfter(kAction, changed->position)->pairs.empty());
  ASSERT_TRUE(Append(a, RowsRecord(1, 2)).ok());
  changed = store_->PairsChangedAfter(kAction, changed->position);
  ASSERT_EQ(changed->pairs.size(), 1u);
  EXPECT_EQ(changed->pairs[0].agent_id, a);
  EXPECT_EQ(changed->pairs[0].state, v1::DISPATCH_STATE_RUNNING);
  // It stays in its state, with more rows.
  ASSERT_TRUE(Append(a, RowsRecord(2, 3)).ok());
  changed = store_->PairsChangedAfter(kAction, changed->position);
  ASSERT_EQ(changed->pairs.size(), 1u);
  EXPECT_EQ(changed->pairs[0].rows, 5u);
  MarkSent(kAction, b);
  changed = store_->PairsChangedAfter(kAction, changed->position);
  ASSERT_EQ(changed->pairs.size(), 1u);
  EXPECT_EQ(changed->pairs[0].agent_id, b);
  EXPECT_TRUE(absl::IsNotFound(store_->PairsChangedAfter(kOther, 0).status()));
}

TEST_P(StoreConformance, AnAgentsActionsComeNewestFirst) {
  const std::string a = AddAgent('1'), b = AddAgent('2');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {a, b}).ok());
  ASSERT_TRUE(store_->AddAction(NewAction(IdOf(1)), {b}).ok());
  ASSERT_TRUE(store_->AddAction(NewAction(kOther), {a}).ok());
  ASSERT_TRUE(Append(a, RowsRecord(1, 2)).ok());
  const auto actions = store_->ActionsOf(a, 10);
  ASSERT_TRUE(actions.ok()) << actions.status();
  ASSERT_EQ(actions->size(), 2u);
  EXPECT_EQ(actions->at(0).action.id, kOther);
  EXPECT_EQ(actions->at(0).state, v1::DISPATCH_STATE_WAITING);
  EXPECT_EQ(actions->at(1).action.id, kAction);
  EXPECT_EQ(actions->at(1).rows, 2u);
  EXPECT_EQ(store_->ActionsOf(a, 1)->size(), 1u);
  EXPECT_TRUE(absl::IsNotFound(store_->ActionsOf("none", 1).status()));
}

}  // namespace dragnet::scheduler
