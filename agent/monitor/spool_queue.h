// Which spooled record is sent next in a session: one of each operation in
// turn, each operation's in their order. So an operation with few rows isn't
// behind the hundreds of megabytes of another one.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "absl/status/statusor.h"
#include "agent/monitor/state_store.h"

namespace dragnet {

class SpoolQueue {
 public:
  explicit SpoolQueue(StateStore& store) : store_(store) {}

  // A new session: nothing of what is in the spool was sent in it.
  absl::Status Restart();

  // This record is in the spool now.
  void Added(const v1::ResultRecord& record);

  // The next one, which counts as sent then; nothing when all were.
  absl::StatusOr<std::optional<SpooledRecord>> Next();

  // Sent in this session, and neither acknowledged.
  size_t in_flight() const { return in_flight_.size(); }
  // This one is gone from the spool. Whether it was sent or not.
  void Forgotten(int64_t position) { in_flight_.erase(position); }

 private:
  // Action, occurrence, operation.
  using Operation = std::tuple<std::string, int64_t, int64_t>;

  StateStore& store_;
  // Up to where each operation was sent that may have more, and whose turn is when.
  std::map<Operation, SpoolPlace> sent_;
  std::list<Operation> turns_;
  std::set<int64_t> in_flight_;
};

}  // namespace dragnet
