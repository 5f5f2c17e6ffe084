// Checks whose workers misbehave: each verdict is the monitor's own in the end.
#include "agent/monitor/check_run.h"

#include <signal.h>

#include <algorithm>
#include <map>

#include "core/action.h"
#include "core/clock.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using check::v1::Check;
using check::v1::CheckParameters;
using check::v1::Verdict;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Check CheckThat(std::string_view behaviour, std::string_view id = "one") {
  Check check;
  check.set_id(std::string(id));
  check.set_title("It is so");
  check.set_severity("high");
  check.set_module("file");
  check.set_parameters(StrCat("misbehave:", behaviour));
  return check;
}

v1::Operation OperationOf(const std::vector<Check>& checks) {
  CheckParameters parameters;
  parameters.set_pack("test");
  for (const Check& check : checks) *parameters.add_checks() = check;
  v1::Operation operation;
  operation.set_module("check");
  operation.set_parameters(parameters.SerializeAsString());
  return operation;
}

CheckSurroundings Surroundings() {
  ::signal(SIGPIPE, SIG_IGN);  // as main() does
  CheckSurroundings surroundings;
  surroundings.worker.program = DRAGNET_MISBEHAVING;
  surroundings.worker.allow_missing_walls = true;
  surroundings.facts.set_os("linux");
  return surroundings;
}

struct Result {
  std::vector<Verdict> verdicts;
  v1::OperationSummary summary;
};

// One turn of a loop.
void Turn(OperationRun& run, Result* result) {
  std::vector<pollfd> fds;
  run.AddPollFds(&fds);
  const auto wait = absl::ToInt64Milliseconds(absl::Ceil(
      std::min(run.deadline() - SteadyNow(), absl::Milliseconds(100)), absl::Milliseconds(1)));
  ::poll(fds.data(), fds.size(), static_cast<int>(std::max<int64_t>(wait, 0)));
  run.Advance();
  while (const auto rows = run.TakeRows()) {
    for (const std::string& row : rows->rows()) {
      EXPECT_TRUE(result->verdicts.emplace_back().ParseFromString(row));
    }
    run.Advance();
  }
}

Result ToItsEnd(OperationRun& run) {
  Result result;
  while (!run.summary().has_value()) Turn(run, &result);
  result.summary = *run.summary();
  EXPECT_EQ(result.summary.rows(), result.verdicts.size());
  return result;
}

Result RunOperation(const v1::Operation& operation, CheckSurroundings surroundings) {
  CheckRun run(operation, std::move(surroundings));
  return ToItsEnd(run);
}

Verdict OnlyVerdict(const Check& check, CheckSurroundings surroundings = Surroundings()) {
  const Result result = RunOperation(OperationOf({check}), std::move(surroundings));
  EXPECT_THAT(result.verdicts, SizeIs(1));
  return result.verdicts.empty() ? Verdict() : result.verdicts[0];
}

TEST(CheckRunTest, EachCheckHasItsVerdictInThePacksOrder) {
  const Result result = RunOperation(
      OperationOf({CheckThat("pass", "a"), CheckThat("fail", "b"), CheckThat("pass", "c")}),
      Surroundings());
  ASSERT_THAT(result.verdicts, SizeIs(3));
  EXPECT_EQ(result.verdicts[0].check(), "a");
  EXPECT_EQ(result.verdicts[0].status(), "pass");
  EXPECT_EQ(result.verdicts[1].check(), "b");
  EXPECT_EQ(result.verdicts[1].status(), "fail");
  EXPECT_EQ(result.verdicts[1].reason(), "so it is");
  EXPECT_THAT(result.verdicts[1].evidence(), SizeIs(1));
  EXPECT_EQ(result.verdicts[2].check(), "c");
  EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_FOUND);
  EXPECT_EQ(result.summary.termination(), v1::TERMINATION_COMPLETED);
  EXPECT_EQ(result.summary.module().items_examined(), 3u);
}

TEST(CheckRunTest, TitleSeverityAndTimeAreNotTheWorkersToSay) {
  const Verdict verdict = OnlyVerdict(CheckThat("pass"));
  EXPECT_EQ(verdict.title(), "It is so");
  EXPECT_EQ(verdict.severity(), "high");
  EXPECT_LT(verdict.wall_time_ms(), 100'000u);
}

TEST(CheckRunTest, AWorkerThatGivesNoGoodVerdictMakesItUnknown) {
  for (const auto& [behaviour, reason] :
       std::map<std::string, std::string>{{"clean", "gave no verdict"},
                                          {"not", "more than one verdict"},
                                          {"pass-twice", "more than one verdict"},
                                          {"endless-rows", "more than one verdict"},
                                          {"pass-of-another", "of another check"},
                                          {"not-applicable", "neither pass, fail nor unknown"},
                                          {"passed", "neither pass, fail nor unknown"},
                                          {"pass-with-a-long-reason", "too long a reason"},
                                          {"pass-with-much-evidence", "too much evidence"},
                                          {"pass-with-an-unknown-field", "can't be read"},
                                          {"huge-row", "broke the protocol"},
                                          {"pass-unlooked", "not everything was looked at"},
                                          {"pass-and-crash", "crashed: killed by SIGABRT"},
                                          {"crash", "crashed: killed by SIGSEGV"},
                                          {"forbidden-call", "crashed: killed by SIGSYS"},
                                          {"exit-at-once", "crashed: exited without a summary"},
                                          {"rubbish", "broke the protocol"},
                                          {"module-error", "the module failed: so it is"},
                                          {"out-of-memory", "went over a limit"}}) {
    SCOPED_TRACE(behaviour);
    const Result result = RunOperation(
        OperationOf({CheckThat(behaviour), CheckThat("pass", "next")}), Surroundings());
    ASSERT_THAT(result.verdicts, SizeIs(2));
    EXPECT_EQ(result.verdicts[0].status(), "unknown");
    EXPECT_THAT(result.verdicts[0].reason(), HasSubstr(reason));
    EXPECT_THAT(result.verdicts[0].evidence(), IsEmpty());
    EXPECT_EQ(result.verdicts[1].status(), "pass") << "the next one runs all the same";
    EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE);
    EXPECT_EQ(result.summary.detail(), "1 of 2 checks unknown");
  }
}

TEST(CheckRunTest, WhatAnUnknownCheckDidNotLookAtIsInTheSummary) {
  const Result result = RunOperation(
      OperationOf({CheckThat("unknown", "a"), CheckThat("unknown", "b"), CheckThat("pass", "c")}),
      Surroundings());
  ASSERT_THAT(result.summary.module().unexamined(), SizeIs(1));
  EXPECT_EQ(result.summary.module().unexamined(0).count(), 4u);
  EXPECT_THAT(result.summary.module().unexamined(0).examples(), SizeIs(2));
}

TEST(CheckRunTest, ACheckIsHeldToItsLimitsAndThoseOfTheAgent) {
  CheckSurroundings surroundings = Surroundings();
  surroundings.ceiling.wall_time = absl::Milliseconds(300);
  Check check = CheckThat("pass-and-hang");
  check.mutable_limits()->mutable_wall_time()->set_seconds(3600);
  EXPECT_THAT(OnlyVerdict(check, surroundings).reason(), HasSubstr("over a limit: ran for 300ms"));
  check.mutable_limits()->mutable_wall_time()->set_seconds(1);
  EXPECT_THAT(OnlyVerdict(check).reason(), HasSubstr("over a limit: ran for 1s"));
}

TEST(CheckRunTest, TheOperationsOwnTimeHoldsForAllChecksTogether) {
  v1::Operation operation =
      OperationOf({CheckThat("hang", "a"), CheckThat("pass", "b"), CheckThat("pass", "c")});
  operation.mutable_limits()->mutable_wall_time()->set_seconds(1);
  const Result result = RunOperation(operation, Surroundings());
  EXPECT_THAT(result.verdicts, SizeIs(1));
  EXPECT_EQ(result.summary.termination(), v1::TERMINATION_WALL_TIME_LIMIT);
  EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_THAT(result.summary.detail(), HasSubstr("before 2 of 3 checks were run"));
}

TEST(CheckRunTest, WhereItDoesNotApplyNothingRuns) {
  Check check = CheckThat("crash");
  check.set_applies_when("os = 'plan9'");
  EXPECT_EQ(OnlyVerdict(check).status(), "not_applicable");
  check.set_applies_when("no_such_fact = 1");
  EXPECT_EQ(OnlyVerdict(check).status(), "unknown");
  EXPECT_THAT(OnlyVerdict(check).reason(), HasSubstr("applies_when"));
  check = CheckThat("pass");
  check.set_applies_when("os = 'linux'");
  EXPECT_EQ(OnlyVerdict(check).status(), "pass");
  const Result result = RunOperation(OperationOf({CheckThat("pass")}), Surroundings());
  EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_FOUND);
}

TEST(CheckRunTest, OfAnImageWhatNeedsARunningSystemIsNotApplicable) {
  CheckSurroundings surroundings = Surroundings();
  surroundings.root = "/";
  Check check = CheckThat("crash");
  check.set_module("netstat");
  EXPECT_EQ(OnlyVerdict(check, surroundings).status(), "not_applicable");
  EXPECT_EQ(OnlyVerdict(check, surroundings).reason(), "an unpacked image has no running system");
}

TEST(CheckRunTest, AModuleThatIsNotThereAndAnotherSequenceOfChecksAreUnknown) {
  for (const char* module : {"no_such_module", "check", ""}) {
    Check check = CheckThat("pass");
    check.set_module(module);
    EXPECT_EQ(OnlyVerdict(check).status(), "unknown") << module;
  }
}

TEST(CheckRunTest, ParametersThatAreNotChecksRunNothing) {
  v1::Operation rubbish;
  rubbish.set_parameters("\xff\xff rubbish");
  v1::Operation unknown_field = OperationOf({CheckThat("pass")});
  unknown_field.mutable_parameters()->append("\xf8\x07\x01");
  v1::Operation blobs = OperationOf({CheckThat("pass")});
  blobs.add_blobs()->set_field("checks[0].parameters");
  Check long_title = CheckThat("pass");
  long_title.set_title(std::string(201, 'x'));
  for (const v1::Operation& operation :
       {rubbish, unknown_field, blobs, OperationOf({}),
        OperationOf({CheckThat("pass"), CheckThat("pass")}), OperationOf({CheckThat("pass", "")}),
        OperationOf({CheckThat("pass", std::string(65, 'x'))}), OperationOf({long_title}),
        OperationOf(std::vector<Check>(257, CheckThat("pass")))}) {
    const Result result = RunOperation(operation, Surroundings());
    EXPECT_THAT(result.verdicts, IsEmpty());
    EXPECT_EQ(result.summary.termination(), v1::TERMINATION_INVALID_PARAMETERS);
    EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE);
    EXPECT_THAT(result.summary.detail(), HasSubstr("checks: "));
  }
}

TEST(CheckRunTest, StoppedItTellsTheVerdictsThatThereAreAndRunsNoFurther) {
  CheckRun run(
      OperationOf({CheckThat("pass", "a"), CheckThat("hang", "b"), CheckThat("pass", "c")}),
      Surroundings());
  Result result;
  while (result.verdicts.empty()) Turn(run, &result);
  run.Stop(v1::TERMINATION_CANCELLED, "cancelled by alice");
  while (!run.summary().has_value()) Turn(run, &result);
  EXPECT_THAT(result.verdicts, SizeIs(1));
  EXPECT_EQ(run.summary()->termination(), v1::TERMINATION_CANCELLED);
  EXPECT_EQ(run.summary()->outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(run.summary()->detail(), "cancelled by alice");
}

TEST(CheckRunTest, HeldOrPausedItStartsNoFurtherCheck) {
  for (const bool by_order : {true, false}) {
    CheckRun run(OperationOf({CheckThat("pass", "a"), CheckThat("pass", "b")}), Surroundings());
    Result result;
    while (result.verdicts.empty()) {
      run.Advance();
      if (const auto rows = run.TakeRows()) result.verdicts.emplace_back();
    }
    by_order ? run.Hold(true) : run.Pause(true);
    for (int i = 0; i < 20; ++i) {
      run.Advance();
      std::vector<pollfd> fds;
      run.AddPollFds(&fds);
      EXPECT_THAT(fds, IsEmpty());
    }
    EXPECT_EQ(run.deadline(), absl::InfiniteFuture());
    by_order ? run.Hold(false) : run.Pause(false);
    while (!run.summary().has_value()) Turn(run, &result);
    EXPECT_THAT(result.verdicts, SizeIs(2));
  }
}

}  // namespace
}  // namespace dragnet
