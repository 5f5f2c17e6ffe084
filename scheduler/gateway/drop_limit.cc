#include "scheduler/gateway/drop_limit.h"

#include <algorithm>

namespace dragnet::scheduler {
namespace {

constexpr double kMaxRecords = 200;
constexpr double kRecordsPerSecond = 5;

}  // namespace

void DropLimit::LeakLocked(absl::Time now) {
  const double seconds = std::max(0.0, absl::ToDoubleSeconds(now - since_));
  records_ = std::max(0.0, records_ - seconds * kRecordsPerSecond);
  since_ = std::max(since_, now);
}

void DropLimit::Note(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  LeakLocked(now);
  ++records_;
}

absl::Status DropLimit::Check(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  LeakLocked(now);
  if (records_ < kMaxRecords) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      "too many records that were dropped, repeated or refusals: they bring nothing new");
}

}  // namespace dragnet::scheduler
