// Takes the agent's state back to what an older version can read, when that is in place
// again after a newer one had brought the state up to its own schema.
//
// Beside `database`, while it lasts and after it:
//   .restored       what is to take its place, not complete
//   .ready          the same, complete and synced
//   .newer          what was in its place before; it stays where no snapshot took that
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace dragnet {

// Where the snapshot of a schema is in the directory `snapshots`.
std::string SnapshotPath(std::string_view snapshots, int64_t schema);

struct RestoreOptions {
  // Of snapshots (agent/monitor/upgrade/releases.h); empty: there are none.
  std::string snapshots = {};
  std::string fleet_id = {};
  absl::Time now = {};
  // For tests: called with a name before each step that changes the disk.
  std::function<void(std::string_view)> before_step = nullptr;
};

// When `database` is of a newer schema than this program knows, the newest snapshot that
// it does know takes its place; where there is none, a new one, and the newer one is set
// aside. Either way it gets who this host is, the journal, and a newer trust policy from
// the newer one (StateStore::CarryOver). Lost are recurring actions, and records that were
// spooled since; the log says so. Else it does nothing.
//
// A kill at any moment leaves the newer database, or what the next call goes on with. On
// one file system the snapshot is renamed, and takes no room.
//
// FailedPrecondition: another process has it open; or there is no snapshot, and who this
// host is can't be read from it. Then it stays as it is.
absl::Status RestoreStateIfNewer(const std::string& database, const RestoreOptions& options);

// FailedPrecondition, with what to do, when a newer version made `database`: for commands
// that must not take it back.
absl::Status CheckNotNewer(const std::string& database);

// What restoring left beside `database`: it holds what the agent has been before.
void RemoveSetAside(const std::string& database);

}  // namespace dragnet
