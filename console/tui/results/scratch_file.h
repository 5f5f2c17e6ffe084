// Room on the disk for what is too much for memory: an append-only file without
// a name, gone when it is closed, even by a crash. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragnet::console::tui {

class ScratchFile {
 public:
  virtual ~ScratchFile() = default;

  // All of `bytes`, and gives where they begin. ResourceExhausted when there is no
  // room: what was there stays as it is, and a later call may succeed.
  virtual absl::StatusOr<uint64_t> Append(std::string_view bytes) = 0;
  // At most `most` bytes from `offset` on; fewer only at the end.
  virtual absl::Status Read(uint64_t offset, size_t most, std::string* bytes) const = 0;
};

// Below `directory`, for this user alone.
absl::StatusOr<std::unique_ptr<ScratchFile>> NewScratchFile(const std::string& directory);

// $TMPDIR, else /tmp.
std::string ScratchDirectory();

}  // namespace dragnet::console::tui
