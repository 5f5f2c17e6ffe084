// Copies of a scheduler's store, and going back to one. Thread-safe: no state.
//
// A backup is the file FILE (one SQLite database, complete in itself, mode 0600)
// and, if there are blobs, the directory FILE.blobs. It is the store of one
// moment: that at which the backup began.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dragnet::scheduler {

struct BackupResult {
  uint64_t bytes = 0;
  uint64_t blobs = 0;
};

// While a scheduler runs on `store`, or not. It reads one snapshot in steps: the
// scheduler goes on committing; its write-ahead log grows until the end. The
// copy is checked before it gets its name. AlreadyExists when `file` is there;
// DataLoss when the store is damaged.
absl::StatusOr<BackupResult> BackUp(const std::string& store, const std::string& file);

struct RestoreOptions {
  // A store that is there is kept aside instead of being refused.
  bool replace = false;
};

struct RestoreResult {
  // Where the former store is; empty if there was none.
  std::string kept_aside;
  uint64_t blobs = 0;
  // The last thing that the backup knows of: about when it was made.
  absl::Time newest = absl::InfinitePast();
};

// Unavailable while a scheduler runs on `store`; AlreadyExists when it is there
// (see replace); FailedPrecondition when `file` is no store of this version;
// DataLoss when it is damaged. On an error the store is as it was.
absl::StatusOr<RestoreResult> Restore(const std::string& file, const std::string& store,
                                      const RestoreOptions& options, absl::Time now);

}  // namespace dragnet::scheduler
