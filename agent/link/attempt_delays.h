// How long the link waits before its next attempt, by how the last one ended. Not
// thread-safe.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/link/reason.h"
#include "agent/link/retry_delay.h"

namespace dragnet {

class AttemptDelays {
 public:
  explicit AttemptDelays(uint32_t seed)
      : usual_(kFirst, absl::Seconds(60), seed),
        operator_(kFirst, absl::Minutes(2), seed),
        denial_(absl::Hours(1), absl::Hours(1), seed) {}

  // A second at first, a minute at most.
  absl::Duration Next() { return usual_.Next(); }

  // An operator has yet to let this host in: it soon asks once a minute, as the mean. It
  // was not let in: from half an hour to one and a half.
  absl::Duration After(Attempt attempt, const absl::Status& why) {
    if (attempt == Attempt::kEnrolment && absl::IsPermissionDenied(why))
      return absl::Minutes(30) + denial_.Next();
    if (attempt == Attempt::kEnrolment && WaitsForOperator(why)) return operator_.Next();
    return usual_.Next();
  }

  // What was tried went well for long enough.
  void Reset() { usual_.Reset(); }

 private:
  static constexpr absl::Duration kFirst = absl::Seconds(1);

  RetryDelay usual_;
  RetryDelay operator_;
  RetryDelay denial_;
};

}  // namespace dragnet
