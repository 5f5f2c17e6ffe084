// The bytes of a file as a reader of it means them: of a compressed file what
// was compressed, of any other what is there. One member deep: what is within a
// compressed file stays as it is. Memory is bounded, whatever the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::file {

// A file that would decompress to more is not gone on with.
struct DecompressLimits {
  uint64_t max_bytes = uint64_t{4} * 1024 * 1024 * 1024;
  // Bytes out for each byte in, once more than min_ratio_bytes came out.
  uint64_t max_ratio = 1100;
  uint64_t min_ratio_bytes = 16 * 1024 * 1024;
};

// Not thread-safe; one file's.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // The next bytes, at most `size` of them into `buffer`, which has room for at
  // least one; fewer only before the end, which is 0, or before an error. DataLoss if the
  // compressed data is corrupt or ends early, ResourceExhausted over a limit, Unavailable with the
  // system's words if it can't be read. The message is a constant, for each reason one. After an
  // error or the end, call no more.
  virtual absl::StatusOr<size_t> Read(char* buffer, size_t size) = 0;

  // gzip, bzip2, xz, zstd or lz4; empty for a file that passes as it is.
  virtual std::string_view compression() const = 0;

  // What was read of the file itself.
  virtual uint64_t file_bytes() const = 0;
};

// Of the open file `fd`, at its start, which stays the caller's and outlives the
// source. Tells the compression by the file's first bytes.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenByteSource(int fd,
                                                           const DecompressLimits& limits = {});

}  // namespace dragnet::file
