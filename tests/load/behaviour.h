// How simulated agents misbehave: which of them, by chance of the seed.
// Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dragnet::load {

enum class Lie {
  kNone,
  // Its summary counts rows that it didn't send.
  kCounts,
  // Sends each record twice.
  kRepeat,
  // Sends every second record before the first.
  kReorder,
  // Says that its facts are another agent's.
  kIdentity,
  // Sends records of actions that it was never sent.
  kUnsent,
  // Rows over 64 KiB.
  kOversize,
  // Rows without end.
  kEndless,
  // Records of tens of thousands of rows without a byte.
  kEmpty,
  // Bytes that are no message.
  kGarbage,
};

std::string_view NameOf(Lie lie);

// A share of the agents, 0 to 1.
struct Misbehaviour {
  std::vector<std::pair<Lie, double>> lies;
  // Stop reading for `slow_for` of every two times `slow_for`.
  double slow_readers = 0;
  absl::Duration slow_for = absl::Seconds(20);
  // A while after they connected they neither read nor write any more, and don't
  // close; after another while they notice, and connect anew.
  double black_holes = 0;
  absl::Duration black_hole_after = absl::Seconds(10);
  absl::Duration black_hole_for = absl::Seconds(80);
};

// KIND=SHARE, e.g. "counts=2%".
absl::StatusOr<std::pair<Lie, double>> ParseLie(std::string_view text);
// "2%".
absl::StatusOr<double> ParseShare(std::string_view text);

// Each agent tells one lie at most.
Lie LieOf(const Misbehaviour& misbehaviour, uint64_t seed, uint32_t index);
bool IsSlowReader(const Misbehaviour& misbehaviour, uint64_t seed, uint32_t index);
bool IsBlackHole(const Misbehaviour& misbehaviour, uint64_t seed, uint32_t index);

}  // namespace dragnet::load
