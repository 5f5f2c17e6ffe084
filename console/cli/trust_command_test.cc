// `dragnet trust agents` and `revoke`, and what the others say without a fleet;
// the whole flow is tests/e2e/trust_command_test.cc's.
#include <gmock/gmock.h>

#include "console/cli/envelope_file.h"
#include "console/testing/console_fixture.h"
#include "core/envelope.h"
#include "core/ssh_testing.h"
#include "core/testing.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TrustTest : public testing::ConsoleTest {
 protected:
  static v1::AgentInfo Holding(const std::string& name, uint64_t version,
                               v1::AgentInfo::State state = v1::AgentInfo::STATE_ONLINE) {
    v1::AgentInfo agent = Agent(name, StrCat("id-of-", name), state);
    agent.set_trust_policy_version(version);
    return agent;
  }

  void Hold(uint64_t version) {
    scheduler_->policy = fleet_.SignedPolicy(fleet_.PolicyProto(version));
  }
};

TEST_F(TrustTest, AgentsAreCountedByVersionAndThoseBehindAreNamed) {
  Hold(3);
  scheduler_->agents = {Holding("a", 3), Holding("b", 3, v1::AgentInfo::STATE_OFFLINE),
                        Holding("c\x1b[2J", 2), Holding("d", 0),
                        Holding("e", 1, v1::AgentInfo::STATE_REVOKED)};
  const testing::Outcome outcome = Dragnet({"trust", "agents"});
  EXPECT_EQ(outcome.status, 3) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("3                2         1  newest\n"));
  EXPECT_THAT(outcome.out, HasSubstr("2                1         1\n"));
  EXPECT_THAT(outcome.out, HasSubstr("none             1         1\n"));
  EXPECT_THAT(outcome.err, HasSubstr("1 revoked agents aren't counted"));
  EXPECT_THAT(outcome.out, HasSubstr("id-of-d"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("id-of-a")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("id-of-e")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
  const testing::Outcome behind = Dragnet({"trust", "agents", "--behind", "-o", "jsonl"});
  EXPECT_EQ(behind.status, 3);
  EXPECT_EQ(std::count(behind.out.begin(), behind.out.end(), '\n'), 2);
}

TEST_F(TrustTest, MoreBehindThanAreShownAreCounted) {
  Hold(2);
  for (int i = 0; i < 25; ++i) scheduler_->agents.push_back(Holding(StrCat("web", i), 1));
  EXPECT_THAT(Dragnet({"trust", "agents"}).err, HasSubstr("and 5 more"));
  EXPECT_THAT(Dragnet({"trust", "agents", "--behind"}).out, HasSubstr("id-of-web24"));
}

TEST_F(TrustTest, NobodyBehindIsDone) {
  Hold(2);
  scheduler_->agents = {Holding("a", 2)};
  const testing::Outcome outcome = Dragnet({"trust", "agents"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("Every agent has version 2"));
}

TEST_F(TrustTest, RevokeAsksAndNamesThePerson) {
  EXPECT_EQ(Dragnet({"trust", "revoke", "bob"}, "n").status, 2);
  EXPECT_EQ(Dragnet({"trust", "revoke", "../bob", "--yes"}).status, 2);
  EXPECT_TRUE(scheduler_->revoked.empty());
  EXPECT_EQ(Dragnet({"trust", "revoke", "bob", "--yes"}).status, 0);
  EXPECT_EQ(scheduler_->revoked.size(), 1U);
}

TEST_F(TrustTest, WhoIsNoOperatorIsToldBeforeAnythingIsSent) {
  WriteFile("next", fleet_.SignedPolicy(fleet_.PolicyProto(2)), 0644);
  const testing::Outcome outcome = Dragnet({"trust", "publish", Path("next"), "--yes"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("alice has not the role operator"));
  EXPECT_TRUE(scheduler_->published.empty());
}

TEST_F(TrustTest, PolicyOfAnotherFleetIsNotPublished) {
  v1::TrustPolicy other = fleet_.PolicyProto(2);
  other.set_fleet_id("other-0123456789ab");
  WriteFile("next", fleet_.SignedPolicy(other), 0644);
  const testing::Outcome outcome = Dragnet({"trust", "publish", Path("next"), "--yes"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("of fleet other-0123456789ab"));
  EXPECT_TRUE(scheduler_->published.empty());
}

TEST_F(TrustTest, UserVerificationIsDemandedOfASecurityKeyAndOfNoOther) {
  const dragnet::testing::FakeSecurityKey token;
  WriteFile("token.pub", dragnet::testing::OpenSshLine(token.public_key()), 0644);
  WriteFile("plain.pub", dragnet::testing::NewKey().public_key().ToPem(), 0644);
  ASSERT_EQ(Dragnet({"trust", "draft", Path("next.json")}).status, 0);
  const auto key = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"trust", "key", Path("next.json"), "bob"});
    words.push_back("--user-verification");
    return Dragnet(words);
  };
  const testing::Outcome of_none = key({});
  EXPECT_EQ(of_none.status, 2);
  EXPECT_THAT(of_none.err, HasSubstr("of which key"));
  const testing::Outcome of_a_plain_one =
      key({"--add", Path("token.pub"), "--add", Path("plain.pub")});
  EXPECT_EQ(of_a_plain_one.status, 2);
  EXPECT_THAT(of_a_plain_one.err, HasSubstr("plain.pub: key "));
  EXPECT_THAT(of_a_plain_one.err, HasSubstr("not in a security key"));
  ASSERT_EQ(Dragnet({"trust", "key", Path("next.json"), "bob", "--add", Path("token.pub")}).status,
            0);
  const testing::Outcome strict =
      key({"--remove", token.public_key().id(), "--add", Path("token.pub")});
  EXPECT_EQ(strict.status, 0) << strict.err;
  EXPECT_THAT(strict.out, HasSubstr("user verified"));
}

TEST_F(TrustTest, SymbolicLinkIsNotReplacedByAFile) {
  ASSERT_EQ(Dragnet({"trust", "draft", Path("real.json")}).status, 0);
  std::filesystem::create_symlink(Path("real.json"), Path("link.json"));
  const testing::Outcome outcome =
      Dragnet({"trust", "weight", Path("link.json"), "file", "--minimum", "2"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("not a regular file"));
  EXPECT_TRUE(std::filesystem::is_symlink(Path("link.json")));
}

TEST(EnvelopeFileTest, BinaryFormIsNotTakenForJsonWhateverItsPayloadsSize) {
  for (const size_t size : {0, 1, 122, 123, 124, 300}) {
    const v1::Envelope envelope = NewEnvelope(kActionPayloadType, std::string(size, 'x'));
    const absl::StatusOr<std::string> bytes = EnvelopeBytes(envelope.SerializeAsString());
    ASSERT_TRUE(bytes.ok()) << size << bytes.status();
    EXPECT_EQ(*bytes, envelope.SerializeAsString()) << size;
  }
}

}  // namespace
}  // namespace dragnet::console
