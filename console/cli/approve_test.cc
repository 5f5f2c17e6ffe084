// Proposing and approving from the flags to the exit status, against a scheduler
// that may say what it likes.
#include <gmock/gmock.h>

#include "console/investigation/orders.h"
#include "console/testing/console_fixture.h"
#include "core/order.h"

namespace dragnet::console {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Outcome;
using ::testing::SizeIs;

// `sample` needs alice and bob.
class ApproveTest : public testing::ConsoleTest {
 protected:
  ApproveTest() {
    v1::TrustPolicy policy = fleet_.PolicyProto();
    dragnet::testing::Fleet::AddModule("sample", 2, {{"alice", 1}, {"bob", 1}}, &policy);
    scheduler_->policy = fleet_.SignedPolicy(policy);
    scheduler_->agents = {Agent("web1", "id1")};
    scheduler_->streams = {{RowEvent(1, "web1", {Row("/etc/passwd")}), EndEvent(Progress(1))}};
  }

  TrustPolicy Policy() const {
    return *TrustPolicy::VerifyFirst(scheduler_->policy, fleet_.Pinned(), fleet_.id);
  }
  v1::ActionInfo Proposed(const v1::Action& action, const std::vector<const PrivateKey*>& keys) {
    v1::ActionInfo info = StoredAction(action, keys);
    info.clear_launched_by();
    info.set_phase(v1::DISPATCH_PHASE_PROPOSED);
    return info;
  }
  v1::Proposal ProposalOf(const v1::ActionInfo& info) {
    v1::Proposal proposal;
    proposal.set_action_id(info.action_id());
    proposal.set_state(v1::Proposal::STATE_OPEN);
    proposal.set_envelope(info.envelope());
    proposal.set_proposed_by("bob");
    return proposal;
  }
  static v1::Envelope EnvelopeOf(const std::string& bytes) {
    v1::Envelope envelope;
    envelope.ParseFromString(bytes);
    return envelope;
  }
};

TEST_F(ApproveTest, WhenOneSignatureIsNotEnoughItSaysSoBeforeItAsksAndProposes) {
  const Outcome no = Dragnet({"sample", "--path", "/etc"}, "n");
  EXPECT_THAT(no.err, HasSubstr("needs weight 2 for sample, your signature gives 1"));
  EXPECT_THAT(no.err, HasSubstr("Sign and propose?"));
  EXPECT_THAT(scheduler_->propositions, IsEmpty());
  const Outcome yes = Dragnet({"sample", "--path", "/etc", "--yes", "--no-wait"});
  EXPECT_EQ(yes.status, 0) << yes.err;
  ASSERT_THAT(scheduler_->propositions, SizeIs(1));
  EXPECT_THAT(scheduler_->launched, IsEmpty());
  const v1::Envelope envelope = EnvelopeOf(scheduler_->propositions[0]);
  EXPECT_THAT(Policy().Signers(envelope), ElementsAre("alice"));
  const v1::Action action = *ParseAction(envelope.payload());
  EXPECT_GT(*ToTime(action.expires()), absl::Now() + absl::Hours(23)) << "others must find time";
  EXPECT_EQ(yes.out, action.id() + "\n");
  EXPECT_THAT(yes.err, HasSubstr("dragnet approve " + action.id()));
}

TEST_F(ApproveTest, TheLifetimeThatWasGivenStands) {
  EXPECT_EQ(Dragnet({"sample", "--path", "/etc", "--expires", "10m", "--yes", "--no-wait"}).status,
            0);
  const v1::Action action = *ParseAction(EnvelopeOf(scheduler_->propositions.at(0)).payload());
  EXPECT_LT(*ToTime(action.expires()), absl::Now() + absl::Minutes(11));
}

TEST_F(ApproveTest, MachineFormatsOfWhatWasProposed) {
  const Outcome json =
      Dragnet({"sample", "--path", "/etc", "--yes", "--no-wait", "--output", "json"});
  EXPECT_THAT(json.out, HasSubstr("\"state\":\"proposed\""));
  const Outcome csv =
      Dragnet({"sample", "--path", "/etc", "--yes", "--no-wait", "--output", "csv"});
  EXPECT_THAT(csv.out, HasSubstr("action_id,state\n"));
}

TEST_F(ApproveTest, WhoHasNoWeightIsToldBeforeAnythingIsSigned) {
  WriteFile("signing.key", fleet_.carol.ToPem(), 0600);
  const Outcome outcome = Dragnet({"sample", "--path", "/etc", "--yes"});
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.err, HasSubstr("no weight"));
  EXPECT_THAT(scheduler_->propositions, IsEmpty());
  EXPECT_THAT(scheduler_->launched, IsEmpty());
}

TEST_F(ApproveTest, ARefusalEndsTheWait) {
  // Answered for whatever is asked for: the fake keeps nothing.
  v1::ActionInfo refused = Proposed(SampleAction(), {&fleet_.alice});
  refused.set_phase(v1::DISPATCH_PHASE_REFUSED);
  refused.set_phase_reason("cancelled by bob: too broad\x1b[2J");
  scheduler_->actions = {refused};
  scheduler_->any_action_id = true;
  const Outcome outcome = Dragnet({"sample", "--path", "/etc", "--yes"});
  EXPECT_EQ(outcome.status, 4) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("cancelled by bob: too broad"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("\x1b")));
}

TEST_F(ApproveTest, WhenOthersHaveSignedItIsFollowed) {
  v1::ActionInfo launched = StoredAction(SampleAction(), {&fleet_.alice, &fleet_.bob});
  launched.set_phase(v1::DISPATCH_PHASE_OPEN);
  scheduler_->actions = {launched};
  scheduler_->any_action_id = true;
  const Outcome outcome = Dragnet({"sample", "--path", "/etc", "--yes"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("/etc/passwd"));
}

TEST_F(ApproveTest, TheListSaysWhatIsTrueAndNotWhatTheSchedulerSays) {
  const v1::Action action = SampleAction();
  v1::Proposal honest = ProposalOf(Proposed(action, {&fleet_.bob}));
  honest.add_signed_by("mallory");
  const PrivateKey stranger = dragnet::testing::NewKey();
  v1::Proposal forged = ProposalOf(Proposed(SampleAction(), {&stranger}));
  forged.add_signed_by("bob");
  scheduler_->proposals = {honest, forged};
  const Outcome outcome = Dragnet({"approve"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(action.id()));
  EXPECT_THAT(outcome.out, HasSubstr("needs weight 2 for sample, has 1"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("mallory")));
  EXPECT_THAT(outcome.out, HasSubstr("don't trust this scheduler"));
  EXPECT_THAT(Dragnet({"approve", "--output", "jsonl"}).out, HasSubstr("\"name\":\"test action"));
  // Of another action than it says.
  scheduler_->proposals[0].set_action_id(SampleAction().id());
  EXPECT_NE(Dragnet({"approve"}).status, 0);
}

TEST_F(ApproveTest, WhatIsSignedIsThePayloadThatWasShownAndNothingElse) {
  const v1::Action action = SampleAction();
  v1::ActionInfo info = Proposed(action, {&fleet_.bob});
  // A signature in alice's name, so that hers would look superfluous.
  v1::Envelope envelope = EnvelopeOf(info.envelope());
  v1::Signature* forged = envelope.add_signatures();
  forged->set_keyid(fleet_.alice.public_key().id());
  forged->set_sig(std::string(64, 'x'));
  info.set_envelope(envelope.SerializeAsString());
  scheduler_->actions = {info};
  scheduler_->proposed.resize(1);
  scheduler_->proposed[0].mutable_launched()->set_targeted(7);
  const Outcome outcome = Dragnet({"approve", action.id().substr(0, 20)}, "y");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("Sign and launch?"));
  EXPECT_THAT(outcome.err, HasSubstr("Signed by"));
  EXPECT_THAT(outcome.err, HasSubstr("7 targeted"));
  ASSERT_THAT(scheduler_->propositions, SizeIs(1));
  const v1::Envelope sent = EnvelopeOf(scheduler_->propositions[0]);
  EXPECT_EQ(sent.payload(), action.SerializeAsString());
  EXPECT_THAT(Policy().Signers(sent), ElementsAre("alice"));
  EXPECT_EQ(sent.signatures_size(), 1);
}

TEST_F(ApproveTest, WhatNoOneSignedIsRefusedByName) {
  const PrivateKey stranger = dragnet::testing::NewKey();
  const v1::Action action = SampleAction();
  scheduler_->actions = {Proposed(action, {&stranger})};
  const Outcome outcome = Dragnet({"approve", action.id(), "--yes"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("don't trust this scheduler"));
  EXPECT_THAT(scheduler_->propositions, IsEmpty());
}

TEST_F(ApproveTest, WhatAnotherFleetWaitsForIsNotSignedHere) {
  // Signed by bob, who is an investigator of both.
  v1::Action action = SampleAction();
  action.set_fleet_id("other-0123456789ab");
  scheduler_->actions = {Proposed(action, {&fleet_.bob})};
  const Outcome outcome = Dragnet({"approve", action.id(), "--yes"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("for fleet other-0123456789ab"));
  EXPECT_THAT(scheduler_->propositions, IsEmpty());
}

TEST_F(ApproveTest, WhatThisVersionCantShowIsNotSigned) {
  v1::Action action = SampleAction();
  // No message of the module's.
  action.mutable_operations(0)->set_parameters("\xff\xff\xff");
  scheduler_->actions = {Proposed(action, {&fleet_.bob})};
  const Outcome outcome = Dragnet({"approve", action.id(), "--yes"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("can't read the parameters of sample"));
  EXPECT_THAT(scheduler_->propositions, IsEmpty());
}

TEST_F(ApproveTest, AnOrderIsNotJudgedByADocumentThatNoOneSigned) {
  const v1::Action action = SampleAction();
  const absl::StatusOr<v1::Order> order =
      NewOrder(v1::Order::KIND_CANCEL, action, fleet_.id, "", absl::Now());
  ASSERT_TRUE(order.ok()) << order.status();
  WriteFile("order", dragnet::testing::Signed(kOrderPayloadType, *order, {&fleet_.alice}), 0644);
  const PrivateKey stranger = dragnet::testing::NewKey();
  scheduler_->actions = {StoredAction(action, {&stranger})};
  const Outcome launch = Dragnet({"launch", Path("order"), "--yes"});
  EXPECT_EQ(launch.status, 2);
  EXPECT_THAT(launch.err, HasSubstr("don't trust this scheduler"));
  EXPECT_THAT(scheduler_->orders, IsEmpty());
  const Outcome verify = Dragnet({"verify", Path("order")});
  EXPECT_EQ(verify.status, 4);
  EXPECT_THAT(verify.out, Not(HasSubstr("The order holds")));
  scheduler_->actions = {StoredAction(action, {&fleet_.bob})};
  EXPECT_EQ(Dragnet({"verify", Path("order")}).status, 0);
  EXPECT_EQ(Dragnet({"launch", Path("order"), "--yes"}).status, 0);
}

TEST_F(ApproveTest, YesTakesWholeIdsOnlyAndNoIsNo) {
  const v1::Action action = SampleAction();
  scheduler_->actions = {Proposed(action, {&fleet_.bob})};
  EXPECT_EQ(Dragnet({"approve", action.id().substr(24), "--yes"}).status, 2);
  EXPECT_EQ(Dragnet({"approve", action.id()}, "n").status, 2);
  EXPECT_THAT(scheduler_->propositions, IsEmpty());
  EXPECT_EQ(Dragnet({"approve", action.id(), "--refuse", "--yes"}).status, 2) << "no reason";
  EXPECT_EQ(Dragnet({"approve", "--refuse", "--reason", "x", "--yes"}).status, 2) << "no action";
  EXPECT_THAT(scheduler_->orders, IsEmpty());
}

TEST_F(ApproveTest, OnesOwnSignatureIsNotGivenTwice) {
  const v1::Action action = SampleAction();
  scheduler_->actions = {Proposed(action, {&fleet_.alice})};
  const Outcome outcome = Dragnet({"approve", action.id(), "--yes"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("signed it already"));
  EXPECT_THAT(scheduler_->propositions, IsEmpty());
}

TEST_F(ApproveTest, ARefusalIsASignedCancellation) {
  const v1::Action action = SampleAction();
  scheduler_->actions = {Proposed(action, {&fleet_.bob})};
  const Outcome outcome =
      Dragnet({"approve", action.id(), "--refuse", "--reason", "too broad", "--yes"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  ASSERT_THAT(scheduler_->orders, SizeIs(1));
  const v1::Envelope envelope = EnvelopeOf(scheduler_->orders[0]);
  EXPECT_THAT(Policy().Signers(envelope), ElementsAre("alice"));
  const v1::Order order = *ParseOrder(envelope.payload());
  EXPECT_EQ(order.action_id(), action.id());
  EXPECT_EQ(order.kind(), v1::Order::KIND_CANCEL);
  EXPECT_EQ(order.reason(), "too broad");
}

TEST_F(ApproveTest, WhatWasLaunchedOrRefusedWaitsForNoSignature) {
  const v1::Action action = SampleAction();
  v1::ActionInfo info = StoredAction(action, {&fleet_.bob});
  info.set_phase(v1::DISPATCH_PHASE_OPEN);
  scheduler_->actions = {info};
  const Outcome launched = Dragnet({"approve", action.id(), "--yes"});
  EXPECT_EQ(launched.status, 2);
  EXPECT_THAT(launched.err, HasSubstr("launched by alice"));
  EXPECT_THAT(scheduler_->propositions, IsEmpty());
}

TEST_F(ApproveTest, ActionsShowsWhatWaitsAmongTheOthers) {
  v1::Proposal proposal = ProposalOf(Proposed(SampleAction(), {&fleet_.bob}));
  scheduler_->proposals = {proposal};
  const Outcome outcome = Dragnet({"actions"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("proposed"));
  EXPECT_THAT(outcome.out, HasSubstr(proposal.action_id()));
}

}  // namespace
}  // namespace dragnet::console
