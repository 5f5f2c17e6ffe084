#include "agent/monitor/spool_queue.h"

#include <utility>

#include "core/status_macros.h"

namespace dragnet {

absl::Status SpoolQueue::Restart() {
  sent_.clear();
  turns_.clear();
  in_flight_.clear();
  std::optional<SpoolPlace> last;
  while (true) {
    DRAGNET_ASSIGN_OR_RETURN(last, store_.NextOperation(last));
    if (!last.has_value()) return absl::OkStatus();
    const Operation operation(last->action_id, last->occurrence, last->operation);
    sent_.emplace(operation, *last);
    turns_.push_back(operation);
  }
}

void SpoolQueue::Added(const v1::ResultRecord& record) {
  const Operation operation(record.action_id(), record.occurrence(), record.operation());
  const auto [sent, first] = sent_.try_emplace(operation);
  // All of an operation without a turn was sent, but for this record.
  const auto before = static_cast<int64_t>(record.sequence()) - 1;
  if (first) {
    sent->second = {record.action_id(), record.occurrence(), record.operation(), before, ""};
    turns_.push_back(operation);
  } else if (before < sent->second.sequence) {
    // A refusal, which comes before all: what was sent is passed over once more.
    sent->second.sequence = before;
    sent->second.envelope_sha256.clear();
  }
}

absl::StatusOr<std::optional<SpooledRecord>> SpoolQueue::Next() {
  while (!turns_.empty()) {
    const Operation operation = turns_.front();
    DRAGNET_ASSIGN_OR_RETURN(std::optional<SpooledRecord> next, store_.NextOf(&sent_[operation]));
    turns_.pop_front();
    if (!next.has_value()) {
      sent_.erase(operation);
      continue;
    }
    turns_.push_back(operation);
    if (in_flight_.insert(next->position).second) return next;
  }
  return std::nullopt;
}

}  // namespace dragnet
