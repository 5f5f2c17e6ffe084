// A checksum of one file's content, by OpenSSL. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "modules/pkg/package.h"

namespace dragnet::pkg {

// As rows write it: md5, sha256, sha3-256.
std::string_view AlgorithmName(Algorithm algorithm);

// The digest of `text`; or of what is left to read from `fd`, to whose size
// `*bytes` is raised. An error if reading fails or OpenSSL doesn't offer the
// algorithm (MD5 under a FIPS policy).
absl::StatusOr<std::string> DigestOf(Algorithm algorithm, std::string_view text);
absl::StatusOr<std::string> DigestOfFile(Algorithm algorithm, int fd, uint64_t* bytes);

}  // namespace dragnet::pkg
