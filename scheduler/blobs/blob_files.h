// Blobs that investigators gave the scheduler to hand to agents: one file each,
// named by its SHA-256, in a directory beside the store. Only content that has
// the digest it is named by ever gets its name. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::scheduler {

class BlobFiles {
 public:
  // Of all blobs; further ones are refused.
  static constexpr uint64_t kMaxBytes = uint64_t{4} << 30;

  static absl::StatusOr<std::unique_ptr<BlobFiles>> Open(const std::string& directory,
                                                         uint64_t max_bytes = kMaxBytes);

  bool Has(std::string_view sha256) const;
  // NotFound.
  absl::StatusOr<uint64_t> SizeOf(std::string_view sha256) const;
  // One investigator's next part of a blob; errors as PutBlobPart has them. Two
  // investigators who bring the same blob don't disturb each other.
  absl::Status PutPart(const std::string& caller, const v1::PutBlobPartRequest& part);
  // Up to kMaxBlobPartBytes at `offset`; empty when there is nothing.
  absl::StatusOr<std::string> ReadPart(std::string_view sha256, uint64_t offset) const;
  // An action that is valid until then names it.
  absl::Status KeepUntil(std::string_view sha256, absl::Time until);
  // Removes what no valid action names, a day after it was brought or its last
  // action expired.
  void RemoveUnused(absl::Time now);

 private:
  BlobFiles(std::string directory, uint64_t max_bytes)
      : directory_(std::move(directory)), max_bytes_(max_bytes) {}
  std::string PathOf(std::string_view sha256) const;
  void CountUsed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(const std::string& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string directory_;
  const uint64_t max_bytes_;
  absl::Mutex mutex_;  // of what writes
  // Of max_bytes_, by all files, those that are here in part included.
  uint64_t used_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace dragnet::scheduler
