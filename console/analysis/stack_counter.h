// Counts equal rows here, where the scheduler's Stack can't: when only some rows
// count (--where). Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "console/output/cell.h"
#include "dragnet/v1/investigator.pb.h"
#include "google/protobuf/message.h"

namespace dragnet::console {

class StackCounter {
 public:
  // As the scheduler's.
  static constexpr size_t kMaxValues = 1'000'000;
  static constexpr size_t kMaxBytes = size_t{256} << 20;

  explicit StackCounter(std::vector<Column> columns, size_t max_values = kMaxValues,
                        size_t max_bytes = kMaxBytes)
      : columns_(std::move(columns)), max_values_(max_values), max_bytes_(max_bytes) {}

  // ResourceExhausted: more different values than these bounds.
  absl::Status Add(std::string_view agent_id, const google::protobuf::Message& row);

  // As the scheduler would answer; at most `limit` entries.
  v1::StackResponse Response(uint32_t limit, bool most_frequent_first) const;

 private:
  struct Count {
    uint64_t rows = 0;
    // Rising numbers of agents, each once.
    std::vector<uint32_t> agents;
  };

  const std::vector<Column> columns_;
  const size_t max_values_;
  const size_t max_bytes_;
  std::unordered_map<std::string, uint32_t> agents_;
  // By the row with only the columns set.
  std::unordered_map<std::string, Count> counts_;
  uint64_t rows_ = 0;
  size_t bytes_ = 0;
};

}  // namespace dragnet::console
