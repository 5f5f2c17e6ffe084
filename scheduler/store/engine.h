// Where a store's connections come from, and what of its database isn't SQL: how large
// it is, what is free in it, whether it is damaged. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/store/database.h"

namespace dragnet::scheduler {

struct StoreSizes {
  // Of the database, of its write-ahead log if that is beside it, and of the blobs.
  uint64_t database_bytes = 0;
  uint64_t log_bytes = 0;
  uint64_t blob_bytes = 0;
  // Of the database: free for what comes next, as far as that is known.
  uint64_t unused_bytes = 0;
  // What is left to this user on that disk, and how large it is; 0 for the disk of a server.
  uint64_t disk_free_bytes = 0;
  uint64_t disk_bytes = 0;
};

class StoreEngine {
 public:
  virtual ~StoreEngine() = default;

  // For people; without secrets.
  virtual const std::string& name() const = 0;

  virtual absl::StatusOr<std::unique_ptr<Database>> OpenWriter() = 0;
  virtual absl::StatusOr<std::unique_ptr<Database>> OpenReader() = 0;
  // For what several schedulers agree on, beside the writer and without waiting for it;
  // null: the writer does that too.
  virtual absl::StatusOr<std::unique_ptr<Database>> OpenCoordinator() = 0;
  // For what they read of that, so that it doesn't wait behind investigators' questions;
  // null: as all that reads.
  virtual absl::StatusOr<std::unique_ptr<Database>> OpenCoordinationReader() { return nullptr; }
  // Whether other processes write as well, so that who writes asks first where they were.
  virtual bool has_other_writers() const = 0;

  virtual absl::StatusOr<StoreSizes> Sizes(Database& reader) = 0;
  // For results and everything else: without what is free for more.
  virtual absl::StatusOr<uint64_t> BytesUsed(Database& reader) = 0;
  // Whether the database should give free space back to the file system, and a small
  // step of that, within a change of the writer.
  virtual absl::StatusOr<bool> HasSpaceToGiveBack(Database& reader) = 0;
  virtual absl::Status GiveBackSome(Database& writer) = 0;

  // Whether something is left to be checked for damage that would have kept the fleet
  // waiting at start; and that check, which ends within moments once `stop` is set.
  // DataLoss for damage.
  virtual bool is_checked_later() const = 0;
  virtual absl::Status CheckAll(std::atomic<bool>& stop) = 0;
};

}  // namespace dragnet::scheduler
