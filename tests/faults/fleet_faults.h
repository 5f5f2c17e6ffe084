// The faults that a fleet must survive without losing or doubling a row. Each is
// one function over a Round; what must be true afterwards is the Round's.
#pragma once

#include <string>
#include <vector>

#include "tests/faults/fleet_round.h"

namespace dragnet::testing {

struct Fault {
  std::string name;
  // For --help.
  std::string description;
  // Why it can't be run here; empty when it can.
  std::string (*missing)();
  void (*run)(Round& round);
};

const std::vector<Fault>& AllFaults();

// --- fleet_kill_faults.cc
void KillSchedulerDuringDispatch(Round& round);
void KillSchedulerDuringResults(Round& round);
void KillSchedulerDuringCommit(Round& round);
void KillSwarm(Round& round);
void KillAgents(Round& round);
// --- fleet_network_faults.cc
void CutConnections(Round& round);
void BlackHole(Round& round);
void PullCable(Round& round);
// --- fleet_disk_faults.cc
void FullSchedulerDisk(Round& round);
void FullAgentDisk(Round& round);
void SlowDisk(Round& round);
// --- fleet_time_faults.cc
void JumpClock(Round& round);
void RestoreUnheard(Round& round);
void RestoreAcknowledged(Round& round);

std::string NothingMissing();
std::string MissingSmallDisk();
std::string MissingCable();

}  // namespace dragnet::testing
