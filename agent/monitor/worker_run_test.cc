// Workers that misbehave, each held by the monitor from outside.
#include "agent/monitor/worker_run.h"

#include <signal.h>

#include <algorithm>

#include "core/clock.h"
#include "core/keys.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::HasSubstr;

constexpr ModuleManifest kManifest = {
    .name = "test", .summary = "", .capabilities = {}, .uses_powers_of = {}};

struct Result {
  v1::OperationSummary summary;
  uint64_t rows = 0;
};

Result RunWorker(std::string_view behaviour, const OperationLimits& limits = {},
                 std::string program = DRAGNET_MISBEHAVING) {
  ::signal(SIGPIPE, SIG_IGN);  // as main() does
  ipc::Job job;
  job.set_module("test");
  job.set_parameters(StrCat("misbehave:", behaviour));
  WorkerEnvironment environment;
  environment.program = std::move(program);
  environment.allow_missing_walls = true;
  WorkerRun run(kManifest, job, limits, environment);
  Result result;
  while (!run.summary().has_value()) {
    std::vector<pollfd> fds;
    run.AddPollFds(&fds);
    const auto wait = absl::ToInt64Milliseconds(run.deadline() - SteadyNow());
    ::poll(fds.data(), fds.size(), static_cast<int>(std::clamp<int64_t>(wait, 0, 1000)));
    run.Advance();
    while (const auto rows = run.TakeRows()) {
      result.rows += static_cast<uint64_t>(rows->rows_size());
      run.Advance();
    }
  }
  result.summary = *run.summary();
  EXPECT_EQ(result.summary.rows(), result.rows) << behaviour;
  return result;
}

TEST(WorkerRunTest, AWellBehavedWorkerCompletes) {
  const Result found = RunWorker("not");
  EXPECT_EQ(found.summary.outcome(), v1::OUTCOME_FOUND);
  EXPECT_EQ(found.summary.termination(), v1::TERMINATION_COMPLETED);
  EXPECT_EQ(found.rows, 2u);
  EXPECT_EQ(RunWorker("clean").summary.outcome(), v1::OUTCOME_CLEAN);
}

TEST(WorkerRunTest, ADeathIsACrashAndNeverClean) {
  const std::pair<const char*, const char*> deaths[] = {
      {"crash", "SIGSEGV"},
      {"abort", "SIGABRT"},
      {"forbidden-call", "SIGSYS"},
      {"exit-without-summary", "without a summary"},
      {"exit-at-once", "without a summary"},
      {"exit-with-failure", "exit status 9"},
      {"crash-after-summary", "SIGABRT"}};
  for (const auto& [behaviour, detail] : deaths) {
    const Result result = RunWorker(behaviour);
    EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE) << behaviour;
    EXPECT_EQ(result.summary.termination(), v1::TERMINATION_CRASHED) << behaviour;
    EXPECT_THAT(result.summary.detail(), HasSubstr(detail)) << behaviour;
  }
}

TEST(WorkerRunTest, RubbishOnThePipeIsAProtocolViolation) {
  for (const char* behaviour :
       {"rubbish", "oversized-frame", "truncated-frame", "empty-message", "huge-row",
        "oversized-rows", "two-summaries", "rows-after-summary", "no-rows"}) {
    const Result result = RunWorker(behaviour);
    EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE) << behaviour;
    EXPECT_EQ(result.summary.termination(), v1::TERMINATION_PROTOCOL_VIOLATION) << behaviour;
  }
}

TEST(WorkerRunTest, AHangingWorkerIsEndedByTheWallTimeLimit) {
  OperationLimits limits;
  limits.wall_time = absl::Milliseconds(300);
  for (const char* behaviour : {"hang", "hang-after-summary", "hang-with-output-closed"}) {
    const Result result = RunWorker(behaviour, limits);
    EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE) << behaviour;
    EXPECT_EQ(result.summary.termination(), v1::TERMINATION_WALL_TIME_LIMIT) << behaviour;
  }
}

TEST(WorkerRunTest, ACpuBurnerIsEndedByTheCpuTimeLimit) {
  OperationLimits limits;
  limits.cpu_time = absl::Milliseconds(200);
  EXPECT_EQ(RunWorker("burn-cpu", limits).summary.termination(), v1::TERMINATION_CPU_TIME_LIMIT);
}

#ifndef __SANITIZE_ADDRESS__  // which can't live under the limit
TEST(WorkerRunTest, AMemoryEaterIsEndedByTheMemoryLimit) {
  OperationLimits limits;
  limits.memory_bytes = uint64_t{128} << 20;
  const Result result = RunWorker("eat-memory", limits);
  EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(result.summary.termination(), v1::TERMINATION_MEMORY_LIMIT);
}

#endif

TEST(WorkerRunTest, EndlessRowsAreCutAtTheLimitAndSaySo) {
  OperationLimits limits;
  limits.rows = 250;
  const Result by_count = RunWorker("endless-rows", limits);
  EXPECT_EQ(by_count.summary.termination(), v1::TERMINATION_ROW_LIMIT);
  EXPECT_EQ(by_count.summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(by_count.rows, 250u);

  limits = {};
  limits.result_bytes = 1000;
  const Result by_size = RunWorker("endless-rows", limits);
  EXPECT_EQ(by_size.summary.termination(), v1::TERMINATION_RESULT_SIZE_LIMIT);
  EXPECT_LE(by_size.rows * 3, 1000u);
}

TEST(WorkerRunTest, AModulesErrorIsReported) {
  const Result result = RunWorker("module-error");
  EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(result.summary.termination(), v1::TERMINATION_MODULE_ERROR);
  EXPECT_THAT(result.summary.detail(), HasSubstr("so it is"));
}

TEST(WorkerRunTest, AWorkerThatSaysFailedAndGoesOnIsEnded) {
  const Result result = RunWorker("hang-after-failed");
  EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(result.summary.termination(), v1::TERMINATION_MODULE_ERROR);
}

TEST(WorkerRunTest, AWorkerThatCannotBeStartedSaysWhy) {
  const Result result = RunWorker("not", {}, "/nosuch/dragnet-worker");
  EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(result.summary.termination(), v1::TERMINATION_NOT_STARTED);
  EXPECT_THAT(result.summary.detail(), HasSubstr("No such file"));
}

TEST(WorkerRunTest, AJobLargerThanThePipeIsDelivered) {
  EXPECT_EQ(RunWorker(StrCat("not ", std::string(400000, 'x'))).summary.outcome(),
            v1::OUTCOME_FOUND);
}

TEST(WorkerRunTest, UnexaminedItemsAndHitLimitsAreNeverClean) {
  v1::ModuleSummary module;
  EXPECT_EQ(OutcomeOf(v1::TERMINATION_COMPLETED, module, 0), v1::OUTCOME_CLEAN);
  EXPECT_EQ(OutcomeOf(v1::TERMINATION_COMPLETED, module, 1), v1::OUTCOME_FOUND);
  module.add_unexamined()->set_count(1);
  EXPECT_EQ(OutcomeOf(v1::TERMINATION_COMPLETED, module, 0), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(OutcomeOf(v1::TERMINATION_COMPLETED, module, 5), v1::OUTCOME_INCOMPLETE);
  module.Clear();
  module.add_limits_hit("match_limit");
  EXPECT_EQ(OutcomeOf(v1::TERMINATION_COMPLETED, module, 5), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(OutcomeOf(v1::TERMINATION_CRASHED, {}, 0), v1::OUTCOME_INCOMPLETE);
}

TEST(LimitsTest, ASignerMayAskForLessButNeverForMoreThanTheAgentAllows) {
  OperationLimits ceiling;
  v1::Limits asked;
  EXPECT_EQ(EffectiveLimits(asked, ceiling).rows, ceiling.rows);
  asked.set_rows(5);
  asked.mutable_wall_time()->set_seconds(3);
  EXPECT_EQ(EffectiveLimits(asked, ceiling).rows, 5u);
  EXPECT_EQ(EffectiveLimits(asked, ceiling).wall_time, absl::Seconds(3));
  asked.set_rows(UINT64_MAX);
  asked.set_memory_bytes(UINT64_MAX);
  asked.mutable_cpu_time()->set_seconds(86400);
  EXPECT_EQ(EffectiveLimits(asked, ceiling).rows, ceiling.rows);
  EXPECT_EQ(EffectiveLimits(asked, ceiling).memory_bytes, ceiling.memory_bytes);
  EXPECT_EQ(EffectiveLimits(asked, ceiling).cpu_time, ceiling.cpu_time);
}

}  // namespace
}  // namespace dragnet
