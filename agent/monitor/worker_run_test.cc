// Workers that misbehave, each held by the monitor from outside.
#include "agent/monitor/worker_run.h"

#include <signal.h>

#include <algorithm>

#include "core/action.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/sanitizers.h"
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

WorkerEnvironment EnvironmentOf(std::string program = DRAGNET_MISBEHAVING) {
  ::signal(SIGPIPE, SIG_IGN);  // as main() does
  WorkerEnvironment environment;
  environment.program = std::move(program);
  environment.allow_missing_walls = true;
  return environment;
}

ipc::Job JobThat(std::string_view behaviour) {
  ipc::Job job;
  job.set_module("test");
  job.set_parameters(StrCat("misbehave:", behaviour));
  return job;
}

// Turns the loop until `done` or the end; the rows that came.
template <typename Done>
uint64_t Turn(WorkerRun& run, Done done) {
  uint64_t rows = 0;
  while (!run.summary().has_value() && !done()) {
    std::vector<pollfd> fds;
    run.AddPollFds(&fds);
    const auto wait = absl::ToInt64Milliseconds(absl::Ceil(
        std::min(run.deadline() - SteadyNow(), absl::Milliseconds(100)), absl::Milliseconds(1)));
    ::poll(fds.data(), fds.size(), static_cast<int>(std::max<int64_t>(wait, 0)));
    run.Advance();
    while (const auto message = run.TakeRows()) {
      rows += static_cast<uint64_t>(message->rows_size());
      run.Advance();
    }
  }
  return rows;
}

uint64_t TurnUntil(WorkerRun& run, absl::Time when) {
  return Turn(run, [&] { return SteadyNow() >= when; });
}

uint64_t TurnToItsEnd(WorkerRun& run) {
  return Turn(run, [] { return false; });
}

Result RunWorker(std::string_view behaviour, const OperationLimits& limits = {},
                 const WorkerEnvironment& environment = EnvironmentOf()) {
  WorkerRun run(kManifest, JobThat(behaviour), limits, environment);
  Result result;
  result.rows = TurnToItsEnd(run);
  result.summary = *run.summary();
  EXPECT_EQ(result.summary.rows(), result.rows) << behaviour;
  return result;
}

double Seconds(const google::protobuf::Duration& duration) {
  return absl::ToDoubleSeconds(ToDuration(duration));
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

#ifndef DRAGNET_ADDRESS_SANITIZER  // which can't live under the limit
TEST(WorkerRunTest, AMemoryEaterIsEndedByTheMemoryLimit) {
  OperationLimits limits;
  limits.memory_bytes = uint64_t{128} << 20;
  const Result result = RunWorker("eat-memory", limits);
  EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(result.summary.termination(), v1::TERMINATION_MEMORY_LIMIT);
}

#endif

TEST(WorkerRunTest, AMemoryEaterIsEndedFromOutsideWhereTheKernelDoesNotRefuseIt) {
  WorkerEnvironment environment = EnvironmentOf();
  environment.limit_address_space = false;
  OperationLimits limits;
  limits.memory_bytes = uint64_t{128} << 20;
  const Result result = RunWorker("hold-memory", limits, environment);
  EXPECT_EQ(result.summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(result.summary.termination(), v1::TERMINATION_MEMORY_LIMIT);
  EXPECT_THAT(result.summary.detail(), HasSubstr("bytes of memory"));
}

// ---- CPU share

// The bound from above holds on a busy machine, too: there it gets less. From
// below, what counts is that it wasn't stopped for longer than its use asks for.
void ExpectShare(const v1::OperationSummary& summary, double share) {
  const double cpu = Seconds(summary.cpu_time());
  const double wall = Seconds(summary.wall_time());
  const double stopped = Seconds(summary.held_for_cpu_share());
  EXPECT_LT(cpu / wall, share * 1.4) << summary.ShortDebugString();
  EXPECT_GT(cpu / stopped, share * 0.6) << summary.ShortDebugString();
}

TEST(WorkerRunTest, ATightLoopInThreadsKeepsTheShareThatWasAsked) {
  OperationLimits limits;
  limits.cpu_share_percent = 10;
  limits.wall_time = absl::Seconds(10);
  const Result result = RunWorker("burn-cpu-in-threads", limits);
  EXPECT_EQ(result.summary.termination(), v1::TERMINATION_WALL_TIME_LIMIT);
  ExpectShare(result.summary, 0.10);
}

TEST(WorkerRunTest, SeveralThreadsHaveTheShareOfOneCoreTogether) {
  OperationLimits limits;
  limits.wall_time = absl::Seconds(3);
  const v1::OperationSummary summary = RunWorker("burn-cpu-in-threads", limits).summary;
  EXPECT_LT(Seconds(summary.cpu_time()) / Seconds(summary.wall_time()), 1.2)
      << summary.ShortDebugString();
}

TEST(WorkerRunTest, WithoutAShareNothingIsStopped) {
  OperationLimits limits;
  limits.cpu_share_percent = 0;
  limits.wall_time = absl::Seconds(1);
  const v1::OperationSummary summary = RunWorker("burn-cpu-in-threads", limits).summary;
  EXPECT_EQ(Seconds(summary.held_for_cpu_share()), 0) << summary.ShortDebugString();
}

TEST(WorkerRunTest, OneThatIsStoppedForItsShareIsEndedByItsOtherLimitsAndByOrder) {
  OperationLimits limits;
  limits.cpu_share_percent = 1;
  limits.cpu_time = absl::Milliseconds(20);
  EXPECT_EQ(RunWorker("burn-cpu", limits).summary.termination(), v1::TERMINATION_CPU_TIME_LIMIT);

  limits.cpu_time = absl::Minutes(1);
  WorkerRun run(kManifest, JobThat("burn-cpu"), limits, EnvironmentOf());
  TurnUntil(run, SteadyNow() + absl::Seconds(1));
  run.Stop(v1::TERMINATION_CANCELLED, "cancelled");
  TurnToItsEnd(run);
  EXPECT_EQ(run.summary()->termination(), v1::TERMINATION_CANCELLED);
}

TEST(WorkerRunTest, ASmallerShareOfAllHoldsWhileItRuns) {
  OperationLimits limits;
  limits.wall_time = absl::Seconds(3);
  WorkerRun run(kManifest, JobThat("burn-cpu"), limits, EnvironmentOf());
  run.SetCpuShare(10);
  run.SetCpuShare(1000);  // never more than its own
  run.SetCpuShare(10);
  TurnToItsEnd(run);
  ExpectShare(*run.summary(), 0.10);
}

// ---- held by order

// "T (stopped)", "S (sleeping)", …
std::string StateOf(const WorkerRun& run) {
  const absl::StatusOr<std::string> status = ReadFile(StrCat("/proc/", run.pid(), "/status"));
  if (!status.ok()) return "gone";
  const size_t at = status->find("State:\t") + 7;
  return status->substr(at, status->find('\n', at) - at);
}

TEST(WorkerRunTest, OneThatIsHeldStandsStillAndItsTimeDoesNotCount) {
  OperationLimits limits;
  limits.wall_time = absl::Seconds(2);
  const absl::Time start = SteadyNow();
  WorkerRun run(kManifest, JobThat("burn-and-end"), limits, EnvironmentOf());
  for (int i = 0; i < 2; ++i) run.Hold(true);
  EXPECT_TRUE(run.held());
  TurnUntil(run, SteadyNow() + absl::Seconds(3));  // its wall time, and more
  ASSERT_FALSE(run.summary().has_value());
  EXPECT_THAT(StateOf(run), HasSubstr("stopped"));
  EXPECT_EQ(run.deadline(), absl::InfiniteFuture()) << "nothing to wake up for";
  for (int i = 0; i < 2; ++i) run.Hold(false);
  TurnToItsEnd(run);
  const v1::OperationSummary& summary = *run.summary();
  EXPECT_GE(Seconds(summary.paused_by_order()), 3) << summary.ShortDebugString();
  EXPECT_LE(Seconds(summary.wall_time()) + Seconds(summary.paused_by_order()),
            absl::ToDoubleSeconds(SteadyNow() - start) + 0.001)
      << summary.ShortDebugString();
  EXPECT_GE(Seconds(summary.cpu_time()), 0.01) << "it went on" << summary.ShortDebugString();
}

TEST(WorkerRunTest, OneThatIsHeldIsNotContinuedByItsShare) {
  OperationLimits limits;
  limits.cpu_share_percent = 10;
  WorkerRun run(kManifest, JobThat("burn-cpu-in-threads"), limits, EnvironmentOf());
  TurnUntil(run, SteadyNow() + absl::Milliseconds(300));
  run.Hold(true);
  const absl::Time until = SteadyNow() + absl::Seconds(1);
  while (SteadyNow() < until) {
    run.SetCpuShare(SteadyNow() < until - absl::Milliseconds(500) ? 5 : 10);
    TurnUntil(run, SteadyNow() + absl::Milliseconds(100));
    ASSERT_THAT(StateOf(run), HasSubstr("stopped"));
  }
  run.Hold(false);
  Turn(run, [&] { return StateOf(run).find("running") != std::string::npos; });
  EXPECT_THAT(StateOf(run), ::testing::Not(HasSubstr("gone")));
}

TEST(WorkerRunTest, OneThatIsHeldAndContinuedByOthersIsStoppedAgain) {
  WorkerRun run(kManifest, JobThat("burn-cpu"), {}, EnvironmentOf());
  run.Hold(true);
  Turn(run, [&] { return StateOf(run).find("stopped") != std::string::npos; });
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(::kill(run.pid(), SIGCONT), 0);
    ASSERT_THAT(StateOf(run), ::testing::Not(HasSubstr("stopped")));
    // It never ends by itself: without a second stop this doesn't, either.
    Turn(run, [&] { return StateOf(run).find("stopped") != std::string::npos; });
    ASSERT_FALSE(run.summary().has_value()) << run.summary()->ShortDebugString();
  }
}

TEST(WorkerRunTest, OneThatIsHeldCanBeStopped) {
  WorkerRun run(kManifest, JobThat("burn-cpu"), {}, EnvironmentOf());
  run.Hold(true);
  run.Stop(v1::TERMINATION_CANCELLED, "by order");
  run.Hold(false);
  run.Hold(true);
  TurnToItsEnd(run);
  EXPECT_EQ(run.summary()->termination(), v1::TERMINATION_CANCELLED);
  EXPECT_EQ(run.summary()->outcome(), v1::OUTCOME_INCOMPLETE);
}

TEST(WorkerRunTest, OneThatIsHeldAndKilledByOthersIsACrash) {
  WorkerRun run(kManifest, JobThat("burn-cpu"), {}, EnvironmentOf());
  run.Hold(true);
  ::kill(run.pid(), SIGKILL);
  TurnToItsEnd(run);
  EXPECT_EQ(run.summary()->termination(), v1::TERMINATION_CRASHED);
}

// ---- no room in the spool

TEST(WorkerRunTest, WithoutRoomForItsRowsItStandsStillAndSaysSo) {
  OperationLimits limits;
  limits.wall_time = absl::Seconds(2);
  WorkerRun run(kManifest, JobThat("many-rows"), limits, EnvironmentOf());
  run.Pause(true);
  EXPECT_EQ(TurnToItsEnd(run), 0u);
  const v1::OperationSummary& summary = *run.summary();
  EXPECT_EQ(summary.termination(), v1::TERMINATION_WALL_TIME_LIMIT);
  EXPECT_THAT(summary.detail(), HasSubstr("stood still"));
  EXPECT_GT(Seconds(summary.stood_still_for_spool()), 0);
  EXPECT_LE(Seconds(summary.stood_still_for_spool()), Seconds(summary.wall_time()));
}

TEST(WorkerRunTest, ItGoesOnWhenThereIsRoomAndLosesNothing) {
  WorkerRun run(kManifest, JobThat("many-rows"), {}, EnvironmentOf());
  run.Pause(true);
  // Until it has rows that it can't give away.
  TurnUntil(run, SteadyNow() + absl::Seconds(5));
  run.Pause(false);
  EXPECT_EQ(TurnToItsEnd(run), 10'000u);
  EXPECT_EQ(run.summary()->outcome(), v1::OUTCOME_FOUND);
  EXPECT_GT(Seconds(run.summary()->stood_still_for_spool()), 0);
}

TEST(WorkerRunTest, OneThatOnlyComputesDoesNotStandStillForTheSpool) {
  OperationLimits limits;
  limits.wall_time = absl::Seconds(1);
  WorkerRun run(kManifest, JobThat("hang"), limits, EnvironmentOf());
  run.Pause(true);
  TurnToItsEnd(run);
  EXPECT_EQ(Seconds(run.summary()->stood_still_for_spool()), 0);
  EXPECT_THAT(run.summary()->detail(), ::testing::Not(HasSubstr("stood still")));
}

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
  // Each with what it takes beside its bytes.
  EXPECT_LE(by_size.rows * (3 + 6), 1000u);
  EXPECT_GT(by_size.rows, 0u);
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
  const Result result = RunWorker("not", {}, EnvironmentOf("/nosuch/dragnet-worker"));
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
  EXPECT_EQ(EffectiveLimits(asked, ceiling, false).rows, ceiling.rows);
  asked.set_rows(5);
  asked.mutable_wall_time()->set_seconds(3);
  EXPECT_EQ(EffectiveLimits(asked, ceiling, false).rows, 5u);
  EXPECT_EQ(EffectiveLimits(asked, ceiling, false).wall_time, absl::Seconds(3));
  asked.set_rows(UINT64_MAX);
  asked.set_memory_bytes(UINT64_MAX);
  asked.mutable_cpu_time()->set_seconds(86400);
  EXPECT_EQ(EffectiveLimits(asked, ceiling, false).rows, ceiling.rows);
  EXPECT_EQ(EffectiveLimits(asked, ceiling, false).memory_bytes, ceiling.memory_bytes);
  EXPECT_EQ(EffectiveLimits(asked, ceiling, false).cpu_time, ceiling.cpu_time);
}

TEST(LimitsTest, ScheduledWorkHasAQuarterOfACoreUnlessItsSignerAsksForAnother) {
  OperationLimits ceiling;
  v1::Limits asked;
  EXPECT_EQ(EffectiveLimits(asked, ceiling, false).cpu_share_percent, 100u);
  EXPECT_EQ(EffectiveLimits(asked, ceiling, true).cpu_share_percent, 25u);
  asked.set_cpu_share_percent(60);
  EXPECT_EQ(EffectiveLimits(asked, ceiling, true).cpu_share_percent, 60u);
  asked.set_cpu_share_percent(6400);
  EXPECT_EQ(EffectiveLimits(asked, ceiling, true).cpu_share_percent, 100u);
  ceiling.cpu_share_percent = 10;
  EXPECT_EQ(EffectiveLimits(asked, ceiling, false).cpu_share_percent, 10u);
  EXPECT_EQ(EffectiveLimits({}, ceiling, true).cpu_share_percent, 10u);
}

TEST(LimitsTest, TheShareOfAllIsDividedFairly) {
  using ::testing::ElementsAre;
  EXPECT_THAT(DivideCpuShare({}, 100), ElementsAre());
  EXPECT_THAT(DivideCpuShare({100}, 200), ElementsAre(100));
  EXPECT_THAT(DivideCpuShare({100, 100}, 100), ElementsAre(50, 50));
  // Who wants little leaves more to the others.
  EXPECT_THAT(DivideCpuShare({100, 10, 100}, 110), ElementsAre(50, 10, 50));
  EXPECT_THAT(DivideCpuShare({25, 100}, 100), ElementsAre(25, 75));
  // None is forgotten.
  EXPECT_THAT(DivideCpuShare({100, 100, 100}, 2), ElementsAre(1, 1, 1));
}

}  // namespace
}  // namespace dragnet
