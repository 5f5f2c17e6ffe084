// Proposals over a real store: signatures that are joined, and what someone hostile
// brings in their place.
#include "scheduler/dispatch/proposals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/keys.h"
#include "core/order.h"
#include "core/strings.h"
#include "core/testing.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Keys = std::vector<const PrivateKey*>;

class ProposalsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(SqliteStore::Create(Path()).ok());
    store_ = *SqliteStore::Open(Path(), StoreUse::kRun);
    ASSERT_TRUE(
        store_->AddTrustPolicy({.version = 1, .envelope = fleet_.SignedPolicy(Policy())}).ok());
    Start();
  }
  void TearDown() override { Stop(); }

  std::string Path() const { return directory_.path() + "/store.db"; }
  v1::TrustPolicy Policy(uint64_t version = 1) const {
    v1::TrustPolicy policy = fleet_.PolicyProto(version);
    // Three people, of whom two are enough.
    testing::Fleet::AddInvestigator("dora", dora_, &policy);
    v1::Weight* weight = policy.mutable_modules(1)->add_weights();
    weight->set_investigator("dora");
    weight->set_weight(1);
    return policy;
  }
  void Start(ProposalBounds bounds = {}) {
    if (store_ == nullptr) store_ = *SqliteStore::Open(Path(), StoreUse::kRun);
    agents_ = *Agents::Load(*store_, clock_.Now());
    policies_ = *Policies::Load(*store_, fleet_.id, fleet_.Pinned());
    background_ = std::make_unique<Executor>(/*threads=*/1, /*max_waiting=*/1000);
    dispatcher_ =
        std::make_unique<Dispatcher>(*store_, *agents_, *policies_, watchers_, *background_, clock_,
                                     fleet_.id, OperationBounds{.rows = 1000, .bytes = 1 << 20});
    ASSERT_TRUE(dispatcher_->Start().ok());
    proposals_ = std::make_unique<Proposals>(*store_, *policies_, *dispatcher_, watchers_.news(),
                                             clock_, fleet_.id, bounds);
  }
  void Stop() {
    background_.reset();
    store_.reset();
    proposals_.reset();
    dispatcher_.reset();
    policies_.reset();
    agents_.reset();
  }

  // Needs weight 2.
  v1::Action NewAction() const { return fleet_.ActionProto("memory"); }
  absl::StatusOr<Proposals::Proposed> Propose(const v1::Action& action, const Keys& keys,
                                              const std::string& caller = "alice") {
    return proposals_->Propose(fleet_.SignedAction(action, keys), caller);
  }
  std::string SignedOrder(const v1::Action& action, v1::Order::Kind kind, const PrivateKey& key) {
    const absl::Time issued = clock_.Now() + absl::Milliseconds(++orders_made_);
    v1::Order order;
    order.set_id(NewUuidV7(issued));
    order.set_fleet_id(fleet_.id);
    order.set_action_id(action.id());
    order.set_kind(kind);
    order.set_reason("too broad");
    *order.mutable_issued() = ToTimestamp(issued);
    *order.mutable_expires() = ToTimestamp(issued + absl::Hours(1));
    return testing::Signed(kOrderPayloadType, order, {&key});
  }
  absl::Status Refuse(const v1::Action& action, const PrivateKey& key) {
    const auto refused =
        proposals_->Refuse(SignedOrder(action, v1::Order::KIND_CANCEL, key), "bob");
    if (!refused.ok()) return refused.status();
    return refused->has_value() ? absl::OkStatus() : absl::NotFoundError("no proposal");
  }
  bool WasLaunched(const v1::Action& action) { return store_->FindAction(action.id()).ok(); }
  int SignaturesOf(const v1::Action& action) {
    v1::Envelope envelope;
    envelope.ParseFromString(store_->FindProposal(action.id())->envelope);
    return envelope.signatures_size();
  }

  int Stored() {
    int count = 0;
    EXPECT_TRUE(store_->ForEachProposal([&](const StoredProposal&) { ++count; }).ok());
    return count;
  }

  TemporaryDirectory directory_;
  testing::Fleet fleet_;
  PrivateKey dora_ = testing::NewKey();
  FakeClock clock_{fleet_.now};
  Watchers watchers_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Agents> agents_;
  std::unique_ptr<Policies> policies_;
  std::unique_ptr<Executor> background_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<Proposals> proposals_;
  int orders_made_ = 0;
};

TEST_F(ProposalsTest, SignaturesAreJoinedAndTheLastOneThatIsNeededLaunches) {
  const v1::Action action = NewAction();
  const auto first = Propose(action, {&fleet_.alice});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->launched.has_value());
  EXPECT_EQ(first->proposal.state(), v1::Proposal::STATE_OPEN);
  EXPECT_THAT(first->proposal.signed_by(), ElementsAre("alice"));
  EXPECT_THAT(first->proposal.missing(), ElementsAre(HasSubstr("weight 2, this has 1")));
  EXPECT_FALSE(WasLaunched(action));
  // Each brings only their own signature.
  const auto second = Propose(action, {&fleet_.bob}, "bob");
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_TRUE(second->launched.has_value());
  EXPECT_EQ(second->proposal.state(), v1::Proposal::STATE_LAUNCHED);
  EXPECT_THAT(second->proposal.missing(), ElementsAre(""));
  const auto stored = store_->FindAction(action.id());
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_THAT(stored->signed_by, ElementsAre("alice", "bob"));
  EXPECT_EQ(stored->launched_by, "bob");
}

TEST_F(ProposalsTest, TheSameSignatureAgainAndInvalidOnesAddNothing) {
  const v1::Action action = NewAction();
  ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
  ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
  // Alice's own, with a forged one in bob's name and one of somebody unknown.
  const PrivateKey stranger = testing::NewKey();
  v1::Envelope envelope;
  envelope.ParseFromString(fleet_.SignedAction(action, {&fleet_.alice, &stranger}));
  v1::Signature* forged = envelope.add_signatures();
  forged->set_keyid(fleet_.bob.public_key().id());
  forged->set_sig(envelope.signatures(0).sig());
  const auto proposed = proposals_->Propose(envelope.SerializeAsString(), "alice");
  ASSERT_TRUE(proposed.ok()) << proposed.status();
  EXPECT_THAT(proposed->proposal.signed_by(), ElementsAre("alice"));
  EXPECT_EQ(SignaturesOf(action), 1) << "what isn't valid is never stored";
  EXPECT_FALSE(WasLaunched(action));
  // And is no obstacle to the real one.
  EXPECT_TRUE(Propose(action, {&fleet_.bob})->launched.has_value());
}

TEST_F(ProposalsTest, WithoutASignatureThatHasAnyWeightNothingIsProposed) {
  const PrivateKey stranger = testing::NewKey();
  EXPECT_TRUE(absl::IsPermissionDenied(Propose(NewAction(), {}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(Propose(NewAction(), {&stranger}).status()));
  // In the policy, without weight.
  const auto carol = Propose(NewAction(), {&fleet_.carol});
  EXPECT_TRUE(absl::IsPermissionDenied(carol.status()));
  EXPECT_THAT(carol.status().message(), HasSubstr("carol"));
  EXPECT_EQ(Stored(), 0);
}

TEST_F(ProposalsTest, WhoHasNoWeightAddsNothingToWhatOthersProposed) {
  const v1::Action action = NewAction();
  ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(Propose(action, {&fleet_.carol}, "carol").status()));
  EXPECT_TRUE(Propose(action, {&fleet_.alice, &fleet_.carol}).ok());
  EXPECT_EQ(SignaturesOf(action), 1);
}

TEST_F(ProposalsTest, AnEnvelopeWithSignaturesTakenOutTakesNoneAway) {
  const v1::Action action = NewAction();
  v1::TrustPolicy policy = Policy(2);
  policy.mutable_modules(1)->set_minimum_weight(3);
  ASSERT_TRUE(dispatcher_->PublishPolicy(fleet_.SignedPolicy(policy)).ok());
  ASSERT_TRUE(Propose(action, {&fleet_.alice, &fleet_.bob}).ok());
  const auto stripped = Propose(action, {&fleet_.bob}, "bob");
  ASSERT_TRUE(stripped.ok()) << stripped.status();
  EXPECT_THAT(stripped->proposal.signed_by(), ElementsAre("alice", "bob"));
  EXPECT_TRUE(Propose(action, {&dora_}, "dora")->launched.has_value());
}

TEST_F(ProposalsTest, AnotherPayloadUnderTheSameIdIsRefusedOnEveryWay) {
  const v1::Action action = NewAction();
  ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
  v1::Action other = action;
  other.set_target("true");
  EXPECT_TRUE(absl::IsAlreadyExists(Propose(other, {&fleet_.bob}, "bob").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(
      dispatcher_->Launch(fleet_.SignedAction(other, {&fleet_.bob, &dora_}), "bob").status()));
  EXPECT_FALSE(WasLaunched(action));
  // What was proposed is what is launched.
  EXPECT_TRUE(Propose(action, {&fleet_.bob})->launched.has_value());
}

TEST_F(ProposalsTest, WhatWasRefusedIsNeverLaunchedByAnyone) {
  const v1::Action action = NewAction();
  ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
  ASSERT_TRUE(Refuse(action, fleet_.bob).ok());
  const auto again = Propose(action, {&fleet_.alice, &dora_});
  EXPECT_TRUE(absl::IsFailedPrecondition(again.status()));
  EXPECT_THAT(again.status().message(), HasSubstr("refused by bob: too broad"));
  const std::string enough = fleet_.SignedAction(action, {&fleet_.alice, &dora_});
  EXPECT_TRUE(absl::IsFailedPrecondition(dispatcher_->Launch(enough, "alice").status()));
  Stop();
  Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(proposals_->Propose(enough, "alice").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(dispatcher_->Launch(enough, "alice").status()));
  EXPECT_FALSE(WasLaunched(action));
  const auto listed = proposals_->List(/*with_closed=*/true);
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ(listed->at(0).state(), v1::Proposal::STATE_REFUSED);
  EXPECT_FALSE(listed->at(0).refusal().empty());
  EXPECT_TRUE(proposals_->List(false)->empty());
}

TEST_F(ProposalsTest, ARefusalThatManyOthersFollowIsNotForgottenBeforeItExpires) {
  v1::Action refused = NewAction();
  *refused.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(20));
  ASSERT_TRUE(Propose(refused, {&fleet_.alice}).ok());
  ASSERT_TRUE(Refuse(refused, fleet_.bob).ok());
  for (int i = 0; i < kClosedProposalsKept + 10; ++i) {
    const v1::Action action = NewAction();
    ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
    ASSERT_TRUE(Propose(action, {&fleet_.bob}).ok());
  }
  clock_.Set(fleet_.now + absl::Hours(1));
  EXPECT_TRUE(absl::IsFailedPrecondition(Propose(refused, {&fleet_.alice, &fleet_.bob}).status()));
  EXPECT_LE(Stored(), kClosedProposalsKept + 2) << "with it, and what came last";
}

TEST_F(ProposalsTest, ARefusalThatManyOtherRefusalsFollowIsNotForgottenEither) {
  v1::Action refused = NewAction();
  *refused.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(20));
  ASSERT_TRUE(Propose(refused, {&fleet_.alice}).ok());
  ASSERT_TRUE(Refuse(refused, fleet_.bob).ok());
  // Who wants it to be forgotten refuses what they proposed themselves.
  clock_.Set(fleet_.now + absl::Seconds(1));
  for (int i = 0; i < kClosedProposalsKept + 2; ++i) {
    v1::Action action = NewAction();
    *action.mutable_expires() = refused.expires();
    ASSERT_TRUE(Propose(action, {&dora_}, "dora").ok());
    ASSERT_TRUE(Refuse(action, dora_).ok());
  }
  const std::string enough = fleet_.SignedAction(refused, {&fleet_.alice, &dora_});
  EXPECT_TRUE(absl::IsFailedPrecondition(proposals_->Propose(enough, "dora").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(dispatcher_->Launch(enough, "dora").status()));
  EXPECT_FALSE(WasLaunched(refused));
  EXPECT_TRUE(absl::IsFailedPrecondition(Refuse(refused, dora_)));
  const auto listed = proposals_->List(/*with_closed=*/true);
  ASSERT_TRUE(listed.ok());
  EXPECT_LE(listed->size(), static_cast<size_t>(kClosedProposalsKept));
  for (const v1::Proposal& one : *listed) EXPECT_FALSE(one.signed_by().empty()) << one.action_id();
}

TEST_F(ProposalsTest, ASecondKeyOfOnePersonTakesNoOnesPlace) {
  const PrivateKey second = testing::NewKey();
  v1::TrustPolicy policy = Policy(2);
  policy.mutable_investigators(0)->add_keys()->set_spki(second.public_key().spki());
  ASSERT_EQ(policy.investigators(0).name(), "alice");
  ASSERT_TRUE(dispatcher_->PublishPolicy(fleet_.SignedPolicy(policy)).ok());
  const v1::Action action = NewAction();
  ASSERT_TRUE(Propose(action, {&fleet_.alice, &second}).ok());
  ASSERT_TRUE(Propose(action, {&second}).ok());
  EXPECT_EQ(SignaturesOf(action), 1);
  EXPECT_FALSE(WasLaunched(action));
  EXPECT_TRUE(Propose(action, {&fleet_.bob}, "bob")->launched.has_value());
}

TEST_F(ProposalsTest, OnlyWhoHasWeightRefusesAndOnlyACancellationDoes) {
  const v1::Action action = NewAction();
  ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
  const PrivateKey stranger = testing::NewKey();
  EXPECT_TRUE(absl::IsPermissionDenied(Refuse(action, fleet_.carol)));
  EXPECT_TRUE(absl::IsPermissionDenied(Refuse(action, stranger)));
  EXPECT_FALSE(
      proposals_->Refuse(SignedOrder(action, v1::Order::KIND_PAUSE, fleet_.bob), "bob").ok());
  EXPECT_TRUE(Propose(action, {&fleet_.bob})->launched.has_value());
  // From here on it is an action like any other.
  EXPECT_FALSE(proposals_->Refuse(SignedOrder(action, v1::Order::KIND_CANCEL, fleet_.bob), "bob")
                   ->has_value());
}

TEST_F(ProposalsTest, WhoLostTheAnswerAsksAgainAndIsAnsweredAsTheFirstTime) {
  const v1::Action action = NewAction();
  ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
  const std::string order = SignedOrder(action, v1::Order::KIND_CANCEL, fleet_.bob);
  ASSERT_TRUE(proposals_->Refuse(order, "bob").ok());
  EXPECT_TRUE(proposals_->Refuse(order, "bob")->has_value());

  const v1::Action other = NewAction();
  ASSERT_TRUE(Propose(other, {&fleet_.alice}).ok());
  const std::string bobs = fleet_.SignedAction(other, {&dora_});
  ASSERT_TRUE(proposals_->Propose(bobs, "dora")->launched.has_value());
  Stop();
  Start();
  const auto again = proposals_->Propose(bobs, "dora");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->launched.has_value());
  // Another signature comes too late.
  EXPECT_TRUE(absl::IsAlreadyExists(Propose(other, {&fleet_.bob}, "bob").status()));
}

TEST_F(ProposalsTest, AKillBeforeTheLaunchLosesNoSignature) {
  const v1::Action action = NewAction();
  ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
  // As it is when the scheduler dies between the second signature and the launch.
  const std::string before = store_->FindProposal(action.id())->envelope;
  ASSERT_TRUE(store_
                  ->SignProposal(action.id(), before,
                                 fleet_.SignedAction(action, {&fleet_.alice, &fleet_.bob}))
                  .ok());
  Stop();
  Start();
  EXPECT_FALSE(WasLaunched(action));
  EXPECT_THAT(proposals_->List(false)->at(0).missing(), ElementsAre(""));
  EXPECT_TRUE(Propose(action, {&fleet_.bob}, "bob")->launched.has_value());
}

TEST_F(ProposalsTest, LaunchingWhatWasProposedClosesTheProposal) {
  const v1::Action action = NewAction();
  ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
  ASSERT_TRUE(dispatcher_->Launch(fleet_.SignedAction(action, {&fleet_.bob, &dora_}), "bob").ok());
  EXPECT_TRUE(proposals_->List(false)->empty());
  EXPECT_EQ(store_->FindProposal(action.id())->state, v1::Proposal::STATE_LAUNCHED);
  // And what was launched can't be proposed.
  const v1::Action launched = fleet_.ActionProto("file");
  ASSERT_TRUE(dispatcher_->Launch(fleet_.SignedAction(launched, {&fleet_.bob}), "bob").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Propose(launched, {&fleet_.alice}).status()));
}

TEST_F(ProposalsTest, TwoWhoSignAtTheSameMomentLaunchItOnce) {
  for (int round = 0; round < 20; ++round) {
    const v1::Action action = NewAction();
    ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
    absl::StatusOr<Proposals::Proposed> bob, dora;
    std::thread one([&] { bob = Propose(action, {&fleet_.bob}, "bob"); });
    std::thread two([&] { dora = Propose(action, {&dora_}, "dora"); });
    one.join();
    two.join();
    EXPECT_NE(bob.ok() && bob->launched.has_value(), dora.ok() && dora->launched.has_value());
    EXPECT_TRUE(absl::IsAlreadyExists(bob.ok() ? dora.status() : bob.status()));
    EXPECT_TRUE(WasLaunched(action));
  }
}

TEST_F(ProposalsTest, OnePersonCanNotFillItForTheOthers) {
  Stop();
  Start({.of_one_person = 2, .in_all = 3});
  const v1::Action first = NewAction();
  ASSERT_TRUE(Propose(first, {&fleet_.alice}).ok());
  ASSERT_TRUE(Propose(NewAction(), {&fleet_.alice}).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Propose(NewAction(), {&fleet_.alice}).status()));
  EXPECT_TRUE(Propose(NewAction(), {&fleet_.bob}, "bob").ok()) << "others still can";
  EXPECT_TRUE(absl::IsResourceExhausted(Propose(NewAction(), {&dora_}, "dora").status()));
  // A signature is no new proposal; and what is closed makes room.
  EXPECT_TRUE(Propose(first, {&fleet_.bob}, "bob")->launched.has_value());
  EXPECT_TRUE(Propose(NewAction(), {&fleet_.alice}).ok());
  // So does what has expired.
  clock_.Set(fleet_.now + absl::Minutes(6));
  v1::Action late = NewAction();
  *late.mutable_expires() = ToTimestamp(clock_.Now() + absl::Minutes(5));
  EXPECT_TRUE(Propose(late, {&fleet_.alice}).ok());
}

TEST_F(ProposalsTest, WhatLaunchRefusesForAnotherReasonIsRefusedHere) {
  v1::Action action = NewAction();
  action.set_fleet_id("other-0123456789ab");
  EXPECT_TRUE(absl::IsFailedPrecondition(Propose(action, {&fleet_.alice}).status()));
  // No rule: however many sign it.
  EXPECT_TRUE(
      absl::IsPermissionDenied(Propose(fleet_.ActionProto("netstat"), {&fleet_.alice}).status()));
  EXPECT_TRUE(
      absl::IsPermissionDenied(Propose(fleet_.ActionProto("nosuch"), {&fleet_.alice}).status()));
  action = NewAction();
  clock_.Set(fleet_.now + absl::Minutes(6));
  EXPECT_TRUE(absl::IsFailedPrecondition(Propose(action, {&fleet_.alice}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(proposals_->Propose("x", "alice").status()));
}

TEST_F(ProposalsTest, ANewPolicyLaunchesNothingByItselfAndForgetsWhoLeft) {
  const v1::Action action = NewAction();
  ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
  v1::TrustPolicy policy = Policy(2);
  policy.mutable_modules(1)->set_minimum_weight(1);
  ASSERT_TRUE(dispatcher_->PublishPolicy(fleet_.SignedPolicy(policy)).ok());
  EXPECT_FALSE(WasLaunched(action));
  EXPECT_THAT(proposals_->List(false)->at(0).missing(), ElementsAre(""));
  // Without alice.
  policy = Policy(3);
  policy.mutable_investigators()->DeleteSubrange(0, 1);
  for (v1::ModulePolicy& module : *policy.mutable_modules())
    module.mutable_weights()->DeleteSubrange(0, 1);
  ASSERT_TRUE(dispatcher_->PublishPolicy(fleet_.SignedPolicy(policy)).ok());
  EXPECT_THAT(proposals_->List(false)->at(0).signed_by(), IsEmpty());
  const auto bob = Propose(action, {&fleet_.bob}, "bob");
  ASSERT_TRUE(bob.ok()) << bob.status();
  EXPECT_FALSE(bob->launched.has_value()) << "alice's signature counts no more";
  EXPECT_THAT(bob->proposal.signed_by(), ElementsAre("bob"));
  EXPECT_TRUE(Propose(action, {&dora_}, "dora")->launched.has_value());
}

TEST_F(ProposalsTest, AnExpiredOneIsListedAsSuchForAWeek) {
  const v1::Action action = NewAction();
  ASSERT_TRUE(Propose(action, {&fleet_.alice}).ok());
  clock_.Set(fleet_.now + absl::Minutes(6));
  EXPECT_TRUE(proposals_->List(false)->empty());
  ASSERT_EQ(proposals_->List(true)->size(), 1u);
  EXPECT_EQ(proposals_->List(true)->at(0).state(), v1::Proposal::STATE_EXPIRED);
  EXPECT_TRUE(absl::IsFailedPrecondition(Refuse(action, fleet_.bob)));
  clock_.Set(fleet_.now + absl::Hours(24 * 8));
  EXPECT_TRUE(proposals_->List(true)->empty());
}

}  // namespace
}  // namespace dragnet::scheduler
