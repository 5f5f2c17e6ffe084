#include "scheduler/gateway/drop_limit.h"

#include <algorithm>

namespace dragnet::scheduler {

void DropLimit::Bucket::Leak(absl::Time now) {
  const double seconds = std::max(0.0, absl::ToDoubleSeconds(now - since));
  records = std::max(0.0, records - seconds * per_second);
  since = std::max(since, now);
}

void DropLimit::Note(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  nothing_new_.Leak(now);
  ++nothing_new_.records;
}

absl::Status DropLimit::Check(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  nothing_new_.Leak(now);
  if (nothing_new_.records < nothing_new_.max) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      "too many records that were dropped, repeated or refusals: they bring nothing new");
}

void DropLimit::NoteOverBounds(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  over_bounds_.Leak(now);
  ++over_bounds_.records;
}

bool DropLimit::MayReadOn(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  over_bounds_.Leak(now);
  return over_bounds_.records < over_bounds_.max;
}

}  // namespace dragnet::scheduler
