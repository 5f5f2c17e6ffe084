// Disks that are full for a while, or slow.
#include "core/strings.h"
#include "tests/faults/fleet_faults.h"
#include "tests/faults/small_disk.h"

namespace dragnet::testing {
namespace {

// What a store of so many agents' answers takes, and half of that.
int StoreMegabytes(const Round& round) { return static_cast<int>(48 + round.options().agents / 2); }

}  // namespace

std::string MissingSmallDisk() {
  const TemporaryDirectory directory;
  const SmallDisk disk(directory.path() + "/disk", 1);
  return disk.mounted() ? "" : "only root can mount a small disk";
}

void FullSchedulerDisk(Round& round) {
  const TemporaryDirectory directory;
  const SmallDisk disk(directory.path() + "/disk", StoreMegabytes(round));
  Need(disk.mounted(), "mount a small disk");
  round.Make({.store_directory = disk.path()});
  round.Start();
  for (int i = 0; i < 2; ++i) round.Launch();
  for (int i = 0; i < 2; ++i) {
    round.WaitForChance(i * 0.4, i * 0.4 + 0.4);
    disk.Fill();
    round.Wander(absl::Milliseconds(100), absl::Seconds(3));
    disk.MakeRoom();
  }
  round.Note(StrCat("the scheduler said ", round.Said("full"), " times that it was full"));
  round.Launch();
  round.WaitForEnd();
  round.Check();
}

void FullAgentDisk(Round& round) {
  const TemporaryDirectory directory;
  const SmallDisk disk(directory.path() + "/disk", 24);
  Need(disk.mounted(), "mount a small disk");
  round.Make({.real_agents = 2, .agent = {.state_directory = disk.path()}});
  round.Start();
  for (int i = 0; i < 2; ++i) {
    round.LaunchToRealAgents();
    // Not before it is taken on: what is refused for want of a journal isn't run.
    round.WaitForRealAgents(round.Between(0.01, 0.4));
    disk.Fill();
    round.Wander(absl::Milliseconds(100), absl::Seconds(3));
    disk.MakeRoom();
    round.Launch();
    round.WaitForEnd();
  }
  for (Agent* agent : round.real_agents())
    round.Note(StrCat(agent->name(), agent->process().Output().find("full") == std::string::npos
                                         ? " never noticed"
                                         : " noticed"));
  round.Check();
}

void SlowDisk(Round& round) {
  round.Make({.preload = true});
  round.Start();
  round.control().sync_delay_us = static_cast<int64_t>(round.Pick(20'000, 1'000'000));
  round.control().write_delay_us = static_cast<int64_t>(round.Pick(0, 300));
  for (int i = 0; i < 2; ++i) round.Launch();
  round.WaitForChance(0, 0.5);
  // A slow disk and a kill, and a disk that is quick again.
  round.RestartScheduler();
  round.WaitForChance(0.5, 1);
  round.Note(StrCat("syncs of ", round.control().sync_delay_us.load() / 1000, " ms"));
  round.control().sync_delay_us = 0;
  round.control().write_delay_us = 0;
  round.WaitForEnd();
  round.Check();
}

}  // namespace dragnet::testing
