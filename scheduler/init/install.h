// `dragnet-scheduler init --install`: gives the scheduler of a new fleet the places that
// its package's service reads, so that who installs one moves no key by hand.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace dragnet::scheduler {

// Those of the package (packaging/systemd/dragnet-scheduler.service).
struct InstalledPlaces {
  std::string config = "/etc/dragnet/scheduler.toml";
  // Belongs to the scheduler's user, which the package made.
  std::string state = "/var/lib/dragnet-scheduler";
};

// Before a fleet is made for it. PermissionDenied: not root. NotFound: the package isn't
// installed. AlreadyExists: there is a scheduler already.
absl::Status CheckInstallable(const InstalledPlaces& places);

// Moves the scheduler's part out of `directory`, which InitializeFleet made: keys,
// certificates and store to `state`, as that directory's owner; the configuration, which
// names them there, to `config`. Nothing of it stays in `directory`. After an error
// everything is still there.
absl::Status InstallScheduler(const std::string& directory, const InstalledPlaces& places);

}  // namespace dragnet::scheduler
