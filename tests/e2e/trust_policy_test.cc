// Trust policies that no agent may take, and what holds once one was taken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "core/action.h"
#include "core/strings.h"
#include "tests/harness/attacked_agent.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;

// Three root keys, of which two must sign.
class TrustPolicyTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    fleet_ = std::make_unique<TestFleet>(FleetOptions{.root_keys = 3, .root_threshold = 2});
    fleet_->StartScheduler();
  }
  static void TearDownTestSuite() { fleet_.reset(); }

  TrustPolicyTest() : host_(*fleet_, {.name = NextName()}) {}

  static std::string NextName() {
    static int number = 0;
    return StrCat("host-", ++number);
  }

  static const Forge& forge() { return fleet_->forge(); }
  static const PrivateKey& root(int i) { return forge().roots()[static_cast<size_t>(i)]; }
  v1::Action Valid() const { return forge().NewAction(host_.bait()); }

  bool Takes(const std::string& envelope, uint64_t version) {
    host_.rogue().SendPolicy(envelope);
    return host_.rogue()
        .WaitFor([&](const v1::AgentMessage& message) {
          return message.policy_taken().version() == version;
        })
        .has_value();
  }

  // Refused, shown so by the scheduler, and the policy held before still holds.
  void ExpectRejected(const std::string& envelope,
                      const ::testing::Matcher<std::string>& detail = ::testing::_) {
    const v1::Refusal answer = host_.SendPolicy(envelope);
    EXPECT_EQ(answer.reason(), v1::Refusal::REASON_POLICY_REJECTED) << answer.detail();
    EXPECT_THAT(answer.detail(), detail);
    const v1::Action action = Valid();
    host_.rogue().SendAction(forge().Sign(action));
    EXPECT_TRUE(host_.rogue()
                    .WaitFor([&](const v1::AgentMessage& message) {
                      return message.accepted().action_id() == action.id();
                    })
                    .has_value());
    EXPECT_EQ(host_.RefusalInSchedulersView(envelope).reason(),
              v1::Refusal::REASON_POLICY_REJECTED);
  }

  static std::unique_ptr<TestFleet> fleet_;
  AttackedAgent host_;
};

std::unique_ptr<TestFleet> TrustPolicyTest::fleet_;

TEST_F(TrustPolicyTest, SignedByTooFewRootsIsRejected) {
  ExpectRejected(Forge::SignPolicy(forge().NextPolicy(), {&root(0)}),
                 HasSubstr("signed by 1 of 3 root keys, 2 are needed"));
}

TEST_F(TrustPolicyTest, SameRootTwiceIsTooFew) {
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(Forge::SignPolicy(forge().NextPolicy(), {&root(0)})));
  v1::Signature* copy = envelope.add_signatures();
  *copy = envelope.signatures(0);
  copy->set_keyid(root(1).public_key().id());
  *envelope.add_signatures() = v1::Signature(envelope.signatures(0));
  ExpectRejected(envelope.SerializeAsString());
}

TEST_F(TrustPolicyTest, SignedByTheInvestigatorAndTheSchedulerIsRejected) {
  const PrivateKey ca = *PrivateKey::Load(fleet_->directory() + "/scheduler/ca.key");
  ExpectRejected(Forge::SignPolicy(forge().NextPolicy(), {&forge().investigator_key(), &ca}));
}

TEST_F(TrustPolicyTest, SignedByItsOwnNewRootsAloneIsRejected) {
  const PrivateKey mine = NewKey();
  v1::TrustPolicy policy = forge().NextPolicy();
  *policy.mutable_roots() = RootSet::Create({mine.public_key()}, 1)->ToProto();
  ExpectRejected(Forge::SignPolicy(policy, {&mine}));
}

TEST_F(TrustPolicyTest, RotationThatTheNewRootsDidntSignIsRejected) {
  const PrivateKey next = NewKey();
  v1::TrustPolicy policy = forge().NextPolicy();
  *policy.mutable_roots() = RootSet::Create({next.public_key()}, 1)->ToProto();
  ExpectRejected(Forge::SignPolicy(policy, {&root(0), &root(1)}),
                 HasSubstr("by its own root keys"));
}

TEST_F(TrustPolicyTest, AfterARotationTheOldRootsDecideNothing) {
  const PrivateKey next = NewKey();
  v1::TrustPolicy rotated = forge().NextPolicy(2);
  *rotated.mutable_roots() = RootSet::Create({next.public_key()}, 1)->ToProto();
  ASSERT_TRUE(Takes(Forge::SignPolicy(rotated, {&root(0), &root(1), &next}), 2));
  ExpectRejected(forge().SignPolicy(forge().NextPolicy(3)));
}

TEST_F(TrustPolicyTest, AfterARotationTheNewRootsDecide) {
  const PrivateKey next = NewKey();
  v1::TrustPolicy rotated = forge().NextPolicy(2);
  *rotated.mutable_roots() = RootSet::Create({next.public_key()}, 1)->ToProto();
  ASSERT_TRUE(Takes(Forge::SignPolicy(rotated, {&root(0), &root(1), &next}), 2));
  rotated.set_version(3);
  EXPECT_TRUE(Takes(Forge::SignPolicy(rotated, {&next}), 3));
}

TEST_F(TrustPolicyTest, OlderVersionIsRejected) {
  ASSERT_TRUE(Takes(forge().SignPolicy(forge().NextPolicy(5)), 5));
  ExpectRejected(forge().SignPolicy(forge().NextPolicy(4)), HasSubstr("not newer than version 5"));
}

TEST_F(TrustPolicyTest, SameVersionWithOtherContentIsRejected) {
  ASSERT_TRUE(Takes(forge().SignPolicy(forge().NextPolicy(5)), 5));
  v1::TrustPolicy other = forge().NextPolicy(5);
  *other.mutable_expires() = ToTimestamp(absl::Now() + absl::Hours(1));
  ExpectRejected(forge().SignPolicy(other));
}

TEST_F(TrustPolicyTest, OlderVersionIsRejectedAfterKillNine) {
  ASSERT_TRUE(Takes(forge().SignPolicy(forge().NextPolicy(5)), 5));
  host_.agent().Kill();
  host_.agent().Start();
  ASSERT_TRUE(Eventually([&] { return host_.rogue().sessions() == 2; }));
  ExpectRejected(forge().SignPolicy(forge().NextPolicy(4)), HasSubstr("not newer than version 5"));
}

TEST_F(TrustPolicyTest, ExpiredIsRejected) {
  v1::TrustPolicy policy = forge().NextPolicy();
  *policy.mutable_issued() = ToTimestamp(absl::Now() - absl::Hours(2));
  *policy.mutable_expires() = ToTimestamp(absl::Now() - absl::Hours(1));
  ExpectRejected(forge().SignPolicy(policy), HasSubstr("expired"));
}

TEST_F(TrustPolicyTest, OfAnotherFleetIsRejected) {
  v1::TrustPolicy policy = forge().NextPolicy();
  policy.set_fleet_id("other-0123456789ab");
  ExpectRejected(forge().SignPolicy(policy), HasSubstr("other-0123456789ab"));
}

TEST_F(TrustPolicyTest, MalformedIsRejected) { ExpectRejected("\xff\xff\xff not an envelope"); }

TEST_F(TrustPolicyTest, OnceItHasExpiredEveryActionIsRefused) {
  v1::TrustPolicy policy = forge().NextPolicy();
  const absl::Time end = absl::Now() + absl::Milliseconds(1500);
  *policy.mutable_expires() = ToTimestamp(end);
  ASSERT_TRUE(Takes(forge().SignPolicy(policy), 2));
  ASSERT_TRUE(Eventually([&] { return absl::Now() > end; }));
  const std::string envelope = forge().Sign(Valid());
  EXPECT_EQ(host_.SendAction(envelope).reason(), v1::Refusal::REASON_POLICY_EXPIRED);
  host_.ExpectNothingRan();
  EXPECT_EQ(host_.RefusalInSchedulersView(envelope).reason(), v1::Refusal::REASON_POLICY_EXPIRED);
}

TEST_F(TrustPolicyTest, RemovedInvestigatorIsRefused) {
  const PrivateKey successor = NewKey();
  v1::TrustPolicy policy = forge().NextPolicy();
  policy.clear_investigators();
  Fleet::AddInvestigator("eve", successor, &policy);
  for (v1::ModulePolicy& rule : *policy.mutable_modules()) {
    rule.mutable_weights(0)->set_investigator("eve");
  }
  ASSERT_TRUE(Takes(forge().SignPolicy(policy), 2));
  const std::string envelope = forge().Sign(Valid());
  EXPECT_EQ(host_.SendAction(envelope).reason(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  host_.ExpectNothingRan();
  EXPECT_EQ(host_.RefusalInSchedulersView(envelope).reason(),
            v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(TrustPolicyTest, ModuleThatTheSignerHasNoWeightForIsRefused) {
  const PrivateKey other = NewKey();
  v1::TrustPolicy policy = forge().NextPolicy();
  Fleet::AddInvestigator("other", other, &policy);
  Forge::RuleFor("file", &policy).mutable_weights(0)->set_investigator("other");
  ASSERT_TRUE(Takes(forge().SignPolicy(policy), 2));
  const std::string envelope = forge().Sign(Valid());
  EXPECT_EQ(host_.SendAction(envelope).reason(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  host_.ExpectNothingRan();
}

// --- through the fleet's own scheduler

class PublishedPolicyTest : public ::testing::Test {
 protected:
  PublishedPolicyTest() { fleet_.StartScheduler(); }
  TestFleet fleet_;
};

TEST_F(PublishedPolicyTest, ReachesConnectedAgentsAndThoseThatComeLater) {
  Agent& online = fleet_.AddOnlineAgent({.name = "online"});
  Agent& away = fleet_.AddOnlineAgent({.name = "away"});
  away.Stop();
  const std::string envelope = fleet_.forge().SignPolicy(fleet_.forge().NextPolicy());
  const absl::Status published = fleet_.api().PublishTrustPolicy(envelope);
  ASSERT_TRUE(published.ok()) << published;
  away.Start();
  for (const Agent* agent : {&online, &away}) {
    EXPECT_TRUE(Eventually([&] {
      const auto info = fleet_.InfoOf(*agent);
      return info.has_value() && info->trust_policy_version() == 2;
    })) << agent->name();
  }
}

TEST_F(PublishedPolicyTest, SchedulerRefusesWhatAgentsWouldRefuse) {
  const PrivateKey stranger = NewKey();
  const Forge& forge = fleet_.forge();
  EXPECT_FALSE(
      fleet_.api().PublishTrustPolicy(Forge::SignPolicy(forge.NextPolicy(), {&stranger})).ok());
  EXPECT_FALSE(fleet_.api().PublishTrustPolicy(forge.SignPolicy(forge.NextPolicy(1))).ok());
  EXPECT_FALSE(fleet_.api().PublishTrustPolicy("garbage").ok());
  EXPECT_FALSE(fleet_.api().Launch(Forge::Sign(forge.NewAction("/etc"), {&stranger})).ok());
}

TEST_F(PublishedPolicyTest, InvestigatorWhoWasRemovedMayDoNothingAnyMore) {
  const PrivateKey successor = NewKey();
  v1::TrustPolicy policy = fleet_.forge().NextPolicy();
  policy.clear_investigators();
  Fleet::AddInvestigator("eve", successor, &policy);
  for (v1::ModulePolicy& rule : *policy.mutable_modules()) {
    rule.mutable_weights(0)->set_investigator("eve");
  }
  ASSERT_TRUE(fleet_.api().PublishTrustPolicy(fleet_.forge().SignPolicy(policy)).ok());
  const auto launched = fleet_.api().Launch(fleet_.forge().Sign(fleet_.forge().NewAction("/etc")));
  EXPECT_EQ(launched.status().code(), absl::StatusCode::kPermissionDenied) << launched.status();
  EXPECT_EQ(fleet_.api().SearchAgents("").status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(NoPolicyTest, AgentWithoutAPolicyRefusesEverything) {
  TestFleet fleet;
  const int port = FreePort();
  RogueScheduler rogue(fleet.forge(), fleet.directory(), port);
  Agent& agent = fleet.AddAgent({.schedulers = {StrCat("127.0.0.1:", port)}});
  agent.Start();
  const std::string envelope = fleet.forge().Sign(fleet.forge().NewAction("/etc"));
  rogue.SendAction(envelope);
  const auto record = rogue.WaitForRefusal(envelope);
  ASSERT_TRUE(record.has_value()) << agent.process().Output();
  EXPECT_EQ(record->refusal().reason(), v1::Refusal::REASON_NO_POLICY);
  EXPECT_EQ(agent.WorkersStarted(), 0U);
}

}  // namespace
}  // namespace dragnet::testing
