// Blobs that actions name, kept on disk so that each travels to this host once.
//
// A blob is what its SHA-256 says or it isn't there: content comes from a
// scheduler, part by part, and is believed only when it is complete and its
// digest is that of the signed action. Bounded: the least recently used go
// when there are more than kMaxBytes. Not thread-safe: the monitor's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/unique_fd.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/agent_gateway.pb.h"

namespace dragnet {

class BlobCache {
 public:
  static constexpr uint64_t kMaxBytes = uint64_t{256} << 20;

  // Makes `directory`, mode 0700, if there is none; removes what an earlier
  // process had only in part. `max_bytes`: for tests.
  static absl::StatusOr<BlobCache> Open(const std::string& directory,
                                        uint64_t max_bytes = kMaxBytes);

  // For reading; NotFound when it isn't here (yet).
  absl::StatusOr<UniqueFd> Find(const v1::Blob& blob) const;
  // When an operation starts with it. Looking whether it may start is no use:
  // blobs that were looked for would go by turns while others come.
  void NoteUse(const v1::Blob& blob);

  // One blob is fetched at a time. Begins with `blob`, unless one is under way.
  void StartFetch(const v1::Blob& blob);
  // What to ask the scheduler for next; nothing when no fetch is under way.
  std::optional<v1::BlobRequest> NextRequest() const;
  // A part that came. Parts that weren't asked for change nothing. An error
  // ends the fetch: the scheduler doesn't have it (NotFound), its content is
  // another (DataLoss), the disk is full.
  absl::Status AddPart(const v1::BlobPart& part);
  // The connection is lost: what is on disk of the fetch is kept, and asked for on.
  bool is_fetching() const { return fetch_.has_value(); }
  // The blob that is fetched; an empty one when none is.
  v1::Blob fetching() const { return fetch_.has_value() ? fetch_->blob : v1::Blob(); }
  void CancelFetch();

 private:
  struct Fetch {
    v1::Blob blob;
    UniqueFd file;
    uint64_t received = 0;
  };

  BlobCache(std::string directory, uint64_t max_bytes)
      : directory_(std::move(directory)), max_bytes_(max_bytes) {}
  std::string PathOf(std::string_view sha256) const;
  std::string PartialPath() const { return directory_ + "/partial"; }
  absl::Status Complete();
  absl::Status MakeRoom(uint64_t bytes);

  std::string directory_;
  uint64_t max_bytes_;
  std::optional<Fetch> fetch_;
};

}  // namespace dragnet
