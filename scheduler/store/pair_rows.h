// The rows of pairs and their operations: one by one, and of a remote database many at
// once, which costs one trip instead of thousands. Inside a transaction of whoever asks.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/dispatch/pair.h"
#include "scheduler/store/database.h"

namespace dragnet::scheduler {

// Reads a pair with all its operations.
absl::StatusOr<std::optional<Pair>> ReadPair(Database& database, int64_t action, int64_t agent,
                                             size_t operations);

// The same of many agents, all that have such a pair. Of a remote database.
absl::Status ReadPairs(Database& database, int64_t action, const std::vector<int64_t>& agents,
                       size_t operations, const std::function<void(int64_t agent, Pair)>& visit);

// What is to be written of a pair.
struct PairRow {
  int64_t action = 0;
  int64_t agent = 0;
  const Pair* pair = nullptr;
  // By bit.
  uint32_t changed_operations = 0;
  // 0: it keeps the one that it has.
  uint64_t new_position = 0;
};

// Of pairs that are there.
absl::Status WritePairs(Database& database, const std::vector<PairRow>& rows);

// A waiting pair for each of these agents, where there is none. `position` rises by one
// for each.
absl::Status InsertWaitingPairs(Database& database, int64_t action,
                                const std::vector<int64_t>& agents, uint64_t* position);
// All of an action that wait become never sent.
absl::Status CloseWaitingPairs(Database& database, int64_t action, uint64_t* position);

}  // namespace dragnet::scheduler
