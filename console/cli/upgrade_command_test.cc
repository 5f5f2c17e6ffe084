// `dragnet upgrade` against a fake scheduler: what is refused before anything is sent,
// what is launched, and what is said of it afterwards.
#include <gmock/gmock.h>

#include "console/cli/release_testing.h"
#include "modules/module.h"
#include "modules/upgrade/upgrade.pb.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Outcome;
using ::testing::SizeIs;
using upgrade::v1::UpgradeParameters;
using upgrade::v1::UpgradeRow;

const ModuleCatalog& Catalog() {
  static const Module* const modules[] = {FindModule("upgrade")};
  static const ModuleCatalog catalog{modules, ModuleDescriptorSet, {}};
  return catalog;
}

class UpgradeCommandTest : public testing::ReleaseConsoleTest {
 protected:
  UpgradeCommandTest() {
    modules_ = &Catalog();
    scheduler_->agents = {Running("a", "0.1.0"), Running("b", "0.1.0"), Running("c", "0.2.0"),
                          Running("d", "0.3.0"), Running("e", "nightly")};
    scheduler_->agents[1].set_state(v1::AgentInfo::STATE_OFFLINE);
    scheduler_->streams = {{EndEvent(Progress(1))}};
    AddOutcome("upgraded", "", 1);
  }

  static v1::AgentInfo Running(const std::string& name, const std::string& version) {
    v1::AgentInfo agent = Agent(name, StrCat("id-of-", name));
    agent.mutable_facts()->set_version(version);
    return agent;
  }
  void AddOutcome(const std::string& outcome, const std::string& detail, uint64_t agents) {
    UpgradeRow row;
    row.set_outcome(outcome);
    row.set_detail(detail);
    v1::StackResponse::Entry* entry = scheduler_->stack.add_entries();
    entry->set_row(row.SerializeAsString());
    entry->set_rows(agents);
    entry->set_agents(agents);
  }
  Outcome Upgrade(const std::string& bundle, std::vector<std::string> more = {"--yes"}) {
    more.insert(more.begin(), {"upgrade", Path(bundle)});
    return Dragnet(more);
  }
  v1::Action Launched(size_t index = 0) const {
    return *ParseAction(
        ParseEnvelope(scheduler_->launched.at(index), kActionPayloadType)->payload());
  }
  void ExpectNothingSent() const {
    EXPECT_THAT(scheduler_->launched, IsEmpty());
    EXPECT_THAT(scheduler_->blobs, IsEmpty());
    EXPECT_THAT(scheduler_->propositions, IsEmpty());
  }
};

TEST_F(UpgradeCommandTest, ASignedBundleIsRolledOut) {
  WritePrograms("built", "0.2.0", EM_X86_64, 20'000);
  MakeBundle("bundle");
  const Outcome outcome = Upgrade("bundle", {"-t", "name like 'web-%' or true", "--yes"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  ASSERT_THAT(scheduler_->launched, SizeIs(1));
  const v1::Action action = Launched();
  EXPECT_EQ(action.target(),
            "(name like 'web-%' or true) and os='linux' and arch='x86_64' and version<>'0.2.0'");
  EXPECT_EQ(action.dispatch().canary_percent(), 5u);
  EXPECT_EQ(action.dispatch().stop_when_failed_percent(), 10u);
  EXPECT_EQ(*ToTime(action.expires()) - *ToTime(action.not_before()),
            absl::Hours(24) + absl::Minutes(1));
  ASSERT_EQ(action.operations_size(), 1);
  EXPECT_EQ(action.operations(0).module(), "upgrade");
  ASSERT_EQ(action.operations(0).blobs_size(), 3);
  const v1::Release release =
      *ParseRelease(ParseEnvelope(EnvelopeOf("bundle"), kReleasePayloadType)->payload());
  for (int i = 0; i < 3; ++i) {
    const v1::Blob& blob = action.operations(0).blobs(i);
    EXPECT_EQ(blob.sha256(), release.platforms(0).files(i).sha256());
    EXPECT_TRUE(scheduler_->blobs.contains(blob.sha256())) << blob.field();
  }
  UpgradeParameters parameters;
  ASSERT_TRUE(parameters.ParseFromString(action.operations(0).parameters()));
  EXPECT_EQ(parameters.release(), EnvelopeOf("bundle"));
  EXPECT_THAT(outcome.err, HasSubstr("--canary 5% --stop-when-failed 10%"));
  EXPECT_THAT(outcome.err, HasSubstr("What came of it: upgraded 1"));
}

TEST_F(UpgradeCommandTest, FromWhichVersionsAgentsGoIsShownBefore) {
  MakeBundle("bundle", {"--minimum", "0.1.5"});
  const Outcome minimum = Upgrade("bundle", {"--dry-run"});
  EXPECT_EQ(minimum.status, 0) << minimum.err;
  EXPECT_THAT(minimum.err, HasSubstr("2 agents, 1 online: below 0.1.5: they refuse it"));
  MakeBundle("any");
  const Outcome any = Upgrade("any", {"--dry-run"});
  EXPECT_THAT(any.err, HasSubstr("2 agents, 1 online: go up"));
  EXPECT_THAT(any.err, HasSubstr("1 agent, 1 online: have it already"));
  EXPECT_THAT(any.err, HasSubstr("1 agent, 1 online: higher: they refuse it"));
  EXPECT_THAT(any.err, HasSubstr("can't be compared"));
  ExpectNothingSent();
}

TEST_F(UpgradeCommandTest, WhatWasGivenGoesOverTheDefaults) {
  MakeBundle("bundle");
  const Outcome outcome = Upgrade("bundle", {"--canary", "20%", "--stop-when-failed", "1%",
                                             "--expires", "2h", "--rate", "3/s", "--yes"});
  ASSERT_THAT(scheduler_->launched, SizeIs(1)) << outcome.err;
  EXPECT_EQ(Launched().dispatch().canary_percent(), 20u);
  EXPECT_EQ(Launched().dispatch().stop_when_failed_percent(), 1u);
  EXPECT_EQ(Launched().dispatch().agents_per_second(), 3u);
  EXPECT_THAT(outcome.err, Not(HasSubstr("by default")));
}

TEST_F(UpgradeCommandTest, AnUnsignedBundleIsRefusedBeforeAnythingIsSent) {
  ASSERT_EQ(New("bundle").status, 0);
  Outcome outcome = Upgrade("bundle");
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.err, HasSubstr("signed by 0 of 3 release keys"));
  ASSERT_EQ(Sign("bundle", "release-1.key").status, 0);
  outcome = Upgrade("bundle");
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.err, HasSubstr("signed by 1 of 3 release keys"));
  ExpectNothingSent();
}

TEST_F(UpgradeCommandTest, AnExpiredBundleIsRefusedBeforeAnythingIsSent) {
  MakeBundle("bundle");
  v1::Release release =
      *ParseRelease(ParseEnvelope(EnvelopeOf("bundle"), kReleasePayloadType)->payload());
  *release.mutable_issued() = ToTimestamp(fleet_.now - absl::Hours(2));
  *release.mutable_expires() = ToTimestamp(fleet_.now - absl::Hours(1));
  WriteFile("bundle/release.dnr", fleet_.SignedRelease(release), 0644);
  const Outcome outcome = Upgrade("bundle");
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.err, HasSubstr("expired on"));
  ExpectNothingSent();
}

TEST_F(UpgradeCommandTest, ABundleWithOtherProgramsIsRefusedBeforeAnythingIsSent) {
  MakeBundle("bundle");
  WriteFile("bundle/linux-x86_64/dragnet-worker", testing::FakeProgram("0.2.0"), 0755);
  EXPECT_THAT(Upgrade("bundle").err, HasSubstr("not the program that the release names"));
  EXPECT_THAT(Upgrade("bundle/release.dnr").err, HasSubstr("a release without its programs"));
  EXPECT_THAT(Dragnet({"upgrade"}).err, HasSubstr("which bundle"));
  EXPECT_EQ(Upgrade("bundle", {"-t", "no such column = 1", "--yes"}).status, 2);
  ExpectNothingSent();
}

TEST_F(UpgradeCommandTest, SayingNoSendsNothing) {
  MakeBundle("bundle");
  EXPECT_EQ(Dragnet({"upgrade", Path("bundle")}, "n").status, 2);
  EXPECT_EQ(Upgrade("bundle", {}).status, 2) << "there is no one to ask";
  ExpectNothingSent();
}

TEST_F(UpgradeCommandTest, EachPlatformIsAnActionOfItsOwn) {
  WritePrograms("arm", "0.2.0", EM_AARCH64);
  MakeBundle("bundle", {"--from", Path("built"), "--from", Path("arm")});
  EXPECT_EQ(Upgrade("bundle", {"--no-launch", Path("file"), "--yes"}).status, 2);
  ExpectNothingSent();
  const Outcome outcome = Upgrade("bundle");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  ASSERT_THAT(scheduler_->launched, SizeIs(2));
  EXPECT_THAT(Launched(0).target(), HasSubstr("arch='x86_64'"));
  EXPECT_THAT(Launched(1).target(), HasSubstr("arch='aarch64'"));
  EXPECT_NE(Launched(0).id(), Launched(1).id());
}

TEST_F(UpgradeCommandTest, ThoseThatWentBackAreToldWithTheirReasons) {
  MakeBundle("bundle");
  AddOutcome("went_back", "no scheduler in 60s\x1b[2J", 2);
  AddOutcome("refused", "is for the group beta", 1);
  const Outcome outcome = Upgrade("bundle");
  EXPECT_EQ(outcome.status, 3);
  EXPECT_THAT(outcome.err, HasSubstr("refused 1, upgraded 1, went_back 2"));
  EXPECT_THAT(outcome.err, HasSubstr("went_back on 2 agents: no scheduler in 60s"));
  EXPECT_THAT(outcome.err, HasSubstr("refused on 1 agent: is for the group beta"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("\x1b")));
}

TEST_F(UpgradeCommandTest, StatusCountsAgentsByVersion) {
  scheduler_->agents.push_back(Running("gone", "0.0.1"));
  scheduler_->agents.back().set_state(v1::AgentInfo::STATE_REVOKED);
  const Outcome outcome = Dragnet({"upgrade", "status", "-t", "os='linux'"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "VERSION             AGENTS    ONLINE\n"
            "0.3.0                    1         1\n"
            "0.2.0                    1         1\n"
            "0.1.0                    2         1\n"
            "nightly                  1         1\n");
  EXPECT_EQ(scheduler_->targets.back(), "os='linux'");
}

}  // namespace
}  // namespace dragnet::console
