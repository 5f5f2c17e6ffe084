// Whole small files, read with a bound and written so that a crash leaves the
// old content or the new one. Errors name the path and the system's words.
// Thread-safe: no state.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragnet {

// Configuration, keys, certificates and envelopes are all below this.
inline constexpr size_t kMaxSmallFile = 4 * 1024 * 1024;

// "open /etc/shadow: Permission denied", with the code that fits errno
// (NotFound, PermissionDenied, ResourceExhausted for a full disk, …).
absl::Status ErrnoStatus(std::string_view what, int error_number);

// InvalidArgument if the file is larger than `max_bytes`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes = kMaxSmallFile);

// As ReadFile, but refuses (PermissionDenied) a file that others than its
// owner can read or write, or that belongs to neither root nor this user: for
// private keys and tokens. Says which chmod mends it.
absl::StatusOr<std::string> ReadSecretFile(const std::string& path,
                                           size_t max_bytes = kMaxSmallFile);

// Writes to a temporary file beside `path`, syncs, renames, syncs the directory.
absl::Status WriteFileAtomically(const std::string& path, std::string_view content, mode_t mode);

// As WriteFileAtomically, but AlreadyExists if `path` is there: nothing is overwritten.
absl::Status WriteNewFile(const std::string& path, std::string_view content, mode_t mode);

// mkdir -p; `mode` for those it makes.
absl::Status MakeDirectories(const std::string& path, mode_t mode);

// All of `bytes`, whatever write(2) takes at once. Retries EINTR.
absl::Status WriteAll(int fd, std::string_view bytes);

}  // namespace dragnet
