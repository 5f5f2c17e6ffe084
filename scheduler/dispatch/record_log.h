// What the log says of records that agents send: of each agent a kind of line
// once a minute, so that none can fill it. Thread-safe.
#pragma once

#include <string>

#include "scheduler/observe/repeated_lines.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

// What a record was good for: see gateway/drop_limit.h.
enum class RecordWorth {
  kSomething,
  // Dropped: its operation has brought more than it may, and hasn't ended.
  kOverBounds,
  // The scheduler is no wiser by it.
  kNothingNew,
};

// `refusal`: empty for a record that isn't one.
RecordWorth WorthOf(const Appended& appended, const std::string& refusal);

class RecordLog {
 public:
  // `action_id` and `refusal` (the reason's name, a colon, and what the host says)
  // are fit for the log already.
  void Say(const std::string& action_id, const std::string& agent_id, const std::string& refusal,
           const Appended& appended);

 private:
  RepeatedLines lines_;
};

}  // namespace dragnet::scheduler
