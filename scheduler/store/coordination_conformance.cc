// What every Store does for several schedulers on it.
#include <gmock/gmock.h>

#include <future>
#include <utility>
#include <vector>

#include "core/keys.h"
#include "core/strings.h"
#include "scheduler/store/store_conformance.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr char kAction[] = "0190a000-0000-7000-8000-000000000001";
constexpr absl::Duration kLong = absl::Minutes(10);

AgentRecord RowsOf(const std::string& agent, uint64_t sequence, absl::Time received) {
  AgentRecord record;
  record.agent_id = agent;
  record.received = received;
  record.record.set_action_id(kAction);
  record.record.set_sequence(sequence);
  record.record.mutable_rows()->add_rows(StrCat("row ", sequence));
  return record;
}

AgentRecord SummaryOf(const std::string& agent, uint64_t sequence, absl::Time received) {
  AgentRecord record;
  record.agent_id = agent;
  record.received = received;
  record.record.set_action_id(kAction);
  record.record.set_sequence(sequence);
  record.record.mutable_summary()->set_outcome(v1::OUTCOME_FOUND);
  record.record.mutable_summary()->set_termination(v1::TERMINATION_COMPLETED);
  record.record.mutable_summary()->set_rows(sequence - 1);
  return record;
}

StoredSession SessionOf(const std::string& agent, const std::string& scheduler, uint64_t epoch) {
  return {.agent_id = agent, .scheduler = scheduler, .epoch = epoch, .boot_id = {}};
}

}  // namespace

void CoordinationConformance::SetUp() {
  StoreConformance::SetUp();
  Reopen(/*shared=*/true);
}

void CoordinationConformance::Reopen(bool shared) {
  store_.reset();
  store_ = fixture_->Open(shared);
}

std::vector<std::string> CoordinationConformance::TakeOutbox() {
  const absl::StatusOr<std::vector<v1::Notice>> notices = store_->Outbox(1000);
  EXPECT_TRUE(notices.ok()) << notices.status();
  std::vector<std::string> words;
  std::vector<uint64_t> ids;
  for (const v1::Notice& notice : *notices) {
    words.push_back(StrCat(v1::Notice::Kind_Name(notice.kind()).substr(5), " ", notice.name()));
    EXPECT_TRUE(ids.empty() || ids.back() < notice.id());
    ids.push_back(notice.id());
  }
  EXPECT_TRUE(store_->ForgetOutbox(ids).ok());
  return words;
}

absl::StatusOr<std::vector<Appended>> CoordinationConformance::AppendAll(
    std::vector<AgentRecord> records, std::optional<BusRange> range) {
  std::promise<absl::StatusOr<std::vector<Appended>>> done;
  store_->AppendRecords(
      std::move(records), range,
      [&](absl::StatusOr<std::vector<Appended>> appended) { done.set_value(std::move(appended)); });
  return done.get_future().get();
}

TEST_P(CoordinationConformance, LeaseIsHeldByOneAndRenewedByIt) {
  const Lease first = *store_->TakeLease("lead", "a", kLong);
  EXPECT_EQ(first.holder, "a");
  EXPECT_EQ(first.epoch, 1u);
  EXPECT_GT(first.left, absl::Minutes(9));
  EXPECT_LE(first.left, kLong);

  const Lease other = *store_->TakeLease("lead", "b", kLong);
  EXPECT_EQ(other.holder, "a");
  EXPECT_EQ(other.epoch, 1u);

  const Lease renewed = *store_->TakeLease("lead", "a", 2 * kLong);
  EXPECT_EQ(renewed.holder, "a");
  EXPECT_EQ(renewed.epoch, 1u);
  EXPECT_GT(renewed.left, kLong);
}

TEST_P(CoordinationConformance, LeaseThatIsGivenUpOrExpiredChangesHandsAndItsEpochRises) {
  ASSERT_TRUE(store_->TakeLease("lead", "a", kLong).ok());
  // Not its own to give up.
  ASSERT_TRUE(store_->GiveUpLease("lead", "b").ok());
  EXPECT_EQ(store_->TakeLease("lead", "b", kLong)->holder, "a");

  ASSERT_TRUE(store_->GiveUpLease("lead", "a").ok());
  const Lease taken = *store_->TakeLease("lead", "b", absl::Milliseconds(-1));
  EXPECT_EQ(taken.holder, "b");
  EXPECT_EQ(taken.epoch, 2u);
  // That one was over at once.
  const Lease again = *store_->TakeLease("lead", "c", kLong);
  EXPECT_EQ(again.holder, "c");
  EXPECT_EQ(again.epoch, 3u);
}

TEST_P(CoordinationConformance, LeasesThatAreHeldAreFoundByTheirPrefix) {
  ASSERT_TRUE(store_->TakeLease("partition/1", "a", kLong).ok());
  ASSERT_TRUE(store_->TakeLease("partition/2", "b", kLong).ok());
  ASSERT_TRUE(store_->TakeLease("partition/3", "c", absl::Milliseconds(-1)).ok());
  ASSERT_TRUE(store_->TakeLease("lead", "a", kLong).ok());
  const std::map<std::string, Lease> leases = *store_->Leases("partition/");
  ASSERT_THAT(leases, SizeIs(2));
  EXPECT_EQ(leases.at("partition/1").holder, "a");
  EXPECT_EQ(leases.at("partition/2").holder, "b");
  EXPECT_THAT(*store_->Leases(""), SizeIs(3));
}

TEST_P(CoordinationConformance, SessionBelongsToWhoClaimedItLast) {
  const std::string a = AddAgent('a');
  const std::string b = AddAgent('b');
  const std::vector<Claimed> first =
      *store_->ClaimSessions("one", {{a, "boot"}, {b, std::string("\0\xff", 2)}});
  ASSERT_THAT(first, SizeIs(2));
  EXPECT_EQ(first[0].before.agent_id, "");
  EXPECT_GT(first[0].epoch, 0u);

  const std::vector<Claimed> second = *store_->ClaimSessions("two", {{a, "later"}});
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_GT(second[0].epoch, first[0].epoch);
  EXPECT_EQ(second[0].before.agent_id, a);
  EXPECT_EQ(second[0].before.scheduler, "one");
  EXPECT_EQ(second[0].before.epoch, first[0].epoch);
  EXPECT_EQ(second[0].before.boot_id, "boot");
  EXPECT_TRUE(second[0].before.connected);

  EXPECT_THAT(*store_->LostSessions(
                  {SessionOf(a, "one", first[0].epoch), SessionOf(b, "one", first[1].epoch)}),
              ElementsAre(a));
  EXPECT_THAT(*store_->LostSessions({SessionOf(a, "two", second[0].epoch)}), IsEmpty());

  // It isn't the first one's to release any more.
  ASSERT_TRUE(store_->ReleaseSessions({SessionOf(a, "one", first[0].epoch)}).ok());
  std::vector<StoredSession> sessions = *store_->Sessions();
  ASSERT_THAT(sessions, SizeIs(2));
  ASSERT_TRUE(store_->ReleaseSessions({SessionOf(a, "two", second[0].epoch)}).ok());
  sessions = *store_->Sessions();
  ASSERT_THAT(sessions, SizeIs(1));
  EXPECT_EQ(sessions[0].agent_id, b);
  EXPECT_EQ(sessions[0].scheduler, "one");
  EXPECT_EQ(sessions[0].epoch, first[1].epoch);
  EXPECT_EQ(sessions[0].boot_id, std::string("\0\xff", 2));
  EXPECT_TRUE(sessions[0].connected);
  // Who still has one that was released, as one of a scheduler that was thought to be gone,
  // has lost it.
  EXPECT_THAT(*store_->LostSessions({SessionOf(a, "two", second[0].epoch)}), ElementsAre(a));
}

TEST_P(CoordinationConformance, AgentThatIsClaimedTwiceAtOnceIsTheLastOnes) {
  const std::string a = AddAgent('a');
  const std::vector<Claimed> claimed = *store_->ClaimSessions("one", {{a, "x"}, {a, "y"}});
  ASSERT_THAT(claimed, SizeIs(2));
  EXPECT_GT(claimed[1].epoch, claimed[0].epoch);
  EXPECT_EQ(claimed[1].before.epoch, claimed[0].epoch);
  ASSERT_THAT(*store_->Sessions(), SizeIs(1));
  EXPECT_EQ((*store_->Sessions())[0].boot_id, "y");
}

TEST_P(CoordinationConformance, ClaimOfAnUnknownAgentClaimsNothing) {
  const std::string a = AddAgent('a');
  EXPECT_TRUE(absl::IsNotFound(store_->ClaimSessions("one", {{a, ""}, {"nobody", ""}}).status()));
  EXPECT_THAT(*store_->Sessions(), IsEmpty());
}

TEST_P(CoordinationConformance, SessionsOfASchedulerThatDiedAreReleased) {
  const std::string a = AddAgent('a');
  const std::string b = AddAgent('b');
  ASSERT_TRUE(store_->ClaimSessions("one", {{a, ""}}).ok());
  ASSERT_TRUE(store_->ClaimSessions("two", {{b, ""}}).ok());
  ASSERT_TRUE(store_->ReleaseAllSessions("one").ok());
  const std::vector<StoredSession> sessions = *store_->Sessions();
  ASSERT_THAT(sessions, SizeIs(1));
  EXPECT_EQ(sessions[0].agent_id, b);
  // It was connected before, which who claims it learns.
  EXPECT_FALSE(store_->ClaimSessions("two", {{a, ""}})->at(0).before.connected);
}

TEST_P(CoordinationConformance, WhatAllMustLearnIsInTheOutboxInItsOrder) {
  const std::string a = AddAgent('a');
  ASSERT_TRUE(store_->AddTrustPolicy({.version = 7, .envelope = "x"}).ok());
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {a}).ok());
  ASSERT_TRUE(
      store_
          ->AddOrder(
              {.id = "o", .action_id = kAction, .envelope = "e", .signed_by = {}, .expires = now_},
              {}, /*cancels=*/true)
          .ok());
  StoredProposal proposal;
  proposal.id = "0190a000-0000-7000-8000-000000000002";
  proposal.envelope = "before";
  proposal.proposed_by = "alice";
  proposal.proposed_at = now_;
  proposal.expires = now_ + kLong;
  ASSERT_TRUE(store_->AddProposal(proposal, {}, now_).ok());
  ASSERT_TRUE(store_->SignProposal(proposal.id, "before", "after").ok());
  ASSERT_TRUE(store_->RefuseProposal(proposal.id, "no", {"bob"}, now_).ok());
  ASSERT_TRUE(store_->RevokeIdentity("spiffe://fleet/agent/" + a).ok());
  EXPECT_THAT(TakeOutbox(), ElementsAre("AGENT " + a, "TRUST_POLICY 7", StrCat("ACTION ", kAction),
                                        StrCat("ORDER ", kAction), "PROPOSAL " + proposal.id,
                                        "PROPOSAL " + proposal.id, "PROPOSAL " + proposal.id,
                                        "REVOKED spiffe://fleet/agent/" + a));
  EXPECT_THAT(TakeOutbox(), IsEmpty());
}

TEST_P(CoordinationConformance, IdsOfTheOutboxAreNotGivenTwice) {
  ASSERT_TRUE(store_->AddTrustPolicy({.version = 1, .envelope = "x"}).ok());
  const uint64_t first = store_->Outbox(1)->at(0).id();
  ASSERT_TRUE(store_->ForgetOutbox({first}).ok());
  Reopen(/*shared=*/true);
  ASSERT_TRUE(store_->AddTrustPolicy({.version = 2, .envelope = "x"}).ok());
  EXPECT_GT(store_->Outbox(1)->at(0).id(), first);
}

TEST_P(CoordinationConformance, WhatFailsTellsNothing) {
  ASSERT_TRUE(store_->AddTrustPolicy({.version = 1, .envelope = "x"}).ok());
  EXPECT_FALSE(store_->AddTrustPolicy({.version = 1, .envelope = "y"}).ok());
  EXPECT_THAT(TakeOutbox(), ElementsAre("TRUST_POLICY 1"));
}

TEST_P(CoordinationConformance, OneSchedulerHasNoOutbox) {
  Reopen(/*shared=*/false);
  ASSERT_TRUE(store_->AddTrustPolicy({.version = 1, .envelope = "x"}).ok());
  EXPECT_THAT(*store_->Outbox(10), IsEmpty());
}

TEST_P(CoordinationConformance, RevocationsAreReadOnFromTheLastOne) {
  for (const bool shared : {false, true}) {
    Reopen(shared);
    const uint64_t before = *store_->LastRevocation();
    const std::string a = AddAgent(shared ? 'a' : 'b');
    ASSERT_TRUE(store_->RevokeIdentity("spiffe://fleet/agent/" + a).ok());
    const auto revocations = *store_->RevocationsAfter(before);
    ASSERT_THAT(revocations, SizeIs(1));
    EXPECT_EQ(revocations[0].identity, "spiffe://fleet/agent/" + a);
    EXPECT_EQ(*store_->LastRevocation(), revocations[0].no);
    EXPECT_THAT(*store_->RevocationsAfter(revocations[0].no), IsEmpty());
  }
}

TEST_P(CoordinationConformance, RecordsOfTheBusAreStoredOnceWithTheirPosition) {
  const std::string a = AddAgent('a');
  const std::string b = AddAgent('b');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {a, b}).ok());
  EXPECT_EQ(*store_->BusPosition(3), 0u);
  const std::vector<AgentRecord> records = {RowsOf(a, 1, now_), SummaryOf(a, 2, now_),
                                            RowsOf(b, 1, now_)};
  const BusRange range = {.partition = 3, .after = 0, .last = 17};
  const auto appended = AppendAll(records, range);
  ASSERT_TRUE(appended.ok()) << appended.status();
  ASSERT_THAT(*appended, SizeIs(3));
  EXPECT_EQ((*appended)[0].state, v1::DISPATCH_STATE_RUNNING);
  EXPECT_EQ((*appended)[1].state, v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(*store_->BusPosition(3), 17u);
  EXPECT_EQ(*store_->BusPosition(4), 0u);

  // Another scheduler has read it on.
  EXPECT_TRUE(absl::IsAborted(AppendAll(records, range).status()));
  EXPECT_TRUE(absl::IsAborted(
      AppendAll({RowsOf(b, 2, now_)}, BusRange{.partition = 3, .after = 16, .last = 18}).status()));
  EXPECT_EQ(*store_->BusPosition(3), 17u);

  // Redelivered in another range: known, and stored once.
  const auto again = AppendAll(records, BusRange{.partition = 3, .after = 17, .last = 20});
  ASSERT_TRUE(again.ok()) << again.status();
  for (const Appended& one : *again) EXPECT_TRUE(one.duplicate);
  EXPECT_EQ(FindPair(kAction, a).rows(), 1u);
  EXPECT_EQ(FindPair(kAction, b).rows(), 1u);
  Reopen(/*shared=*/true);
  EXPECT_EQ(*store_->BusPosition(3), 20u);
  EXPECT_EQ(FindPair(kAction, a).rows(), 1u);
}

TEST_P(CoordinationConformance, RecordThatMayNotBeStoredDoesNotHoldUpOthers) {
  const std::string a = AddAgent('a');
  ASSERT_TRUE(store_->AddAction(NewAction(kAction), {a}).ok());
  AgentRecord made_up = RowsOf(a, 1, now_);
  made_up.record.set_action_id(std::string("made\0up", 7));
  const auto appended =
      AppendAll({made_up, RowsOf("nobody", 1, now_), RowsOf(a, 1, now_)}, std::nullopt);
  ASSERT_TRUE(appended.ok()) << appended.status();
  EXPECT_FALSE((*appended)[0].dropped.ok());
  EXPECT_FALSE((*appended)[1].dropped.ok());
  EXPECT_TRUE((*appended)[2].dropped.ok());
  EXPECT_EQ(FindPair(kAction, a).rows(), 1u);
}

TEST_P(CoordinationConformance, PositionOfThePartitionStandsWithoutRecords) {
  const auto appended = AppendAll({}, BusRange{.partition = 1, .after = 0, .last = 5});
  ASSERT_TRUE(appended.ok()) << appended.status();
  EXPECT_EQ(*store_->BusPosition(1), 5u);
}

TEST_P(CoordinationConformance, NewestCertificatesAreOnePerIdentity) {
  const auto add = [&](const std::string& fingerprint, const std::string& identity, int issued) {
    StoredCertificate certificate;
    certificate.fingerprint = fingerprint;
    certificate.identity = identity;
    certificate.issued_at = now_ + absl::Minutes(issued);
    certificate.not_after = now_ + absl::Hours(1) + absl::Minutes(issued);
    ASSERT_TRUE(store_->AddCertificate(certificate).ok());
  };
  add("a1", "spiffe://fleet/investigator/a", 1);
  add("a2", "spiffe://fleet/investigator/a", 2);
  add("b1", "spiffe://fleet/investigator/b", 5);
  add("c1", "spiffe://fleet/investigator/c", 9);
  ASSERT_TRUE(store_->RevokeIdentity("spiffe://fleet/investigator/c").ok());
  const std::vector<StoredCertificate> newest = *store_->NewestCertificates(absl::InfinitePast());
  std::vector<std::string> fingerprints;
  for (const StoredCertificate& one : newest) fingerprints.push_back(one.fingerprint);
  EXPECT_THAT(fingerprints, ElementsAre("a2", "b1"));
  EXPECT_THAT(*store_->NewestCertificates(now_ + absl::Hours(1) + absl::Minutes(2)), SizeIs(1));
}

}  // namespace dragnet::scheduler
