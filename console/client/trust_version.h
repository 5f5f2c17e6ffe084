// The highest version of the trust policy that this investigator has seen, in a
// small file beside console.toml: a scheduler cannot go back to an older policy,
// validly signed though it was, in which a withdrawn key still counts. A file
// for each fleet. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/client/config.h"

namespace dragnet::console {

// <directory of console.toml>/trust-version.<fleet id>
std::string TrustVersionPath(const ConsoleConfig& config);

// 0 when none has been seen. An error for a file that cannot be read or holds
// something else: to take that for "none" would let an older policy in.
absl::StatusOr<uint64_t> SeenTrustVersion(const ConsoleConfig& config);

absl::Status KeepTrustVersion(const ConsoleConfig& config, uint64_t version);

}  // namespace dragnet::console
