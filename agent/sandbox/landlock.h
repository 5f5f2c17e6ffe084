// Landlock (landlock(7)) by system call. Private to the sandbox; programs use
// agent/sandbox/lock_in.h. Holds the calling thread and those that it starts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace dragnet::sandbox {

struct LandlockPolicy {
  std::vector<std::string> readable;
  std::vector<std::string> writable;
  // No TCP connection, in or out.
  bool deny_tcp = true;
  // Where TCP is allowed: the remote ports; empty for any.
  std::vector<uint16_t> connect_ports;
};

// Denies all that the running kernel's ABI (LandlockAbi(), at least 1) knows
// and that the policy doesn't allow. Needs no_new_privs.
absl::Status RestrictByLandlock(const LandlockPolicy& policy, int abi);

// The first ABI that holds truncation: below it, opening for reading with
// O_TRUNC is not seen as writing.
inline constexpr int kLandlockAbiTruncate = 3;
inline constexpr int kLandlockAbiTcp = 4;
inline constexpr int kLandlockAbiDevices = 5;
inline constexpr int kLandlockAbiScopes = 6;

}  // namespace dragnet::sandbox
