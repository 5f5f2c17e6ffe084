#include "console/trust/edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/trust/keys.h"
#include "core/action.h"
#include "core/ssh_testing.h"
#include "core/strings.h"
#include "core/testing.h"

namespace dragnet::console {
namespace {

using dragnet::testing::Fleet;
using dragnet::testing::NewKey;
using ::testing::HasSubstr;

class EditTest : public ::testing::Test {
 protected:
  EditTest() : policy_(fleet_.PolicyProto()) {}

  // Fails with these words, and leaves the policy as it was.
  void ExpectRefused(const absl::Status& status, const std::string& words,
                     const v1::TrustPolicy& before) const {
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(words));
    EXPECT_EQ(policy_.SerializeAsString(), before.SerializeAsString());
  }

  uint32_t WeightOf(std::string_view name, std::string_view module) const {
    for (const v1::ModulePolicy& rule : policy_.modules()) {
      if (rule.module() != module) continue;
      for (const v1::Weight& entry : rule.weights())
        if (entry.investigator() == name) return entry.weight();
    }
    return 0;
  }

  const v1::Investigator* Find(std::string_view name) const {
    for (const v1::Investigator& person : policy_.investigators())
      if (person.name() == name) return &person;
    return nullptr;
  }

  Fleet fleet_;
  v1::TrustPolicy policy_;
  const PublicKey dave_ = NewKey().public_key();
};

TEST_F(EditTest, DraftIsTheNextVersionOfTheSame) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  const v1::TrustPolicy next = DraftSuccessor(policy_, now, absl::Hours(24));
  EXPECT_EQ(next.version(), policy_.version() + 1);
  EXPECT_EQ(*ToTime(next.issued()), now);
  EXPECT_EQ(*ToTime(next.expires()), now + absl::Hours(24));
  EXPECT_EQ(next.investigators_size(), policy_.investigators_size());
  EXPECT_TRUE(ValidateTrustPolicy(next).ok());
}

TEST_F(EditTest, AddedInvestigatorHasTheWeightsThatWereNamed) {
  Fleet::AddModule("netstat", 2, {{"alice", 1}}, &policy_);
  ASSERT_TRUE(AddInvestigator("dave", {dave_}, {v1::ROLE_OPERATOR, v1::ROLE_READER},
                              {{"*", 1}, {"netstat", 2}}, &policy_)
                  .ok());
  EXPECT_EQ(WeightOf("dave", "file"), 1U);
  EXPECT_EQ(WeightOf("dave", "netstat"), 2U);
  EXPECT_THAT(Find("dave")->roles(), ::testing::ElementsAre(v1::ROLE_READER, v1::ROLE_OPERATOR));
  EXPECT_TRUE(ValidateTrustPolicy(policy_).ok());
}

TEST_F(EditTest, NamesOfPeopleAreChecked) {
  const v1::TrustPolicy before = policy_;
  for (const char* name : {"", "Dave", "da ve", "../dave", "dave\n", "-dave"}) {
    ExpectRefused(AddInvestigator(name, {dave_}, {}, {}, &policy_), "a name is 1 to 64", before);
  }
  ExpectRefused(AddInvestigator("alice", {dave_}, {}, {}, &policy_), "already", before);
}

TEST_F(EditTest, OneKeyIsNeverTwoPeoples) {
  const v1::TrustPolicy before = policy_;
  ExpectRefused(AddInvestigator("dave", {fleet_.alice.public_key()}, {}, {}, &policy_),
                "is alice's already", before);
  ExpectRefused(ChangeKeys("bob", {fleet_.alice.public_key()}, {}, &policy_), "is alice's already",
                before);
  ExpectRefused(AddInvestigator("dave", {dave_, dave_}, {}, {}, &policy_), "already", before);
}

TEST_F(EditTest, RootKeysSignNoActionsAndSigningKeysNoPolicies) {
  const v1::TrustPolicy before = policy_;
  ExpectRefused(AddInvestigator("dave", {fleet_.roots[0].public_key()}, {}, {}, &policy_),
                "is a root key", before);
  ExpectRefused(ChangeRoots({fleet_.alice.public_key()}, {}, std::nullopt, &policy_),
                "signing key of alice", before);
}

TEST_F(EditTest, WeightForAModuleWithoutARuleIsRefusedByName) {
  const v1::TrustPolicy before = policy_;
  ExpectRefused(AddInvestigator("dave", {dave_}, {}, {{"flie", 1}}, &policy_),
                "no rule for module flie", before);
}

TEST_F(EditTest, RemovedInvestigatorLeavesNoWeightBehind) {
  ASSERT_GT(WeightOf("bob", "file"), 0U);
  ASSERT_TRUE(RemoveInvestigator("bob", &policy_).ok());
  EXPECT_EQ(Find("bob"), nullptr);
  EXPECT_EQ(WeightOf("bob", "file"), 0U);
  EXPECT_TRUE(ValidateTrustPolicy(policy_).ok());
  const v1::TrustPolicy before = policy_;
  ExpectRefused(RemoveInvestigator("bob", &policy_), "no investigator bob", before);
}

TEST_F(EditTest, KeysAreRotated) {
  const std::string old = fleet_.bob.public_key().id();
  ASSERT_TRUE(ChangeKeys("bob", {dave_}, {old.substr(0, 12)}, &policy_).ok());
  ASSERT_EQ(Find("bob")->keys_size(), 1);
  EXPECT_EQ(KeyOf(Find("bob")->keys(0))->id(), dave_.id());
  const v1::TrustPolicy before = policy_;
  ExpectRefused(ChangeKeys("bob", {}, {dave_.id()}, &policy_), "no key left", before);
  ExpectRefused(ChangeKeys("bob", {}, {old}, &policy_), "no key " + old, before);
  ExpectRefused(ChangeKeys("bob", {}, {"a"}, &policy_), "at least 8 characters", before);
  ExpectRefused(ChangeKeys("nobody", {dave_}, {}, &policy_), "no investigator nobody", before);
}

TEST_F(EditTest, AKeyOfASecurityKeyComesBackOnStricterTerms) {
  const dragnet::testing::FakeSecurityKey token(NewKey(), "ssh:dragnet");
  const PublicKey strict = *DemandUserVerification(token.public_key());
  ASSERT_TRUE(ChangeKeys("bob", {token.public_key()}, {}, &policy_).ok());
  const v1::TrustPolicy before = policy_;
  ExpectRefused(ChangeKeys("bob", {strict}, {}, &policy_), "is bob's already", before);
  ExpectRefused(ChangeKeys("alice", {strict}, {fleet_.alice.public_key().id()}, &policy_),
                "is bob's already", before);
  ASSERT_TRUE(ChangeKeys("bob", {strict}, {strict.id()}, &policy_).ok());
  ASSERT_EQ(Find("bob")->keys_size(), 2);
  EXPECT_TRUE(KeyOf(Find("bob")->keys(1))->security_key()->user_verification);
  EXPECT_THAT(KeyWords(Find("bob")->keys(1)), HasSubstr("user verified"));
  EXPECT_TRUE(ValidateTrustPolicy(policy_).ok());
}

TEST_F(EditTest, NoUserIsVerifiedByAPlainKey) {
  const auto demanded = DemandUserVerification(dave_);
  EXPECT_TRUE(absl::IsInvalidArgument(demanded.status()));
  EXPECT_THAT(std::string(demanded.status().message()), HasSubstr("not in a security key"));
}

TEST_F(EditTest, WeightOfZeroTakesItAway) {
  ASSERT_TRUE(SetWeights("file", 2, {{"alice", 3}, {"bob", 0}}, &policy_).ok());
  EXPECT_EQ(WeightOf("alice", "file"), 3U);
  EXPECT_EQ(WeightOf("bob", "file"), 0U);
  const v1::TrustPolicy before = policy_;
  ExpectRefused(SetWeights("file", 0, {}, &policy_), "would let everyone", before);
  ExpectRefused(SetWeights("file", 1, {{"nobody", 1}}, &policy_), "no investigator nobody", before);
  ExpectRefused(SetWeights("new", std::nullopt, {{"alice", 1}}, &policy_), "no rule for module",
                before);
  ASSERT_TRUE(SetWeights("new", 1, {{"alice", 1}}, &policy_).ok());
  EXPECT_EQ(WeightOf("alice", "new"), 1U);
  ASSERT_TRUE(RemoveModule("new", &policy_).ok());
  EXPECT_EQ(policy_.SerializeAsString(), before.SerializeAsString());
}

TEST_F(EditTest, RolesAreTheseAndNoOthers) {
  ASSERT_TRUE(SetRoles("bob", {v1::ROLE_OPERATOR}, &policy_).ok());
  EXPECT_THAT(Find("bob")->roles(), ::testing::ElementsAre(v1::ROLE_OPERATOR));
  EXPECT_FALSE(ParseRole("root").ok());
}

TEST_F(EditTest, RootKeysComeAndGo) {
  const PublicKey next = NewKey().public_key();
  const std::string old = fleet_.roots[0].public_key().id();
  ASSERT_TRUE(ChangeRoots({next}, {old}, std::nullopt, &policy_).ok());
  const auto roots = RootSet::FromProto(policy_.roots());
  ASSERT_TRUE(roots.ok()) << roots.status();
  EXPECT_EQ(roots->CheckThreshold({}).code(), absl::StatusCode::kPermissionDenied);
  std::vector<std::string> ids;
  for (const PublicKey& key : roots->keys()) ids.push_back(key.id());
  EXPECT_THAT(ids, ::testing::Contains(next.id()));
  EXPECT_THAT(ids, ::testing::Not(::testing::Contains(old)));
  const v1::TrustPolicy before = policy_;
  ExpectRefused(ChangeRoots({}, {}, 99, &policy_), "root threshold", before);
  ExpectRefused(ChangeRoots({}, {}, 0, &policy_), "root threshold", before);
  ExpectRefused(ChangeRoots({next}, {}, std::nullopt, &policy_), "already", before);
}

TEST_F(EditTest, ReleaseKeysComeAndGo) {
  const PublicKey first = fleet_.releasers[0].public_key();
  const PublicKey second = fleet_.releasers[1].public_key();
  v1::TrustPolicy before = policy_;
  ExpectRefused(ChangeReleaseKeys({first}, {}, std::nullopt, &policy_), "--threshold", before);
  ExpectRefused(ChangeReleaseKeys({fleet_.bob.public_key()}, {}, 1, &policy_), "bob's", before);
  ExpectRefused(ChangeReleaseKeys({fleet_.roots[0].public_key()}, {}, 1, &policy_), "a root key",
                before);
  ASSERT_TRUE(ChangeReleaseKeys({first, second}, {}, 2, &policy_).ok());
  EXPECT_EQ(policy_.release_keys().keys_size(), 2);
  before = policy_;
  ExpectRefused(ChangeReleaseKeys({first}, {}, std::nullopt, &policy_), "already", before);
  ExpectRefused(ChangeReleaseKeys({}, {first.id()}, std::nullopt, &policy_), "release threshold: 2",
                before);
  ASSERT_TRUE(ChangeReleaseKeys({}, {first.id()}, 1, &policy_).ok());
  before = policy_;
  ExpectRefused(ChangeReleaseKeys({}, {second.id()}, 1, &policy_), "no release key left", before);
  ASSERT_TRUE(ChangeReleaseKeys({}, {second.id()}, std::nullopt, &policy_).ok());
  EXPECT_FALSE(policy_.has_release_keys());
  EXPECT_TRUE(ValidateTrustPolicy(policy_).ok());
}

TEST_F(EditTest, WeightsAreReadStrictly) {
  EXPECT_EQ(ParseNamedWeight("a=b=1")->name, "a=b");
  for (const char* text : {"", "=1", "alice", "alice=", "alice=x", "alice=-1", "alice=1001"}) {
    EXPECT_FALSE(ParseNamedWeight(text).ok()) << text;
  }
}

TEST(ReadPublicKeyTest, PrivateKeysAreRefusedByName) {
  const auto refused = ReadPublicKey(NewKey().ToPem());
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("private key"));
  EXPECT_TRUE(ReadPublicKey(NewKey().public_key().ToPem()).ok());
}

}  // namespace
}  // namespace dragnet::console
