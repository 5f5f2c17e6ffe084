// Which version `dragnet-agent run` is: the program that was started, or the one that an
// upgrade put over it.
//
// The first thing that happens, before anything but the configuration is looked at, so
// that it works the same whatever is in the state. Not thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "agent/monitor/agent_config.h"
#include "agent/monitor/upgrade/release_state.h"
#include "agent/monitor/upgrade/releases.h"

namespace dragnet {

// Of the program that runs.
struct OwnProgram {
  std::string version;
  std::string path;  // absolute, without symbolic links
  // DigestOfPrograms: a package may be built anew as the same version. Empty: not known.
  std::string sha256 = {};
};
// By /proc/self/exe. A package that was upgraded since has another file there.
OwnProgram FindOwnProgram();

// What is to run, and over which state.
struct Launch {
  // To be executed in place of this one; empty: this one runs.
  std::string program;
  // This one is a version that an upgrade put in place, and not the base.
  bool is_release = false;
  ReleaseState state;
  // Why it can't be told which version is to run; empty: it can. This one runs until the
  // next start, where it is asked again: until then nothing in the release directory is
  // changed or removed.
  std::string undecided = {};
};

// Decides, counts a start of an unconfirmed version, goes back when it has none left or
// its files are not what they were, and removes what the package manager's newer
// version makes void. Never fails: where nothing can be decided this program runs, the
// log says why, and everything stays as it is.
Launch DecideLaunch(const OwnProgram& own, AgentConfig::Upgrade who, ReleaseDirectory* releases);

// DecideLaunch, and becomes that program, with the arguments and the environment of this
// one. Returns when this program runs, also where the other one can't be executed.
//
// An unconfirmed version is killed (SIGALRM) when it has not been confirmed for longer
// than it may take to go back by itself: it may hang before it could.
Launch LaunchCurrent(const AgentConfig& config, char** arguments);

// That time, of a start: within `trial_time` it is connected, for `confirm_time` it stays
// so.
inline absl::Duration TimeToConfirm(absl::Duration trial_time, absl::Duration confirm_time) {
  return trial_time + confirm_time;
}
// It runs, and doesn't hang: no one kills it any more.
void CancelLaunchAlarm();

// Becomes `program` as if the service manager had started it: in the network namespace
// `host_network_fd` (-1: in that already), with default signals, none of them blocked.
// An alarm stays on. Returns only to say why it didn't.
absl::Status Become(const std::string& program, char** arguments, int host_network_fd);

}  // namespace dragnet
