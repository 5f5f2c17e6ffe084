// A scheduler that runs: everything put together, from settings to an open
// port. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/clock.h"
#include "scheduler/settings.h"

namespace dragnet::scheduler {

class Server {
 public:
  // Listens when this returns. Errors name the file or the address: Unavailable
  // for a port or a store that is taken, FailedPrecondition for a certificate
  // that has expired, others as the files give them. `clock` must outlive it.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Settings& settings,
                                                       const Clock& clock);
  // Closes all streams, stores what was received, then returns.
  virtual ~Server() = default;

  // host:port with the real port.
  virtual const std::string& address() const = 0;

  // The same of metrics and health; empty when they are off.
  virtual std::string metrics_address() const = 0;

  // What has to be done now and then. Done by a thread of its own every second;
  // here for tests that turn the clock.
  virtual void Tick() = 0;
};

}  // namespace dragnet::scheduler
