// kill -9 of each process, while a fleet answers.
#include <signal.h>

#include <thread>

#include "core/strings.h"
#include "tests/faults/fleet_faults.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

constexpr int kActions = 3;
// Longer than the scheduler takes to send an action to 200 agents.
constexpr absl::Duration kDispatch = absl::Milliseconds(40);

void RestartWhenDead(Round& round) {
  if (!round.fleet().scheduler().running()) round.fleet().StartScheduler();
}

void KillOneOf(Round& round, Agent& agent) {
  const pid_t link = agent.LinkPid();
  const pid_t worker = agent.WorkerPid();
  switch (round.Pick(0, 2)) {
    case 0:
      agent.Kill();
      agent.Start();
      break;
    case 1:
      // It may be on its way back from the last time.
      if (link > 0) ::kill(link, SIGKILL);
      break;
    default:
      // It may have ended.
      if (worker > 0) ::kill(worker, SIGKILL);
      break;
  }
}

}  // namespace

void KillSchedulerDuringDispatch(Round& round) {
  round.Make({});
  round.Start();
  for (int i = 0; i < kActions; ++i) {
    const absl::Duration moment = absl::Seconds(round.Between(0, absl::ToDoubleSeconds(kDispatch)));
    Process& scheduler = round.fleet().scheduler();
    {
      const std::jthread killer([&] {
        absl::SleepFor(moment);
        scheduler.Signal(SIGKILL);
      });
      // An answer that is lost with the scheduler: the same action is launched again.
      round.Launch([&] {
        if (scheduler.WaitForEnd(absl::Seconds(1)).has_value()) round.fleet().StartScheduler();
      });
    }
    scheduler.WaitForEnd(absl::Seconds(1));
    RestartWhenDead(round);
  }
  round.WaitForEnd();
  round.Check();
}

void KillSchedulerDuringResults(Round& round) {
  round.Make({});
  round.Start();
  for (int i = 0; i < kActions; ++i) round.Launch();
  for (int i = 0; i < 3; ++i) {
    round.WaitForChance(i * 0.3, i * 0.3 + 0.3);
    round.RestartScheduler();
  }
  round.WaitForEnd();
  round.Check();
}

void KillSchedulerDuringCommit(Round& round) {
  round.Make({.preload = true});
  round.Start();
  for (int i = 0; i < kActions; ++i) {
    const bool in_write = round.Pick(0, 1) == 1;
    auto& countdown =
        in_write ? round.control().writes_until_kill : round.control().syncs_until_kill;
    countdown = static_cast<int64_t>(in_write ? round.Pick(1, 2000) : round.Pick(1, 60));
    round.Launch([&] { RestartWhenDead(round); });
    // With few commits it may outlive the action: then it is killed in the next one.
    if (!round.fleet().scheduler().WaitForEnd(absl::Seconds(5)).has_value())
      round.Note(StrCat("action ", i + 1, " had ended before the kill"));
    RestartWhenDead(round);
  }
  round.control().writes_until_kill = 0;
  round.control().syncs_until_kill = 0;
  RestartWhenDead(round);
  round.WaitForEnd();
  round.Check();
}

void KillSwarm(Round& round) {
  const uint32_t half = round.options().agents / 2;
  round.Make({.parts = {{.from = 0, .agents = half},
                        {.from = half, .agents = round.options().agents - half}}});
  round.Start();
  for (int i = 0; i < kActions; ++i) round.Launch();
  for (int i = 0; i < 3; ++i) {
    round.WaitForChance(i * 0.25, i * 0.25 + 0.25);
    SwarmProcess& swarm = *round.swarms()[round.Pick(0, 1)];
    swarm.Kill();
    swarm.Start();
  }
  round.WaitForEnd();
  round.Check();
}

void KillAgents(Round& round) {
  round.Make({.real_agents = 3});
  round.Start();
  for (int i = 0; i < kActions; ++i) {
    round.Launch();
    round.LaunchToRealAgents();
    for (Agent* agent : round.real_agents()) {
      round.Wander(absl::ZeroDuration(), absl::Milliseconds(400));
      KillOneOf(round, *agent);
    }
  }
  round.WaitForEnd();
  round.Check();
}

}  // namespace dragnet::testing
