// `dragnet package` against a fake scheduler: whose token, whose root keys, what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "console/package/archive.h"
#include "console/package/testing/vendor.h"
#include "console/testing/console_fixture.h"
#include "core/action.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

using dragnet::testing::NewKey;
using dragnet::testing::Signed;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Outcome;
using ::testing::SizeIs;

const std::string kToken(64, 'c');

class PackageCommandTest : public testing::ConsoleTest {
 protected:
  PackageCommandTest() {
    WriteFile("vendor.deb", testing::VendorDeb(), 0644);
    WriteFile("token", kToken + "\n", 0600);
  }

  Outcome Make(std::vector<std::string> more, const std::string& input = "") {
    std::vector<std::string> args = {"package",          "--target", "deb",           "--agent",
                                     Path("vendor.deb"), "--out",    Path("site.deb")};
    args.insert(args.end(), more.begin(), more.end());
    return Dragnet(args, std::nullopt, input);
  }
  Outcome MakeFor(std::vector<std::string> more, const std::string& input = "") {
    more.insert(more.begin(), {"--scheduler", "dragnet.example.org:7443"});
    return Make(more, input);
  }
  // What the package has in /etc/dragnet; empty for what it doesn't have.
  std::string Etc(const std::string& name) {
    const auto package = ReadPackage(Path("site.deb"));
    EXPECT_TRUE(package.ok()) << package.status();
    const PackageFile* file = package.ok() ? package->Find("etc/dragnet/" + name) : nullptr;
    return file == nullptr ? "" : file->content;
  }
  bool Made() { return std::filesystem::exists(Path("site.deb")); }

  v1::EnrolmentToken Listed(absl::Duration left, uint32_t uses_left = 3) {
    v1::EnrolmentToken token;
    token.set_token_id(HexEncode(Sha256(kToken).substr(0, 8)));
    token.set_uses(5);
    token.set_uses_left(uses_left);
    *token.mutable_expires() = ToTimestamp(absl::Now() + left);
    return token;
  }
};

TEST_F(PackageCommandTest, AsksForATokenAndPutsItIntoAPackageThatOnlyThisUserCanRead) {
  const Outcome outcome = MakeFor({"--uses", "12", "--lifetime", "2d", "--network", "10.0.0.0/8",
                                   "--approval", "--tag", "rack=7", "--agent-tag", "env=prod"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, Path("site.deb") + "\n");
  ASSERT_THAT(scheduler_->tokens, SizeIs(1));
  EXPECT_EQ(scheduler_->tokens[0].uses(), 12u);
  EXPECT_EQ(scheduler_->tokens[0].lifetime().seconds(), 2 * 86400);
  EXPECT_EQ(scheduler_->tokens[0].networks(0), "10.0.0.0/8");
  EXPECT_TRUE(scheduler_->tokens[0].needs_approval());
  EXPECT_EQ(scheduler_->tokens[0].tags().at("rack"), "7");
  EXPECT_EQ(Etc("enrolment.token"), "00c0ffee\n");
  EXPECT_EQ(Etc("ca.pem"), ca_.pem());
  EXPECT_THAT(Etc("agent.toml"), HasSubstr("\"env\" = \"prod\""));
  EXPECT_THAT(Etc("agent.toml"), HasSubstr("root_threshold = 2"));
  EXPECT_EQ(Etc("root-2.pub"), fleet_.Pinned().keys()[1].ToPem());
  struct stat info;
  ASSERT_EQ(::stat(Path("site.deb").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_THAT(outcome.err, HasSubstr("12 hosts"));
  EXPECT_THAT(outcome.err, HasSubstr("keep it secret"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("00c0ffee")));
}

TEST_F(PackageCommandTest, NoTokenIsMadeForAPackageThatCantBe) {
  EXPECT_EQ(MakeFor({"--setting", "no_such_key = 1"}).status, 2);
  EXPECT_EQ(MakeFor({"--uses", "0"}).status, 2);
  EXPECT_EQ(MakeFor({"--tag", "x"}).status, 2);
  EXPECT_EQ(MakeFor({"--lifetime", "400d"}).status, 2);
  WriteFile("site.deb", "there already", 0644);
  const Outcome there = MakeFor({});
  EXPECT_EQ(there.status, 2);
  EXPECT_THAT(there.err, HasSubstr("nothing is overwritten"));
  EXPECT_THAT(scheduler_->tokens, IsEmpty());
}

TEST_F(PackageCommandTest, AddressThatOnlyThisMachineReachesIsNoAddressForHosts) {
  const Outcome outcome = Make({});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("give the host:port by which hosts reach it"));
}

TEST_F(PackageCommandTest, TokenThatIsGivenIsTakenFromAFileOrStandardInput) {
  scheduler_->enrolment_tokens = {Listed(absl::Hours(1))};
  const Outcome read = MakeFor({"--token-file", Path("token")});
  ASSERT_EQ(read.status, 0) << read.err;
  EXPECT_EQ(Etc("enrolment.token"), kToken + "\n");
  std::filesystem::remove(Path("site.deb"));
  const Outcome piped = MakeFor({"--token", "-"}, kToken + "\n");
  ASSERT_EQ(piped.status, 0) << piped.err;
  EXPECT_EQ(Etc("enrolment.token"), kToken + "\n");
  EXPECT_THAT(piped.err, Not(HasSubstr("command line")));
  std::filesystem::remove(Path("site.deb"));
  const Outcome typed = MakeFor({"--token", kToken});
  ASSERT_EQ(typed.status, 0);
  EXPECT_THAT(typed.err, HasSubstr("other users of this machine can see it"));
  EXPECT_THAT(typed.err, Not(HasSubstr(kToken)));
  EXPECT_THAT(scheduler_->tokens, IsEmpty());
}

TEST_F(PackageCommandTest, TokenFileThatOthersCanReadIsRefused) {
  WriteFile("token", kToken, 0644);
  EXPECT_EQ(MakeFor({"--token-file", Path("token")}).status, 2);
  EXPECT_FALSE(Made());
}

TEST_F(PackageCommandTest, TokenThatIsNoLongerGoodIsRefused) {
  const auto refusal = [&](v1::EnrolmentToken token) {
    scheduler_->enrolment_tokens = {std::move(token)};
    const Outcome outcome = MakeFor({"--token-file", Path("token")});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_FALSE(Made());
    EXPECT_THAT(outcome.err, Not(HasSubstr(kToken)));
    return outcome.err;
  };
  EXPECT_THAT(refusal(Listed(-absl::Hours(1))), HasSubstr("has expired"));
  EXPECT_THAT(refusal(Listed(absl::Hours(1), 0)), HasSubstr("all its 5 uses"));
  v1::EnrolmentToken revoked = Listed(absl::Hours(1));
  revoked.set_revoked(true);
  EXPECT_THAT(refusal(revoked), HasSubstr("was revoked"));
  v1::EnrolmentToken other = Listed(absl::Hours(1));
  other.set_token_id("0011223344556677");
  EXPECT_THAT(refusal(other), HasSubstr("doesn't know it"));
  scheduler_->enrolment_tokens = {Listed(absl::Hours(1))};
  const Outcome good = MakeFor({"--token-file", Path("token")});
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_THAT(good.err, HasSubstr("3 more hosts"));
}

TEST_F(PackageCommandTest, NewTokenThatHasExpiredByThisClockIsRefused) {
  scheduler_->token_expires = absl::Now() - absl::Seconds(1);
  const Outcome outcome = MakeFor({});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("has expired by this machine's clock"));
  EXPECT_FALSE(Made());
}

TEST_F(PackageCommandTest, WithoutASchedulerAGivenTokenWillDo) {
  scheduler_.reset();
  const Outcome outcome = MakeFor({"--offline", "--token-file", Path("token")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("isn't known"));
  // In the order of a set of keys, which is that of their ids.
  EXPECT_EQ(Etc("root-1.pub"), fleet_.Pinned().keys()[0].ToPem());
  std::filesystem::remove(Path("site.deb"));
  const Outcome unreachable = MakeFor({"--token-file", Path("token")});
  EXPECT_EQ(unreachable.status, 0) << unreachable.err;
  EXPECT_THAT(unreachable.err, HasSubstr("isn't known"));
  std::filesystem::remove(Path("site.deb"));
  EXPECT_EQ(MakeFor({}).status, 4);
  EXPECT_EQ(MakeFor({"--offline"}).status, 2);
  EXPECT_FALSE(Made());
}

TEST_F(PackageCommandTest, AfterARotationTheRootKeysThatSignNowArePinned) {
  const std::vector<PrivateKey> now = {NewKey(), NewKey(), NewKey()};
  v1::TrustPolicy policy = fleet_.PolicyProto(2);
  const RootSet roots =
      *RootSet::Create({now[0].public_key(), now[1].public_key(), now[2].public_key()}, 3);
  *policy.mutable_roots() = roots.ToProto();
  scheduler_->policy = Signed(kTrustPolicyPayloadType, policy,
                              {&fleet_.roots[0], &fleet_.roots[1], &now[0], &now[1], &now[2]});
  const Outcome outcome = MakeFor({});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("The root keys changed"));
  EXPECT_EQ(Etc("root-1.pub"), roots.keys()[0].ToPem());
  EXPECT_EQ(Etc("root-3.pub"), roots.keys()[2].ToPem());
  EXPECT_THAT(Etc("agent.toml"), HasSubstr("root_threshold = 3"));
  // What the host will do with its first policy.
  const auto first = TrustPolicy::VerifyFirst(
      scheduler_->policy,
      *RootSet::Create({now[0].public_key(), now[1].public_key(), now[2].public_key()}, 3),
      fleet_.id);
  EXPECT_TRUE(first.ok()) << first.status();
}

TEST_F(PackageCommandTest, RootKeysThatThePinnedOnesDidntSignAreNotTaken) {
  const std::vector<PrivateKey> attackers = {NewKey(), NewKey()};
  v1::TrustPolicy policy = fleet_.PolicyProto(9);
  *policy.mutable_roots() =
      RootSet::Create({attackers[0].public_key(), attackers[1].public_key()}, 2)->ToProto();
  scheduler_->policy = Signed(kTrustPolicyPayloadType, policy, {&attackers[0], &attackers[1]});
  for (const bool token : {false, true}) {
    const Outcome outcome =
        token ? MakeFor({"--token-file", Path("token")}) : MakeFor(std::vector<std::string>());
    EXPECT_NE(outcome.status, 0);
    EXPECT_THAT(outcome.err, HasSubstr("don't trust this scheduler"));
    EXPECT_FALSE(Made());
  }
}

TEST_F(PackageCommandTest, KitForHostsIsTakenWithItsToken) {
  std::filesystem::create_directory(Path("kit"));
  WriteFile("kit/ca.pem", ca_.pem(), 0644);
  WriteFile("kit/root-1.pub", fleet_.roots[0].public_key().ToPem(), 0644);
  WriteFile("kit/enrolment.token", kToken + "\n", 0600);
  const std::string toml =
      StrCat("fleet_id = \"", fleet_.id, "\"\nschedulers = [\"localhost:7443\", \"one:7443\"]\n",
             "ca_file = \"ca.pem\"\nroot_keys = [\"root-1.pub\"]\nroot_threshold = 1\n",
             "state_dir = \"state\"\nenrolment_token_file = \"enrolment.token\"\n");
  WriteFile("kit/agent.toml", toml + "[tags]\nenv = \"lab\"\n", 0644);
  const Outcome outcome = Make({"--fleet", Path("kit")});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(Etc("enrolment.token"), kToken + "\n");
  EXPECT_THAT(Etc("agent.toml"), HasSubstr("schedulers = [\"one:7443\"]"));
  EXPECT_THAT(Etc("agent.toml"), HasSubstr("\"env\" = \"lab\""));
  EXPECT_THAT(Etc("agent.toml"), Not(HasSubstr("state_dir")));
  // What it says beyond that would get lost.
  std::filesystem::remove(Path("site.deb"));
  WriteFile("kit/agent.toml", toml + "privacy = true\n", 0644);
  const Outcome more = Make({"--fleet", Path("kit")});
  EXPECT_EQ(more.status, 2);
  EXPECT_THAT(more.err, HasSubstr("privacy"));
  WriteFile("kit/agent.toml", toml, 0644);
  std::filesystem::remove(Path("kit/enrolment.token"));
  const Outcome used = Make({"--fleet", Path("kit")});
  EXPECT_EQ(used.status, 2);
  EXPECT_THAT(used.err, HasSubstr("no enrolment token any more"));
}

TEST_F(PackageCommandTest, ForeignPackageIsRefusedByName) {
  WriteFile("vendor.deb", "not a package", 0644);
  const Outcome outcome = MakeFor({});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("vendor.deb"));
  WriteFile("vendor.deb", testing::VendorTar(), 0644);
  EXPECT_THAT(MakeFor({}).err, HasSubstr("is a tar"));
  EXPECT_THAT(scheduler_->tokens, IsEmpty());
}

}  // namespace
}  // namespace dragnet::console
