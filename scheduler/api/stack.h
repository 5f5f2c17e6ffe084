// Counts equal values over all rows of one operation of an action, for the Stack
// call: in steps, so that it holds up neither the thread that it runs on nor a
// connection to the store, and in bounded memory. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dragnet/v1/investigator.pb.h"
#include "scheduler/api/row_columns.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

// What one Stack call may hold.
struct StackBounds {
  size_t different = 1'000'000;
  size_t bytes = size_t{256} * 1024 * 1024;
};

class Stacking {
 public:
  // InvalidArgument: columns, limit or action_id. `store` must outlive it.
  static absl::StatusOr<Stacking> Create(Store& store, const v1::StackRequest& request,
                                         const StackBounds& bounds = StackBounds());

  // Reads on, a few milliseconds' worth; gives whether all was read. NotFound: no
  // such action. ResourceExhausted: over the bounds.
  absl::StatusOr<bool> Step();
  // After the last step.
  void Answer(v1::StackResponse* response) const;

 private:
  // Agents that have a value, each once. Most values are of one agent, and most
  // rows come after another one of the same agent: only what neither of these
  // knows goes into a set.
  struct Value {
    uint64_t rows = 0;
    uint64_t agents = 0;
    uint64_t first_agent = 0;
    uint64_t last_agent = 0;
    uint32_t index = 0;
  };
  using Values = absl::node_hash_map<std::string, Value>;

  Stacking(Store& store, const v1::StackRequest& request, RowColumns columns,
           const StackBounds& bounds)
      : store_(&store), request_(request), bounds_(bounds), columns_(std::move(columns)) {}

  absl::Status Count(uint64_t agent, std::string_view row);
  absl::Status CountAgent(uint64_t agent, Value* value);
  absl::Status Hold(size_t bytes);

  Store* store_;
  v1::StackRequest request_;
  StackBounds bounds_;
  RowColumns columns_;
  uint64_t position_ = 0;
  uint64_t rows_ = 0;
  uint64_t unreadable_ = 0;
  size_t bytes_ = 0;
  std::string key_;
  Values values_;
  // Number of a value above that of an agent.
  absl::flat_hash_set<uint64_t> more_agents_;
};

}  // namespace dragnet::scheduler
