// Module commands from the flags to the exit status, against a fake scheduler.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "console/testing/console_fixture.h"

namespace dragnet::console {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Outcome;
using ::testing::SizeIs;

class LaunchTest : public testing::ConsoleTest {
 protected:
  LaunchTest() {
    scheduler_->agents = {Agent("web1", "id1"), Agent("web2", "id2", v1::AgentInfo::STATE_OFFLINE)};
    scheduler_->streams = {{RowEvent(1, "web1", {Row("/etc/passwd")}), EndEvent(Progress(1, 1))}};
  }

  v1::Action Launched() const {
    return *ParseAction(ParseEnvelope(scheduler_->launched.at(0), kActionPayloadType)->payload());
  }
};

TEST_F(LaunchTest, RowsArePrintedAndAllCleanOrFoundIsZero) {
  const Outcome outcome = Dragnet({"sample", "--path", "/etc", "--yes"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("/etc/passwd"));
  EXPECT_THAT(outcome.err, HasSubstr("2 agents: 1 found, 1 clean"));
}

TEST_F(LaunchTest, WhatIsSignedIsWhatWasAskedFor) {
  const Outcome outcome =
      Dragnet({"sample", "--path", "/etc", "-n", "^x$", "--hash", "md5", "-t", "os='linux'",
               "--expires", "10m", "--threat-level", "high", "--limit-rows", "5", "--yes"});
  ASSERT_THAT(scheduler_->launched, SizeIs(1)) << outcome.err;
  const v1::Envelope envelope = *ParseEnvelope(scheduler_->launched[0], kActionPayloadType);
  const TrustPolicy policy =
      *TrustPolicy::VerifyFirst(scheduler_->policy, fleet_.Pinned(), fleet_.id);
  EXPECT_THAT(policy.Signers(envelope), ElementsAre("alice"));
  const v1::Action action = Launched();
  EXPECT_EQ(action.fleet_id(), fleet_.id);
  EXPECT_TRUE(IsUuidV7(action.id()));
  EXPECT_EQ(action.target(), "os='linux'");
  EXPECT_EQ(action.name(), "sample --path /etc --name '^x$' --hash md5");
  EXPECT_EQ(action.threat().level(), "high");
  EXPECT_EQ(*ToTime(action.expires()) - *ToTime(action.not_before()), absl::Minutes(11));
  ASSERT_EQ(action.operations_size(), 1);
  EXPECT_EQ(action.operations(0).limits().rows(), 5u);
  testing::SampleParameters parameters;
  parameters.ParseFromString(action.operations(0).parameters());
  EXPECT_EQ(parameters.path(0), "/etc");
  EXPECT_EQ(parameters.searches(0).name(0), "^x$");
}

TEST_F(LaunchTest, HowItSpreadsIsShownAndSigned) {
  const Outcome outcome =
      Dragnet({"sample", "--path", "/etc", "--rate", "20/s", "--canary", "5%", "--limit", "100",
               "--stop-when-failed", "10", "--limit-cpu-share", "25%", "--yes"});
  ASSERT_THAT(scheduler_->launched, SizeIs(1)) << outcome.err;
  const v1::Dispatch dispatch = Launched().dispatch();
  EXPECT_EQ(dispatch.agents_per_second(), 20u);
  EXPECT_EQ(dispatch.canary_percent(), 5u);
  EXPECT_EQ(dispatch.agent_limit(), 100u);
  EXPECT_EQ(dispatch.stop_when_failed_percent(), 10u);
  EXPECT_EQ(Launched().operations(0).limits().cpu_share_percent(), 25u);
  EXPECT_EQ(Launched().operations(0).limits().rows(), 0u) << "--limit is not --limit-rows";
  EXPECT_THAT(outcome.err,
              HasSubstr("first to 5 percent of the connected agents; to 100 agents at most; to 20 "
                        "agents per second; stops when more than 10 percent failed"));
}

TEST_F(LaunchTest, HowItSpreadsHasItsBounds) {
  const std::vector<std::vector<std::string>> wrong = {
      {"--rate", "0"},  {"--rate", "5/min"},           {"--canary", "51%"}, {"--canary", "0"},
      {"--limit", "0"}, {"--stop-when-failed", "101"}, {"--limit", "-1"},   {"--rate", "1000000"},
      {"--rate", "5%"}, {"--limit-cpu-share", "6401"}};
  for (const std::vector<std::string>& flag : wrong) {
    const Outcome outcome =
        Dragnet({"sample", "--path", "/etc", "--yes", StrCat(flag[0], "=", flag[1])});
    EXPECT_EQ(outcome.status, 2) << flag[0] << flag[1];
    EXPECT_THAT(outcome.err, HasSubstr(flag[0]));
  }
  EXPECT_THAT(scheduler_->launched, IsEmpty());
}

TEST_F(LaunchTest, WithoutATargetItIsEveryAgentAndSaidSo) {
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(Launched().target(), "true");
  EXPECT_THAT(outcome.err, HasSubstr("every agent"));
  EXPECT_THAT(outcome.err, HasSubstr("2 agents, 1 online"));
}

TEST_F(LaunchTest, ActionIsShownBeforeTheQuestionAndNoMeansNo) {
  const Outcome outcome = Dragnet({"sample", "--path", "/etc/shadow"}, "n");
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(scheduler_->launched, IsEmpty());
  EXPECT_THAT(outcome.err, HasSubstr("path: /etc/shadow"));
  EXPECT_LT(outcome.err.find("path: /etc/shadow"), outcome.err.find("Sign and launch? [y/N]"));
}

TEST_F(LaunchTest, OnlyYesMeansYes) {
  for (const char* answer : {"", "x", "yess", "j"}) {
    EXPECT_EQ(Dragnet({"sample"}, answer).status, 2);
    EXPECT_THAT(scheduler_->launched, IsEmpty());
  }
  EXPECT_EQ(Dragnet({"sample"}, " YES ").status, 0);
  EXPECT_THAT(scheduler_->launched, SizeIs(1));
}

TEST_F(LaunchTest, WithoutATerminalItTakesYesOnTheCommandLine) {
  const Outcome outcome = Dragnet({"sample", "--path", "/etc"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("give --yes"));
  EXPECT_THAT(scheduler_->targets, IsEmpty());
}

TEST_F(LaunchTest, DryRunSignsNothing) {
  const Outcome outcome = Dragnet({"sample", "--dry-run"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("Reaches"));
  EXPECT_THAT(scheduler_->launched, IsEmpty());
}

TEST_F(LaunchTest, NoLaunchWritesAnEnvelopeThatVerifies) {
  const std::string file = Path("signed.json");
  EXPECT_EQ(Dragnet({"sample", "--yes", "--no-launch", file}).status, 0);
  EXPECT_THAT(scheduler_->launched, IsEmpty());
  const Outcome verified = Dragnet({"verify", file});
  EXPECT_EQ(verified.status, 0) << verified.out << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("Signed by   alice"));
  EXPECT_EQ(Dragnet({"sample", "--yes", "--no-launch", file}).status, 2) << "overwrote a file";
}

TEST_F(LaunchTest, OutputsForPrograms) {
  const Outcome jsonl = Dragnet({"sample", "--yes", "-o", "jsonl"});
  EXPECT_THAT(jsonl.out, HasSubstr(R"("agent":"web1","agentId":"id-of-web1","operation":0,)"
                                   R"("module":"sample","row":{"path":"/etc/passwd")"));
  EXPECT_TRUE(jsonl.out.starts_with(StrCat(R"({"action":")", Launched().id())));
  EXPECT_TRUE(Dragnet({"sample", "--yes", "-o", "json"}).out.starts_with("[\n{"));
  EXPECT_TRUE(Dragnet({"sample", "--yes", "-o", "csv"})
                  .out.starts_with("action,agent,agentId,operation,module,path,size,"));
}

TEST_F(LaunchTest, NoRowsIsSaid) {
  scheduler_->streams = {{EndEvent(Progress(0, 2))}};
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("no rows\n"));
}

TEST_F(LaunchTest, IncompleteIsThreeAndSaysWhatWasNotLookedAt) {
  v1::WatchEvent state;
  state.mutable_agent_state()->set_agent_id("id1");
  state.mutable_agent_state()->set_agent_name("web1");
  state.mutable_agent_state()->set_state(v1::DISPATCH_STATE_INCOMPLETE);
  v1::OperationSummary* summary = state.mutable_agent_state()->add_summaries();
  summary->set_outcome(v1::OUTCOME_INCOMPLETE);
  summary->set_termination(v1::TERMINATION_COMPLETED);
  v1::Unexamined* unexamined = summary->mutable_module()->add_unexamined();
  unexamined->set_reason("Permission denied");
  unexamined->set_count(7);
  unexamined->add_examples("/root/a\x1b[2J");
  scheduler_->streams = {{state, EndEvent(Progress(0, 1, 1))}};
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_THAT(
      outcome.err,
      HasSubstr("incomplete  web1: 7 not looked at: Permission denied (/root/a\\x1b[2J, …)"));
}

TEST_F(LaunchTest, RefusedByAllIsFourWithTheReason) {
  v1::WatchEvent state;
  state.mutable_agent_state()->set_agent_name("web1");
  state.mutable_agent_state()->set_state(v1::DISPATCH_STATE_REFUSED);
  state.mutable_agent_state()->mutable_refusal()->set_reason(v1::Refusal::REASON_NOT_YET_VALID);
  state.mutable_agent_state()->mutable_refusal()->set_detail("the clock says 1970");
  scheduler_->streams = {{state, EndEvent(Progress(0, 0, 0, 1))}};
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.err, HasSubstr("refused     web1: not yet valid: the clock says 1970"));
}

TEST_F(LaunchTest, OfflineAgentsAreNeverTakenForClean) {
  scheduler_->streams = {{EndEvent(Progress(0, 1, 0, 0, 1))}};
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_THAT(outcome.err, HasSubstr("1 agent has not answered yet (1 offline)"));
  EXPECT_THAT(scheduler_->watched_until_expired, ElementsAre(false));
  Dragnet({"sample", "--yes", "--wait"});
  EXPECT_TRUE(scheduler_->watched_until_expired.back());
}

TEST_F(LaunchTest, ATargetThatReachesNoOneIsNotClean) {
  scheduler_->agents.clear();
  scheduler_->streams = {{EndEvent(Progress(0))}};
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_THAT(outcome.err, HasSubstr("No agent was reached"));
}

TEST_F(LaunchTest, LostConnectionGoesOnAfterTheLastRow) {
  scheduler_->streams = {{RowEvent(5, "web1", {Row("/first")})},
                         {RowEvent(6, "web1", {Row("/second")}), EndEvent(Progress(1))}};
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(scheduler_->watched_after, ElementsAre(0u, 5u));
  EXPECT_THAT(outcome.out, HasSubstr("/first"));
  EXPECT_THAT(outcome.out, HasSubstr("/second"));
  EXPECT_THAT(outcome.err, HasSubstr("trying again"));
}

TEST_F(LaunchTest, ControlCDetachesAndSaysHowToGoOn) {
  scheduler_->streams = {{RowEvent(1, "web1", {Row("/etc/passwd")})}};
  scheduler_->interrupt_after_stream = true;
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_THAT(outcome.err, HasSubstr(StrCat("dragnet results ", Launched().id(), " --follow")));
}

TEST_F(LaunchTest, HostTextNeverReachesTheTerminalRaw) {
  terminal_ = true;
  scheduler_->streams = {
      {RowEvent(1, "we\x1b]0;b\x07", {Row("\x1b[2J\nAGENT forged\r\xe2\x80\xae")}),
       EndEvent(Progress(1))}};
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\nAGENT forged")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\r")));
  EXPECT_THAT(outcome.err, Not(HasSubstr("\x1b]")));
}

TEST_F(LaunchTest, ProgressLineIsOnlyForTerminals) {
  EXPECT_THAT(Dragnet({"sample", "--yes"}).err, Not(HasSubstr("\x1b[K")));
  terminal_ = true;
  v1::WatchEvent progress;
  *progress.mutable_progress() = Progress(0, 1);
  scheduler_->streams = {{progress, EndEvent(Progress(1))}};
  EXPECT_THAT(Dragnet({"sample", "--yes"}).err, HasSubstr("\r\x1b[Ktargeted 1  sent 0  "));
}

TEST_F(LaunchTest, RowsThatAreNoRowsAreSaidAndNeverClean) {
  v1::WatchEvent rubbish = RowEvent(1, "web1", {});
  rubbish.mutable_rows()->add_rows("\xff\xff\xff");
  v1::WatchEvent beyond = RowEvent(2, "web1", {Row("/x")});
  beyond.mutable_rows()->set_operation(9);
  scheduler_->streams = {{rubbish, beyond, EndEvent(Progress(1))}};
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("2 rows were not shown"));
}

TEST_F(LaunchTest, RowsThatCouldNotBeWrittenAreSaidAndNeverClean) {
  disk_full_ = true;
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_THAT(outcome.err, HasSubstr("rows were lost"));
  EXPECT_THAT(outcome.err, HasSubstr("No space left on device"));
}

TEST_F(LaunchTest, ModuleOfARowIsTheOneThatWasSigned) {
  v1::WatchEvent event = RowEvent(1, "web1", {Row("/x")});
  event.mutable_rows()->set_module("other");
  scheduler_->streams = {{event, EndEvent(Progress(1))}};
  EXPECT_THAT(Dragnet({"sample", "--yes", "-o", "jsonl"}).out, HasSubstr(R"("module":"sample")"));
}

TEST_F(LaunchTest, ParametersFromJson) {
  const std::string json = R"({"path":["/etc"],"secretKnob":"x"})";
  EXPECT_EQ(Dragnet({"sample", "--yes", "--params", "-"}, std::nullopt, json).status, 0);
  testing::SampleParameters parameters;
  parameters.ParseFromString(Launched().operations(0).parameters());
  EXPECT_EQ(parameters.secret_knob(), "x");

  const Outcome both =
      Dragnet({"sample", "--yes", "--params", "-", "--path", "/x"}, std::nullopt, json);
  EXPECT_EQ(both.status, 2);
  EXPECT_THAT(both.err, HasSubstr("--params can't be given together with --path"));
  const Outcome unknown =
      Dragnet({"sample", "--yes", "--params", "-"}, std::nullopt, R"({"pth":1})");
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.err, HasSubstr("pth"));
}

// ---- bad input: one line, before anything is sent

struct BadInput {
  std::vector<std::string> args;
  std::string message;
};

TEST_F(LaunchTest, BadInputIsOneLineAndTwo) {
  const BadInput cases[] = {
      {{"sample", "--name", "a("}, "dragnet: sample: --name 'a(' misses a closing )\n"},
      {{"sample", "--pth", "/x"},
       "dragnet: sample: --pth: no such flag; did you mean --path? (see dragnet sample --help)\n"},
      {{"sample", "--max-depth", "x"},
       "dragnet: --max-depth: \"x\" is not a whole number of at least 0 that fits\n"},
      {{"sample", "--expires", "5"},
       "dragnet: --expires: \"5\" is not a duration: write e.g. 90s, 5m, 2h or 7d\n"},
      {{"sample", "--expires", "999d"}, "dragnet: --expires: 999d is not between 1s and 365d\n"},
      {{"sample", "--hash", "sha9"},
       "dragnet: sample: --hash: \"sha9\" is not one of: md5, sha2-256\n"},
      {{"sampel"}, "dragnet: no command \"sampel\"; did you mean sample? (see dragnet help)\n"},
      {{"console"},
       "dragnet: console: standard input and output must be a terminal; for scripts there are "
       "dragnet agents, actions, results (dragnet help)\n"},
  };
  for (const BadInput& bad : cases) {
    std::vector<std::string> args = bad.args;
    if (args.size() > 1) args.push_back("--yes");
    const Outcome outcome = Dragnet(args);
    EXPECT_EQ(outcome.status, 2) << bad.message;
    EXPECT_EQ(outcome.err, bad.message);
  }
  EXPECT_THAT(scheduler_->targets, IsEmpty());
}

TEST_F(LaunchTest, BadTargetIsFoundBeforeConnecting) {
  for (const char* target : {"os=", "nosuch=1", "1; drop table facts", ""}) {
    const Outcome outcome = Dragnet({"sample", "-t", target, "--yes"});
    EXPECT_EQ(outcome.status, 2) << target;
    EXPECT_THAT(outcome.err, HasSubstr("--target")) << target;
  }
  EXPECT_THAT(scheduler_->targets, IsEmpty());
}

TEST_F(LaunchTest, SigningKeyThatOthersCanReadIsRefused) {
  ::chmod(Path("signing.key").c_str(), 0644);
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("chmod"));
  EXPECT_THAT(scheduler_->launched, IsEmpty());
}

TEST_F(LaunchTest, WhatTheSchedulerRefusesIsFourInOneSafeLine) {
  scheduler_->error = absl::PermissionDeniedError("module sample: weight 0 of 1\n\x1b[2J");
  const Outcome outcome = Dragnet({"sample", "--yes"});
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.err, HasSubstr("weight 0 of 1\\n\\x1b[2J\n"));
}

}  // namespace
}  // namespace dragnet::console
