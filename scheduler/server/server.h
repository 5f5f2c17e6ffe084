// A scheduler that runs: everything put together, from settings to an open
// port. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "scheduler/bus/bus.h"
#include "scheduler/cluster/cluster.h"
#include "scheduler/settings.h"
#include "scheduler/store/sql_store.h"

namespace dragnet::scheduler {

// What a scheduler runs on, if not on what its settings say: for tests in which several
// share one store and one bus.
struct ServerParts {
  // Null: as the settings say. It calls back last before it goes.
  std::unique_ptr<Store> store;
  // Beneath `store`: what upkeep works on.
  SqlStore* upkept = nullptr;
  // Null: as the settings say.
  std::unique_ptr<Bus> bus;
  // What its own files' names begin with; empty: as the settings say.
  std::string files;
  ClusterTimes times;
};

class Server {
 public:
  // Listens when this returns. Errors name the file or the address: Unavailable
  // for a port or a store that is taken, FailedPrecondition for a certificate
  // that has expired, others as the files give them. `clock` must outlive it.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Settings& settings, const Clock& clock,
                                                       ServerParts parts = {});
  // Closes all streams, stores what was received, then returns.
  virtual ~Server() = default;

  // host:port with the real port.
  virtual const std::string& address() const = 0;

  // The same of metrics and health; empty when they are off.
  virtual std::string metrics_address() const = 0;

  // How long ago the thread came round that does what the passing of time asks for.
  // It takes the locks that all calls need, and never waits for a commit: it stands
  // still when this process hangs, not when a disk is full.
  virtual absl::Duration SinceLastTurn() const = 0;

  // What has to be done now and then. Done by a thread of its own every second;
  // here for tests that turn the clock.
  virtual void Tick() = 0;
};

}  // namespace dragnet::scheduler
