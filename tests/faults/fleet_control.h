// What a test tells a program that runs with libdragnet-faults.so in front of
// the C library (fleet_preload.cc): a file that both map. Thread-safe: atomics,
// which the program reads at each call.
#pragma once

#include <atomic>
#include <cstdint>

namespace dragnet::testing {

// The environment variable that names the file; without it nothing changes.
inline constexpr char kControlVariable[] = "DRAGNET_FAULTS_CONTROL";

struct Control {
  // Added to the real-time clock. Waits for a time of that clock follow when it
  // jumps, as the kernel's do.
  std::atomic<int64_t> clock_offset_ns;
  // How much longer fsync(2), fdatasync(2) and pwrite(2) take.
  std::atomic<int64_t> sync_delay_us;
  std::atomic<int64_t> write_delay_us;
  // 0: never. N: SIGKILL in the N-th call from now on. Each call counts it down.
  // A sync is killed before it reaches the disk; a write after half of its bytes.
  std::atomic<int64_t> syncs_until_kill;
  std::atomic<int64_t> writes_until_kill;
  // Since the start.
  std::atomic<int64_t> syncs;
  std::atomic<int64_t> writes;
};

static_assert(std::atomic<int64_t>::is_always_lock_free, "shared between processes");

}  // namespace dragnet::testing
