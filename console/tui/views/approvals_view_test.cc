#include <gtest/gtest.h>

#include "console/tui/testing/tui_fixture.h"
#include "core/order.h"

namespace dragnet::console::tui {
namespace {

class ApprovalsViewTest : public testing::TuiTest {
 protected:
  ApprovalsViewTest() { PinRoots(); }

  // The sample module needs two; alice looks.
  void StartApprovals() {
    v1::TrustPolicy policy = Policy();
    for (v1::ModulePolicy& module : *policy.mutable_modules())
      if (module.module() == "sample") module.set_minimum_weight(minimum_);
    for (v1::ModulePolicy& module : *policy.mutable_modules()) {
      if (module.module() != "sample" && module.module() != "file") continue;
      v1::Weight* weight = module.add_weights();
      weight->set_investigator("carol");
      weight->set_weight(1);
    }
    if (alice_has_a_token_) {
      for (v1::Investigator& investigator : *policy.mutable_investigators())
        if (investigator.name() == "alice")
          investigator.mutable_keys(0)->mutable_security_key()->set_application("ssh:");
    }
    client_->policy = fleet_.SignedPolicy(policy);
    StartConsole();
    Press(U'4');
  }

  v1::Proposal NewProposal(const std::string& name, const std::vector<const PrivateKey*>& keys) {
    v1::Action action = fleet_.ActionProto("sample");
    action.set_name(name);
    *action.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(24));
    v1::Proposal proposal;
    proposal.set_action_id(action.id());
    proposal.set_state(v1::Proposal::STATE_OPEN);
    proposal.set_envelope(fleet_.SignedAction(action, keys));
    proposal.set_proposed_by("bob");
    return proposal;
  }
  void Add(const v1::Proposal& proposal) {
    absl::MutexLock lock(&client_->mutex);
    client_->proposals.push_back(proposal);
  }
  void Tell() {
    v1::Activity activity;
    activity.set_proposals(true);
    client_->Announce(activity);
  }
  std::vector<std::string> Proposed() {
    absl::MutexLock lock(&client_->mutex);
    return client_->proposed;
  }
  std::vector<std::string> Orders() {
    absl::MutexLock lock(&client_->mutex);
    return client_->orders;
  }

  uint32_t minimum_ = 2;
  // By the policy; she signs with a key in a file all the same.
  bool alice_has_a_token_ = false;
};

TEST_F(ApprovalsViewTest, TheDocumentIsShownWithWhoSignedIt) {
  Add(NewProposal("find the implant", {&fleet_.bob}));
  StartApprovals();
  EXPECT_TRUE(Shows("find the implant"));
  EXPECT_TRUE(Shows("sample 1/2", 120, 40));
  EXPECT_TRUE(Shows("bob (verified here)", 160, 48));
  EXPECT_TRUE(Shows("Operation 1: sample", 160, 48));
}

TEST_F(ApprovalsViewTest, WhatIsSignedIsWhatWasShownAndNothingElseGoesWithIt) {
  const v1::Proposal proposal = NewProposal("find the implant", {&fleet_.bob});
  Add(proposal);
  StartApprovals();
  ASSERT_TRUE(Shows("sample 1/2", 120, 40));
  Press(U's');
  ASSERT_TRUE(Shows("Sign and launch, as alice?", 120, 40));
  EXPECT_EQ(Proposed().size(), 0u);
  Press(U'y');
  ASSERT_TRUE(loop_.WorkUntil([&] { return Proposed().size() == 1; }));
  const v1::Envelope sent = *ParseEnvelope(Proposed().front(), kActionPayloadType);
  EXPECT_EQ(sent.payload(), ParseEnvelope(proposal.envelope(), kActionPayloadType)->payload());
  ASSERT_EQ(sent.signatures_size(), 1);
  EXPECT_EQ(ValidSigners(sent, {&fleet_.alice.public_key()}).size(), 1u);
}

TEST_F(ApprovalsViewTest, ASignatureThatWouldNotCountIsNotSent) {
  alice_has_a_token_ = true;
  Add(NewProposal("find the implant", {&fleet_.bob}));
  StartApprovals();
  ASSERT_TRUE(Shows("sample 1/2", 120, 40));
  Press(U's');
  ASSERT_TRUE(Shows("Sign and launch, as alice?", 120, 40));
  Press(U'y');
  EXPECT_TRUE(Shows("doesn't count", 120, 40));
  EXPECT_EQ(Proposed().size(), 0u);
}

TEST_F(ApprovalsViewTest, ANoSignsNothing) {
  Add(NewProposal("find the implant", {&fleet_.bob}));
  StartApprovals();
  ASSERT_TRUE(Shows("sample 1/2", 120, 40));
  Press(U's');
  ASSERT_TRUE(Shows("Sign and launch, as alice?", 120, 40));
  Press(Key::Code::kEscape);
  Press(U's');
  ASSERT_TRUE(Shows("Sign and launch, as alice?", 120, 40));
  EXPECT_EQ(Proposed().size(), 0u);
}

TEST_F(ApprovalsViewTest, WhatNoOneInThePolicySignedIsNotOfferedToBeSigned) {
  const PrivateKey mallory = dragnet::testing::NewKey();
  v1::Proposal proposal = NewProposal("harmless", {&mallory});
  // What the scheduler says of it counts for nothing.
  proposal.add_signed_by("bob");
  Add(proposal);
  StartApprovals();
  ASSERT_TRUE(Shows("no one in the trust policy signed this: don't trust this scheduler"));
  Press(U's');
  EXPECT_TRUE(Shows("not signed: no one in the trust policy"));
  Press(U'r');
  EXPECT_TRUE(Shows("not refused: no one in the trust policy"));
  EXPECT_EQ(Proposed().size(), 0u);
  EXPECT_EQ(Orders().size(), 0u);
}

TEST_F(ApprovalsViewTest, TheDocumentOfAnotherActionIsNotSigned) {
  v1::Proposal proposal = NewProposal("the one that is signed", {&fleet_.bob});
  proposal.set_action_id(NewProposal("another", {&fleet_.bob}).action_id());
  Add(proposal);
  StartApprovals();
  ASSERT_TRUE(Shows("the document of another action", 160, 48));
  Press(U's');
  EXPECT_TRUE(Shows("not signed: the scheduler gave the document of another action", 160, 48));
  EXPECT_EQ(Proposed().size(), 0u);
}

TEST_F(ApprovalsViewTest, WhatThisVersionCantShowIsNotSigned) {
  v1::Action action = fleet_.ActionProto("memory");
  v1::Proposal proposal = NewProposal("", {});
  proposal.set_action_id(action.id());
  proposal.set_envelope(fleet_.SignedAction(action, {&fleet_.bob}));
  Add(proposal);
  StartApprovals();
  ASSERT_TRUE(Shows("can't show what it would do"));
  Press(U's');
  EXPECT_TRUE(Shows("not signed: "));
  EXPECT_EQ(Proposed().size(), 0u);
}

TEST_F(ApprovalsViewTest, NobodySignsTwice) {
  minimum_ = 3;
  Add(NewProposal("find the implant", {&fleet_.alice}));
  StartApprovals();
  ASSERT_TRUE(Shows("sample 1/3", 120, 40));
  Press(U's');
  EXPECT_TRUE(Shows("not signed: you have signed; it still needs weight 3", 120, 40));
  EXPECT_EQ(Proposed().size(), 0u);
}

TEST_F(ApprovalsViewTest, WhatStillMissesAfterOnesSignatureIsSaid) {
  minimum_ = 3;
  const v1::Proposal proposal = NewProposal("find the implant", {&fleet_.bob});
  Add(proposal);
  client_->propose = [&](const v1::ProposeRequest& request) {
    v1::Envelope joined = *ParseEnvelope(proposal.envelope(), kActionPayloadType);
    joined.mutable_signatures()->MergeFrom(
        ParseEnvelope(request.envelope(), kActionPayloadType)->signatures());
    v1::ProposeResponse response;
    *response.mutable_proposal() = proposal;
    response.mutable_proposal()->set_envelope(joined.SerializeAsString());
    client_->proposals = {response.proposal()};
    return response;
  };
  StartApprovals();
  ASSERT_TRUE(Shows("sample 1/3", 120, 40));
  Press(U's');
  ASSERT_TRUE(Shows("still waits for others", 120, 40));
  Press(U'y');
  EXPECT_TRUE(Shows("signed find the implant; it still needs weight 3 for sample, has 2", 120, 40));
  EXPECT_TRUE(Shows("sample 2/3", 120, 40));
}

TEST_F(ApprovalsViewTest, ARefusalIsSignedAndHasAReason) {
  const v1::Proposal proposal = NewProposal("find the implant", {&fleet_.bob});
  Add(proposal);
  StartApprovals();
  ASSERT_TRUE(Shows("sample 1/2", 120, 40));
  Press(U'r');
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("say why", 120, 40));
  Type("wrong host");
  Press(Key::Code::kEnter);
  ASSERT_TRUE(loop_.WorkUntil([&] { return Orders().size() == 1; }));
  const v1::Envelope envelope = *ParseEnvelope(Orders().front(), kOrderPayloadType);
  EXPECT_EQ(ValidSigners(envelope, {&fleet_.alice.public_key()}).size(), 1u);
  const v1::Order order = *ParseOrder(envelope.payload());
  EXPECT_EQ(order.kind(), v1::Order::KIND_CANCEL);
  EXPECT_EQ(order.action_id(), proposal.action_id());
  EXPECT_EQ(order.reason(), "wrong host");
}

// What carol says of an action.
v1::Order RefusalOf(const v1::Proposal& proposal, const dragnet::testing::Fleet& fleet) {
  v1::Order order;
  order.set_id(NewUuidV7(fleet.now));
  order.set_fleet_id(fleet.id);
  order.set_action_id(proposal.action_id());
  order.set_kind(v1::Order::KIND_CANCEL);
  order.set_reason("not today");
  *order.mutable_issued() = ToTimestamp(fleet.now);
  *order.mutable_expires() = ToTimestamp(fleet.now + absl::Hours(30));
  return order;
}

TEST_F(ApprovalsViewTest, OneThatIsDecidedByOthersWhileItIsReadIsSaid) {
  v1::Proposal proposal = NewProposal("find the implant", {&fleet_.bob});
  Add(proposal);
  StartApprovals();
  ASSERT_TRUE(Shows("sample 1/2", 120, 40));
  Press(Key::Code::kEnter);
  proposal.set_state(v1::Proposal::STATE_REFUSED);
  proposal.set_refusal(
      dragnet::testing::Signed(kOrderPayloadType, RefusalOf(proposal, fleet_), {&fleet_.carol}));
  {
    absl::MutexLock lock(&client_->mutex);
    client_->proposals = {proposal};
  }
  Tell();
  EXPECT_TRUE(Shows("find the implant: refused: cancelled by carol: not today", 120, 40));
  // Its document is still there to be read, and nothing can be signed.
  EXPECT_TRUE(Shows("Operation 1: sample", 120, 40));
  Press(U's');
  EXPECT_TRUE(Shows("not signed: it waits for no signature", 120, 40));
}

TEST_F(ApprovalsViewTest, ARefusalThatNobodySignedIsNotBelieved) {
  v1::Proposal proposal = NewProposal("find the implant", {&fleet_.bob});
  proposal.set_state(v1::Proposal::STATE_REFUSED);
  const PrivateKey mallory = dragnet::testing::NewKey();
  proposal.set_refusal(
      dragnet::testing::Signed(kOrderPayloadType, RefusalOf(proposal, fleet_), {&mallory}));
  Add(proposal);
  StartApprovals();
  ASSERT_TRUE(Shows("Nothing waits for a signature"));
  Press(U'c');
  ASSERT_TRUE(Shows("find the implant"));
  EXPECT_TRUE(Shows("the order is not valid"));
  EXPECT_EQ(Screen().find("cancelled by"), std::string::npos);
}

TEST_F(ApprovalsViewTest, WhatIsShownWhileTheSchedulerIsAwayIsSaidToBeOld) {
  Add(NewProposal("find the implant", {&fleet_.bob}));
  StartApprovals();
  ASSERT_TRUE(Shows("find the implant"));
  client_->BreakStreams(absl::UnavailableError("connection to localhost:1 lost"));
  EXPECT_TRUE(Shows("the scheduler is away: this is how it was before"));
  EXPECT_NE(Screen().find("find the implant"), std::string::npos);
}

TEST_F(ApprovalsViewTest, ANameCantForgeALineOrReachTheTerminal) {
  v1::Proposal proposal = NewProposal("harmless\x1b[2J\u202eevil", {&fleet_.bob});
  proposal.set_proposed_by("bob\nSigned by    everyone");
  Add(proposal);
  StartApprovals();
  ASSERT_TRUE(Shows("harmless"));
  EXPECT_TRUE(Shows("harmless\\x1b[2J\\u202eevil"));
  EXPECT_EQ(Screen().find('\x1b'), std::string::npos);
  EXPECT_EQ(Screen().find("\nSigned by    everyone"), std::string::npos) << Screen();
}

TEST_F(ApprovalsViewTest, TheSelectionStaysWhereItIsWhenOthersCome) {
  Add(NewProposal("older one", {&fleet_.bob}));
  StartApprovals();
  ASSERT_TRUE(Shows("older one"));
  {
    const v1::Proposal newer = NewProposal("newer one", {&fleet_.bob});
    absl::MutexLock lock(&client_->mutex);
    client_->proposals.insert(client_->proposals.begin(), newer);
  }
  Tell();
  ASSERT_TRUE(Shows("newer one", 160, 48));
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("older one"));
  EXPECT_EQ(Screen().find("newer one"), std::string::npos) << Screen();
}

}  // namespace
}  // namespace dragnet::console::tui
