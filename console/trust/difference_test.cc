#include "console/trust/difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/testing/sample_module.h"
#include "console/trust/edit.h"
#include "console/trust/reach.h"
#include "core/strings.h"
#include "core/testing.h"

namespace dragnet::console {
namespace {

using dragnet::testing::Fleet;
using dragnet::testing::NewKey;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::SampleCatalog;

// Module `sample` needs the weight of `file`, too.
class DifferenceTest : public ::testing::Test {
 protected:
  DifferenceTest() : before_(fleet_.PolicyProto()) {
    before_.clear_modules();
    Fleet::AddModule("file", 2, {{"alice", 1}, {"bob", 1}, {"carol", 1}}, &before_);
    Fleet::AddModule("sample", 1, {{"alice", 1}, {"bob", 1}}, &before_);
    EXPECT_TRUE(SetRoles("alice", {v1::ROLE_INVESTIGATOR, v1::ROLE_OPERATOR}, &before_).ok());
    after_ = before_;
  }

  std::vector<Change> Changes() const { return Differences(before_, after_, SampleCatalog()); }

  // Lines with a "!" in front.
  std::string Dangers() const {
    std::string text;
    for (const Change& change : Changes())
      if (!change.danger.empty()) StrAppend(&text, change.text, "\n");
    return text;
  }

  std::string All() const { return DescribeChanges(Changes()); }

  Fleet fleet_;
  v1::TrustPolicy before_;
  v1::TrustPolicy after_;
};

TEST_F(DifferenceTest, SamePolicyChangesNothing) {
  EXPECT_THAT(Dangers(), Not(HasSubstr("alone")));
  after_.set_version(before_.version() + 1);
  EXPECT_THAT(All(), HasSubstr("version 1 -> 2"));
}

TEST_F(DifferenceTest, OlderVersionIsDangerous) {
  before_.set_version(7);
  EXPECT_THAT(Dangers(), HasSubstr("version 7 -> 1"));
}

TEST_F(DifferenceTest, ModuleThatOnePersonAloneMayNowUseIsDangerous) {
  ASSERT_TRUE(SetWeights("file", std::nullopt, {{"carol", 2}}, &after_).ok());
  EXPECT_THAT(Dangers(), HasSubstr("carol alone may run: file\n"));
  EXPECT_THAT(Dangers(), HasSubstr("module file: one person can run it"));
  EXPECT_THAT(All(), HasSubstr("weight of carol 1 -> 2"));
}

TEST_F(DifferenceTest, PowersOfAnotherModuleDecideWhoIsAlone) {
  // alice has enough weight for `sample` but not for `file`, whose powers it uses.
  EXPECT_THAT(AloneEnough(before_, "sample", SampleCatalog()), IsEmpty());
  ASSERT_TRUE(SetWeights("file", 1, {}, &after_).ok());
  EXPECT_THAT(Dangers(), HasSubstr("alice alone may run: file, sample"));
  EXPECT_THAT(Dangers(), HasSubstr("carol alone may run: file\n"));
}

TEST_F(DifferenceTest, MinimumThatFallsIsDangerousAndOneThatRisesIsNot) {
  ASSERT_TRUE(SetWeights("file", 3, {}, &after_).ok());
  EXPECT_THAT(All(), HasSubstr("  module file: minimum weight 2 -> 3"));
  EXPECT_THAT(Dangers(), Not(HasSubstr("minimum weight")));
  std::swap(before_, after_);
  EXPECT_THAT(Dangers(), HasSubstr("module file: minimum weight 3 -> 2"));
}

TEST_F(DifferenceTest, ModuleThatNobodyCanRunIsDangerous) {
  ASSERT_TRUE(SetWeights("file", 4, {}, &after_).ok());
  EXPECT_THAT(
      Dangers(),
      HasSubstr("nobody can run file: module file needs weight 4, and all together have 3"));
  EXPECT_THAT(Dangers(), HasSubstr("nobody can run sample: module file, whose powers it uses,"));
  after_ = before_;
  ASSERT_TRUE(RemoveInvestigator("bob", &after_).ok());
  ASSERT_TRUE(RemoveInvestigator("carol", &after_).ok());
  EXPECT_THAT(Dangers(), HasSubstr("nobody can run file"));
  EXPECT_THAT(All(), HasSubstr("investigator removed: bob"));
}

TEST_F(DifferenceTest, RuleThatGoesAndRuleThatComesAreDangerous) {
  ASSERT_TRUE(RemoveModule("sample", &after_).ok());
  EXPECT_THAT(Dangers(), HasSubstr("module sample: its rule is removed"));
  std::swap(before_, after_);
  EXPECT_THAT(Dangers(), HasSubstr("module sample may be used: weight 1 needed; alice 1, bob 1"));
}

TEST_F(DifferenceTest, RootsThatChangeAreDangerous) {
  const PublicKey next = NewKey().public_key();
  ASSERT_TRUE(ChangeRoots({next}, {fleet_.roots[0].public_key().id()}, std::nullopt, &after_).ok());
  EXPECT_THAT(Dangers(), HasSubstr(StrCat("root key added: Ed25519 ", next.id())));
  EXPECT_THAT(Dangers(), HasSubstr("root key removed"));
  after_ = before_;
  ASSERT_TRUE(ChangeRoots({}, {}, 1, &after_).ok());
  EXPECT_THAT(Dangers(), HasSubstr("must sign a policy: 2 -> 1"));
}

TEST_F(DifferenceTest, NewKeysAndNewOperatorsAreDangerous) {
  const PublicKey key = NewKey().public_key();
  ASSERT_TRUE(ChangeKeys("bob", {key}, {}, &after_).ok());
  ASSERT_TRUE(SetRoles("carol", {v1::ROLE_OPERATOR}, &after_).ok());
  EXPECT_THAT(Dangers(), HasSubstr(StrCat("bob: key added: Ed25519 ", key.id())));
  EXPECT_THAT(Dangers(), HasSubstr("carol: investigator -> operator"));
}

TEST_F(DifferenceTest, PolicyThatNobodyCouldReplaceIsDangerous) {
  ASSERT_TRUE(SetRoles("alice", {v1::ROLE_READER}, &after_).ok());
  EXPECT_THAT(Dangers(), HasSubstr("no one has the role operator"));
}

TEST_F(DifferenceTest, ModuleThatThisVersionDoesntKnowIsNamed) {
  ASSERT_TRUE(SetWeights("flie", 1, {{"alice", 1}}, &after_).ok());
  EXPECT_THAT(Dangers(), HasSubstr("module flie: this version has none of this name"));
}

TEST_F(DifferenceTest, HostileTextIsShownHarmless) {
  const std::string text = DescribeChanges({{"a\x1b[2J\nb", "c\x1b]0;x"}});
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

TEST_F(DifferenceTest, ReleaseKeysThatWeakenAreDangerous) {
  fleet_.AddReleaseKeys(&after_);
  EXPECT_THAT(Dangers(), HasSubstr("release key added: Ed25519"));
  EXPECT_THAT(Dangers(), HasSubstr("release keys that must sign a release: 2 of 3"));
  before_ = after_;
  EXPECT_THAT(All(), Not(HasSubstr("release")));
  after_.mutable_release_keys()->set_threshold(1);
  EXPECT_THAT(Dangers(), HasSubstr("release keys that must sign a release: 2 -> 1"));
  after_.mutable_release_keys()->mutable_keys()->RemoveLast();
  EXPECT_THAT(Dangers(), HasSubstr("release key removed: "));
  after_.clear_release_keys();
  EXPECT_THAT(Dangers(), HasSubstr("no release keys any more"));
}

}  // namespace
}  // namespace dragnet::console
