#include "tests/faults/fleet_faults.h"

namespace dragnet::testing {

std::string NothingMissing() { return ""; }

const std::vector<Fault>& AllFaults() {
  static const std::vector<Fault> faults = {
      {"scheduler-dispatch", "kill -9 of the scheduler while actions go out", NothingMissing,
       KillSchedulerDuringDispatch},
      {"scheduler-results", "kill -9 of the scheduler while results come in", NothingMissing,
       KillSchedulerDuringResults},
      {"scheduler-commit", "kill -9 of the scheduler in a sync, or in the middle of a write",
       NothingMissing, KillSchedulerDuringCommit},
      {"swarm", "kill -9 of processes of simulated agents", NothingMissing, KillSwarm},
      {"agents", "kill -9 of real agents, their links and workers", NothingMissing, KillAgents},
      {"cut", "connections of some agents are reset, again and again", NothingMissing,
       CutConnections},
      {"black-hole", "the network of some agents swallows everything in silence", NothingMissing,
       BlackHole},
      {"cable", "the cable of some agents' network namespace is pulled", MissingCable, PullCable},
      {"disk-scheduler", "the scheduler's disk is full for a while", MissingSmallDisk,
       FullSchedulerDisk},
      {"disk-agent", "the disks of real agents are full for a while", MissingSmallDisk,
       FullAgentDisk},
      {"slow-disk", "each sync of the scheduler takes up to a second", NothingMissing, SlowDisk},
      {"clock", "the scheduler's clock jumps forth and back by up to 26 hours", NothingMissing,
       JumpClock},
      {"restore",
       "the scheduler goes on with an older copy of its database; agents still hold the rest",
       NothingMissing, RestoreUnheard},
      {"restore-acknowledged",
       "as restore, but the rest was acknowledged: it went with the newer database", NothingMissing,
       RestoreAcknowledged},
  };
  return faults;
}

}  // namespace dragnet::testing
