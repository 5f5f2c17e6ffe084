// `dragnet sweep` from the flags to the exit status, against a fake scheduler.
#include <gmock/gmock.h>

#include "console/sweeps/score.h"
#include "console/sweeps/testing.h"
#include "console/testing/console_fixture.h"
#include "core/envelope.h"
#include "core/order.h"
#include "modules/module.h"
#include "nlohmann/json.hpp"

namespace dragnet::console {
namespace {

using ::testing::AllOf;
using testing::Change;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Outcome;
using ::testing::SizeIs;
using testing::Untold;
using testing::Verdict;

constexpr char kPack[] = R"(
id: ssh
title: SSH servers that can be trusted
version: "1.2"
variables:
  config: /etc/ssh/sshd_config
checks:
  - id: root-login
    title: Root can't log in with a password
    severity: high
    reference: CIS 5.1.20
    remediation: Set it in ${config}.
    applies_when: os='linux'
    module: file
    parameters:
      searches:
        - paths: "${config}"
          contents: 'PermitRootLogin yes'
    expect: not found
)";

class SweepTest : public testing::ConsoleTest {
 protected:
  SweepTest() {
    modules_ = &catalog_;
    WriteFile("pack.yaml", kPack, 0644);
    scheduler_->agents = {Agent("web1", "id-of-web1"), Agent("web2", "id-of-web2")};
    scheduler_->agents[0].mutable_facts()->set_distribution("debian");
    sweep_ = testing::SampleSweep(fleet_, testing::SamplePack());
    v1::SweepInfo& info = *scheduler_->sweep.mutable_sweep();
    *info.mutable_action() = StoredAction(sweep_, {&fleet_.alice});
    info.mutable_action()->set_phase(v1::DISPATCH_PHASE_OPEN);
    info.mutable_next()->set_seconds(1'800'100'000);
    info.mutable_last()->mutable_occurrence()->set_seconds(1'800'000'000);
    info.set_agents_with_it(2);
    scheduler_->actions = {info.action()};
    Tell({Verdict("web1", "host-keys", "pass"), Verdict("web1", "root-login", "pass"),
          Verdict("web2", "host-keys", "pass"), Verdict("web2", "root-login", "pass")});
  }

  // The scheduler's counts, as it makes them of these.
  void Tell(const std::vector<v1::SweepVerdict>& verdicts) {
    scheduler_->verdicts = verdicts;
    v1::SweepInfo& info = *scheduler_->sweep.mutable_sweep();
    info.clear_verdicts();
    info.set_agents_silent(0);
    info.set_agents_without_it(0);
    scheduler_->sweep.clear_checks();
    std::map<std::string, v1::VerdictCounts> checks;
    for (const v1::SweepVerdict& verdict : verdicts) {
      if (verdict.silent()) info.set_agents_silent(1);
      if (NeverTold(verdict)) continue;
      Count(VerdictStatusOf(verdict.status()), info.mutable_verdicts());
      Count(VerdictStatusOf(verdict.status()), &checks[verdict.check()]);
    }
    for (const auto& [check, counts] : checks) {
      auto* told = scheduler_->sweep.add_checks();
      told->set_check(check);
      *told->mutable_verdicts() = counts;
    }
    scheduler_->sweeps = {info};
  }

  v1::Action Launched() const {
    return *ParseAction(ParseEnvelope(scheduler_->launched.at(0), kActionPayloadType)->payload());
  }

  const ModuleCatalog catalog_{AllModules(), ModuleDescriptorSet};
  v1::Action sweep_;
};

TEST_F(SweepTest, AddShowsSignsAndLaunches) {
  const Outcome outcome =
      Dragnet({"sweep", "add", Path("pack.yaml"), "--every", "0 3 * * *", "--tz", "Europe/Berlin",
               "--jitter", "30m", "-t", "os='linux'", "--set", "config=/opt/sshd", "--yes"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  for (const char* part :
       {"sweep: SSH servers that can be trusted", "at 03:00 every day", "0 3 * * * (Europe/Berlin)",
        "later by up to 30 min", "First runs", "03:00:00 CE", "[1] root-login (high): Root can't",
        "paths: /opt/sshd", "passes when: no row is found", "applies when: os='linux'",
        "reference: CIS 5.1.20", "remediation: Set it in /opt/sshd.", "2 agents",
        "It ends in 90 days"})
    EXPECT_THAT(outcome.err, HasSubstr(part));
  ASSERT_THAT(scheduler_->launched, SizeIs(1));
  const v1::Action action = Launched();
  EXPECT_EQ(outcome.out, StrCat(action.id(), "\n"));
  EXPECT_EQ(action.recurrence().jitter().seconds(), 1800);
  EXPECT_EQ(action.target(), "os='linux'");
  EXPECT_THAT(scheduler_->watched_after, IsEmpty()) << "it goes on for months";
}

TEST_F(SweepTest, AddRefusesBeforeAnythingIsSigned) {
  const auto add = [&](std::vector<std::string> more) {
    std::vector<std::string> args = {"sweep", "add", Path("pack.yaml"), "--yes"};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome outcome = Dragnet(args);
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(add({"--every", "0 3 31 2 *", "-t", "true"}), HasSubstr("never comes"));
  EXPECT_THAT(add({"--every", "@hourly", "--jitter", "1h", "-t", "true"}), HasSubstr("--jitter"));
  EXPECT_THAT(add({"--every", "@daily"}), HasSubstr("--target: missing"));
  EXPECT_THAT(add({"--every", "@daily", "-t", "os="}), HasSubstr("target"));
  EXPECT_THAT(add({"--every", "@daily", "-t", "true", "--set", "nope=1"}), HasSubstr("nope"));
  EXPECT_THAT(add({"--every", "@daily", "-t", "true", "--missed", "never"}), HasSubstr("missed"));
  WriteFile("pack.yaml", "id: ssh\ntitle: x\nchecks: 3\n", 0644);
  EXPECT_THAT(add({"--every", "@daily", "-t", "true"}), HasSubstr("pack.yaml:3:9"));
  EXPECT_THAT(scheduler_->launched, IsEmpty());
}

TEST_F(SweepTest, AddIsProposedWhereOneSignatureIsNotEnough) {
  v1::TrustPolicy policy = fleet_.PolicyProto(2);
  for (v1::ModulePolicy& module : *policy.mutable_modules())
    if (module.module() == "file") module.set_minimum_weight(2);
  scheduler_->policy = fleet_.SignedPolicy(policy);
  const Outcome outcome =
      Dragnet({"sweep", "add", Path("pack.yaml"), "--every", "@daily", "-t", "true", "--yes"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("needs weight 2 for file"));
  EXPECT_THAT(scheduler_->launched, IsEmpty());
  EXPECT_THAT(scheduler_->propositions, SizeIs(1));
}

TEST_F(SweepTest, ListHasTheScheduleAndTheScore) {
  const Outcome outcome = Dragnet({"sweep", "list"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("at 03:00 every day (UTC)"), HasSubstr("100.0%"),
                                 HasSubstr(sweep_.id())));
  EXPECT_THAT(Dragnet({"sweep", "list", "--output", "jsonl"}).out,
              AllOf(HasSubstr("\"score\":\"100.0%\""), HasSubstr("\"next\":\"2027-01-16T")));
  scheduler_->sweeps.clear();
  EXPECT_THAT(Dragnet({"sweep", "list"}).err, HasSubstr("no sweeps"));
}

TEST_F(SweepTest, ExitStatusTellsFailedFromUnknown) {
  EXPECT_EQ(Dragnet({"sweep", "show", sweep_.id()}).status, 0);
  Tell({Verdict("web1", "root-login", "pass"), Verdict("web2", "root-login", "unknown")});
  EXPECT_EQ(Dragnet({"sweep", "show", sweep_.id()}).status, 3);
  v1::SweepVerdict silent = Verdict("web1", "root-login", "pass");
  silent.set_silent(true);
  Tell({silent});
  EXPECT_EQ(Dragnet({"sweep", "show", sweep_.id()}).status, 3);
  EXPECT_EQ(Dragnet({"sweep", "report", sweep_.id()}).status, 3);
  Tell({Verdict("web1", "root-login", "fail"), Verdict("web2", "root-login", "unknown")});
  EXPECT_EQ(Dragnet({"sweep", "show", sweep_.id()}).status, 1);
  EXPECT_EQ(Dragnet({"sweep", "report", sweep_.id(), "--output", "junit"}).status, 1);
  EXPECT_EQ(Dragnet({"sweep", "show", sweep_.id(), "--check", "host-keys", "--failed"}).status, 3)
      << "nothing was told of it";
  Tell({});
  EXPECT_EQ(Dragnet({"sweep", "show", sweep_.id()}).status, 3);
}

TEST_F(SweepTest, CodeScanningIsToldWhatDidNotPassAndWhere) {
  v1::SweepVerdict failed = Verdict("web1", "root-login", "fail");
  failed.set_reason("expected no row: [1 found](http://evil) \x1b[2J");
  failed.clear_evidence();
  failed.add_evidence(R"({"path":"/etc/ssh/sshd config","line":"7"})");
  Tell({failed, Verdict("web1", "host-keys", "unknown"), Verdict("web2", "root-login", "pass"),
        Verdict("web2", "made-up", "fail")});
  const Outcome report = Dragnet({"sweep", "report", sweep_.id(), "--output", "sarif"});
  EXPECT_EQ(report.status, 1);
  EXPECT_THAT(report.out, Not(HasSubstr("\x1b")));
  const auto run = nlohmann::json::parse(report.out)["runs"][0];
  EXPECT_EQ(run["tool"]["driver"]["rules"].size(), 2u);
  ASSERT_EQ(run["results"].size(), 2u);
  const auto& result = run["results"][0];
  EXPECT_EQ(result["ruleId"], "root-login");
  EXPECT_EQ(run["tool"]["driver"]["rules"][result["ruleIndex"].get<size_t>()]["id"], "root-login");
  EXPECT_EQ(result["kind"], "fail");
  EXPECT_THAT(result["message"]["text"].get<std::string>(),
              AllOf(HasSubstr("web1: "), Not(HasSubstr("](http"))));
  const auto& location = result["locations"][0];
  EXPECT_EQ(location["physicalLocation"]["artifactLocation"]["uri"],
            "file:///etc/ssh/sshd%20config");
  EXPECT_EQ(location["logicalLocations"][0]["name"], "web1");
  EXPECT_EQ(run["results"][1]["kind"], "open");
}

// Every way to be told of a sweep, and where silence must be seen.
TEST_F(SweepTest, AHostThatNeverToldIsSilentEverywhere) {
  Tell({Verdict("web1", "root-login", "pass"), Verdict("web1", "host-keys", "pass"),
        Untold("web2", "it refused the sweep\x1b[2J")});
  // Whether the stream or the counts say so.
  for (const bool counted : {true, false}) {
    scheduler_->sweep.mutable_sweep()->set_agents_silent(counted ? 1 : 0);
    for (const char* format : {"table", "csv", "json", "jsonl", "junit", "sarif"}) {
      const Outcome report = Dragnet({"sweep", "report", sweep_.id(), "--output", format});
      EXPECT_EQ(report.status, 3) << format;
      EXPECT_THAT(report.out,
                  AllOf(HasSubstr("web2"), HasSubstr("silent"), HasSubstr("it refused the sweep")))
          << format;
      // CSV is for programs, and has texts as they are but for formulas.
      if (format != std::string_view("csv")) {
        EXPECT_THAT(report.out, Not(HasSubstr("\x1b"))) << format;
      }
      EXPECT_THAT(report.err, Not(HasSubstr("aren't in the signed document"))) << format;
    }
    EXPECT_EQ(Dragnet({"sweep", "show", sweep_.id(), "--check", "root-login"}).status, 3);
    EXPECT_EQ(Dragnet({"sweep", "show", sweep_.id(), "--by", "distribution"}).status, 3);
  }
  scheduler_->sweep.mutable_sweep()->set_agents_silent(1);
  EXPECT_THAT(Dragnet({"sweep", "show", sweep_.id(), "--by", "host", "-o", "csv"}).out,
              HasSubstr("\nweb2,id-of-web2,,silent,0,0,0,0,"));
  EXPECT_THAT(Dragnet({"sweep", "drift", sweep_.id()}).out, HasSubstr("silent host  web2"));
  EXPECT_EQ(Dragnet({"sweep", "report", sweep_.id(), "--html", Path("page.html")}).status, 3);
  const std::string page = *ReadFile(Path("page.html"));
  EXPECT_THAT(page, AllOf(HasSubstr("<b>1</b> silent"), HasSubstr("web2")));
  // What the stream kept back is in the counts.
  Tell({Verdict("web1", "root-login", "pass")});
  scheduler_->sweep.mutable_sweep()->set_agents_silent(7);
  EXPECT_EQ(Dragnet({"sweep", "report", sweep_.id(), "--output", "junit"}).status, 3);
  EXPECT_EQ(
      Dragnet({"sweep", "report", sweep_.id(), "--html", Path("page.html"), "--force"}).status, 3);
  EXPECT_THAT(*ReadFile(Path("page.html")),
              AllOf(HasSubstr("<b>7</b> silent"), HasSubstr("7 more hosts")));
}

TEST_F(SweepTest, HostsThatDidNotTakeItOnAreToldAndCount) {
  scheduler_->sweep.mutable_sweep()->set_agents_without_it(4);
  scheduler_->sweeps = {scheduler_->sweep.sweep()};
  const Outcome shown = Dragnet({"sweep", "show", sweep_.id()});
  EXPECT_EQ(shown.status, 3);
  EXPECT_THAT(shown.out, HasSubstr("besides, 4 haven't taken it on"));
  EXPECT_EQ(Dragnet({"sweep", "report", sweep_.id(), "--output", "junit"}).status, 3);
  EXPECT_EQ(Dragnet({"sweep", "report", sweep_.id(), "--output", "csv"}).status, 3);
  EXPECT_THAT(Dragnet({"sweep", "list", "-o", "jsonl"}).out, HasSubstr("\"without\":4"));
}

TEST_F(SweepTest, WhatNobodySignedIsNotShown) {
  const auto serve = [&](const std::vector<const PrivateKey*>& keys) {
    v1::SweepInfo& info = *scheduler_->sweep.mutable_sweep();
    info.mutable_action()->set_envelope(StoredAction(sweep_, keys).envelope());
    scheduler_->sweeps = {info};
  };
  const std::vector<std::vector<std::string>> commands = {
      {"sweep", "show", sweep_.id()},
      {"sweep", "show", sweep_.id(), "--output", "json"},
      {"sweep", "show", sweep_.id(), "--by", "host"},
      {"sweep", "history", sweep_.id()},
      {"sweep", "drift", sweep_.id()},
      {"sweep", "report", sweep_.id()},
      {"sweep", "report", sweep_.id(), "--output", "junit"},
      {"sweep", "report", sweep_.id(), "--output", "csv"},
      {"sweep", "report", sweep_.id(), "--html", Path("page.html"), "--force"}};
  serve({});
  for (const auto& command : commands) {
    const Outcome outcome = Dragnet(command);
    EXPECT_EQ(outcome.status, 4) << command[1] << outcome.out;
    EXPECT_EQ(outcome.out, "") << command[1];
    EXPECT_THAT(outcome.err, HasSubstr("don't trust this scheduler"));
  }
  const Outcome list = Dragnet({"sweep", "list"});
  EXPECT_EQ(list.status, 3);
  EXPECT_THAT(list.out, Not(HasSubstr("100.0%")));
  EXPECT_THAT(list.err, HasSubstr("no one in the trust policy signed it"));
  // Too few: it is shown, and everything that would be well isn't.
  v1::TrustPolicy policy = fleet_.PolicyProto(2);
  for (v1::ModulePolicy& module : *policy.mutable_modules()) module.set_minimum_weight(2);
  scheduler_->policy = fleet_.SignedPolicy(policy);
  serve({&fleet_.alice});
  for (const auto& command : commands) {
    const Outcome outcome = Dragnet(command);
    EXPECT_EQ(outcome.status, 3) << command[1] << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("agents refuse this sweep: it is not signed by enough"));
  }
  EXPECT_EQ(Dragnet({"sweep", "list"}).status, 3);
  // It can be ended all the same.
  serve({});
  EXPECT_EQ(Dragnet({"sweep", "remove", sweep_.id(), "--yes"}).status, 0);
}

TEST_F(SweepTest, SweepsThatAreNotInTheListAreSaid) {
  scheduler_->sweeps_left_out = 12;
  const Outcome outcome = Dragnet({"sweep", "list"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_THAT(outcome.err, HasSubstr("12 more are not in this list"));
}

TEST_F(SweepTest, ShowByCheckHasTheWorstFirst) {
  Tell({Verdict("web1", "host-keys", "pass"), Verdict("web1", "root-login", "fail")});
  const Outcome outcome = Dragnet({"sweep", "show", "last"});
  scheduler_->sweeps[0].mutable_action()->set_launched_by("alice");
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("Signed by  alice"), HasSubstr("50.0%: 1 of 2")));
  EXPECT_LT(outcome.out.find("root-login"), outcome.out.find("host-keys"));
  const Outcome csv = Dragnet({"sweep", "show", sweep_.id(), "--output", "csv"});
  EXPECT_EQ(csv.out,
            "check,severity,title,passed,failed,unknown,not_applicable,score\n"
            "root-login,high,\"Title of root-login\",0,1,0,0,0.0%\n"
            "host-keys,critical,\"Title of host-keys\",1,0,0,0,100.0%\n");
}

TEST_F(SweepTest, ShowByGroup) {
  Tell({Verdict("web1", "root-login", "fail"), Verdict("web2", "root-login", "pass")});
  EXPECT_THAT(Dragnet({"sweep", "show", sweep_.id(), "--by", "distribution", "-o", "csv"}).out,
              AllOf(HasSubstr("\n(none),1,1,0,0,0,1,0,0,0,100.0%\n"),
                    HasSubstr("\ndebian,1,0,1,0,0,0,1,0,0,0.0%\n")));
  EXPECT_THAT(Dragnet({"sweep", "show", sweep_.id(), "--by", "host", "-o", "csv"}).out,
              HasSubstr("\nweb1,id-of-web1,2027-01-15T08:00:00+00:00,,0,1,0,0,0.0%\n"));
  EXPECT_EQ(Dragnet({"sweep", "show", sweep_.id(), "--by", "shoe-size"}).status, 2);
}

TEST_F(SweepTest, FailedOnesComeWithTheirEvidenceAndSafe) {
  v1::SweepVerdict failed = Verdict("web1\x1b[2J", "root-login", "fail");
  failed.add_evidence("{\"path\":\"/etc/\x1b]0;x\"}");
  failed.set_evidence_left_out(4);
  Tell({failed, Verdict("web2", "root-login", "pass"), Verdict("web3", "made-up", "fail")});
  const Outcome outcome = Dragnet({"sweep", "show", sweep_.id(), "--failed"});
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("web1\\x1b[2J"), HasSubstr("{\"path\":\"/etc/\\x1b"),
                                 HasSubstr("… and 4 more"), Not(HasSubstr("web2")),
                                 Not(HasSubstr("\x1b")), Not(HasSubstr("made-up"))));
  EXPECT_THAT(outcome.err, HasSubstr("aren't in the signed document"));
  const Outcome json = Dragnet({"sweep", "show", sweep_.id(), "--failed", "-o", "jsonl"});
  EXPECT_THAT(json.out, AllOf(HasSubstr("\"evidence\":[\"{"), Not(HasSubstr("\x1b"))));
}

TEST_F(SweepTest, HistoryNamesTheActionOfEachRun) {
  v1::SweepRun& run = *scheduler_->sweep.add_runs();
  run.mutable_occurrence()->set_seconds(1'800'000'000);
  run.set_action_id(StrCat(sweep_.id(), "@1800000000"));
  run.mutable_verdicts()->set_passed(3);
  run.mutable_verdicts()->set_unknown(1);
  const Outcome outcome = Dragnet({"sweep", "history", sweep_.id()});
  EXPECT_THAT(outcome.out, HasSubstr("75.0%"));
  EXPECT_THAT(outcome.err, HasSubstr(StrCat("dragnet results ", run.action_id())));
  EXPECT_EQ(Dragnet({"sweep", "history", sweep_.id(), "-n", "0"}).status, 2);
}

TEST_F(SweepTest, DriftReadsEveryPage) {
  for (int i = 0; i < 5; ++i)
    scheduler_->changes.push_back(
        Change(StrCat("h", i), "root-login", "pass", "fail", 1'800'000'000));
  const Outcome outcome = Dragnet(
      {"sweep", "drift", sweep_.id(), "--since", StrCat(sweep_.id(), "@1799900000"), "-o", "csv"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("newly failing"), HasSubstr("h0"), HasSubstr("h4")));
  EXPECT_EQ(scheduler_->asked_changes.at(0).since().seconds(), 1'799'900'000);
  EXPECT_EQ(Dragnet({"sweep", "drift", sweep_.id(), "--since", "soon"}).status, 2);
  EXPECT_EQ(Dragnet({"sweep", "drift", sweep_.id(), "--since", "other@17"}).status, 2);
}

TEST_F(SweepTest, RunNowSignsTheSameChecksAnew) {
  const Outcome outcome = Dragnet({"sweep", "run-now", sweep_.id(), "--yes"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr(StrCat("Extra run of  ", sweep_.id())));
  ASSERT_THAT(scheduler_->launched, SizeIs(1));
  EXPECT_EQ(Launched().extra_run_of(), sweep_.id());
  EXPECT_EQ(Launched().operations(0).SerializeAsString(), sweep_.operations(0).SerializeAsString());
}

TEST_F(SweepTest, NothingIsSignedOfASweepThatTheSchedulerMadeUp) {
  *scheduler_->sweep.mutable_sweep()->mutable_action() = StoredAction(sweep_, {});
  const Outcome outcome = Dragnet({"sweep", "run-now", sweep_.id(), "--yes"});
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("don't trust this scheduler"));
  EXPECT_THAT(scheduler_->launched, IsEmpty());
}

TEST_F(SweepTest, AnotherSweepThanWasAskedForIsRefused) {
  const Outcome outcome = Dragnet({"sweep", "show", "0199ffff-0000"});
  EXPECT_THAT(outcome.err, HasSubstr("don't trust this scheduler"));
  // An action that is no sweep.
  v1::Action action = fleet_.ActionProto("file");
  *scheduler_->sweep.mutable_sweep()->mutable_action() = StoredAction(action, {&fleet_.alice});
  EXPECT_THAT(Dragnet({"sweep", "show", action.id()}).err, HasSubstr("no sweep"));
}

TEST_F(SweepTest, PauseResumeAndRemoveAreOrders) {
  const std::pair<const char*, v1::Order::Kind> orders[] = {{"pause", v1::Order::KIND_PAUSE},
                                                            {"resume", v1::Order::KIND_RESUME},
                                                            {"remove", v1::Order::KIND_CANCEL}};
  for (const auto& [word, kind] : orders) {
    scheduler_->orders.clear();
    const Outcome outcome = Dragnet({"sweep", word, sweep_.id(), "--yes"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    ASSERT_THAT(scheduler_->orders, SizeIs(1));
    v1::Order order;
    ASSERT_TRUE(
        order.ParseFromString(ParseEnvelope(scheduler_->orders[0], kOrderPayloadType)->payload()));
    EXPECT_EQ(order.kind(), kind);
    EXPECT_EQ(order.action_id(), sweep_.id());
  }
}

TEST_F(SweepTest, ReportWritesAPageAndKeepsWhatIsThere) {
  Tell({Verdict("web1", "root-login", "fail"), Verdict("web2", "root-login", "pass")});
  const Outcome outcome = Dragnet({"sweep", "report", sweep_.id(), "--html", Path("page.html")});
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  const std::string page = *ReadFile(Path("page.html"));
  EXPECT_THAT(page, AllOf(HasSubstr("50.0% – 1 of 2 verdicts passed."), HasSubstr("debian (1)"),
                          HasSubstr("Remedy for root-login"),
                          HasSubstr("The signatures are enough"), HasSubstr("why it is fail")));
  EXPECT_EQ(Dragnet({"sweep", "report", sweep_.id(), "--html", Path("page.html")}).status, 2);
  EXPECT_EQ(
      Dragnet({"sweep", "report", sweep_.id(), "--html", Path("page.html"), "--force"}).status, 1);
}

TEST_F(SweepTest, ARunTakesNoOrders) {
  const std::string run = StrCat(sweep_.id(), "@1800000000");
  scheduler_->actions[0].set_action_id(run);
  const Outcome outcome = Dragnet({"cancel", run}, "y");
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("takes no orders of its own"));
  EXPECT_THAT(scheduler_->orders, IsEmpty());
}

TEST_F(SweepTest, RowsOfARunAreThoseOfItsOwnAction) {
  const std::string run = StrCat(sweep_.id(), "@1800000000");
  scheduler_->actions[0].set_action_id(run);
  check::v1::Verdict row;
  row.set_check("root-login");
  row.set_status("pass");
  v1::WatchEvent event = RowEvent(1, "web1", {});
  event.mutable_rows()->set_module("check");
  event.mutable_rows()->add_rows(row.SerializeAsString());
  scheduler_->streams = {{event, EndEvent(Progress(1))}};
  const Outcome outcome = Dragnet({"results", run});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("root-login"));
}

}  // namespace
}  // namespace dragnet::console
