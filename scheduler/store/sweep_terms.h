// What the signed document of a sweep says of its runs and its checks: what the
// records of agents are held against. Pure functions over values; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/schedule.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet::scheduler {

// How far an agent's clock may be ahead of the scheduler's.
inline constexpr absl::Duration kMaxClockAhead = absl::Minutes(15);
// A run is open for so long after its occurrence: the longest jitter, and after that the
// longest wall time of an operation. Records that come later are stored all the same.
inline constexpr absl::Duration kRunIsOpen = absl::Hours(48);

// "SWEEP@SECONDS": the id of a run as an action.
std::string RunId(std::string_view sweep_id, int64_t occurrence);
// The sweep's id in it; nothing for what isn't the id of a run.
std::optional<std::string> SweepOfRunId(std::string_view id);
// A UUID, or the id of a run.
bool IsActionId(std::string_view id);

struct SweepCheck {
  // Its id; "PACK/ID", or "OPERATION/ID" (from 0), when several of the sweep's packs
  // have a check of that id.
  std::string name;
  std::string id;
  std::string title;
  std::string severity;
  std::string pack;
  std::string pack_version;
  std::vector<std::string> references;
  // Of its operation in the action.
  uint32_t operation = 0;
};

class SweepTerms {
 public:
  // Of an action with a recurrence. As ParseAction when it is none.
  static absl::StatusOr<SweepTerms> Of(const v1::Action& action);
  static absl::StatusOr<SweepTerms> OfEnvelope(std::string_view envelope);

  // Seconds since 1970. InvalidArgument says what is wrong with it: none of the
  // schedule, before or after the time in which the action holds, or later than
  // an agent's clock may be.
  absl::Status CheckOccurrence(int64_t occurrence, absl::Time now) const;
  // The first occurrence after `now`.
  std::optional<absl::Time> NextAfter(absl::Time now) const;
  // The last `count` occurrences after `after` that all agents had time for until `now`,
  // newest first.
  std::vector<absl::Time> Due(absl::Time now, int count,
                              absl::Time after = absl::InfinitePast()) const;

  // In the order of operations and packs. An index into it is a check's number.
  const std::vector<SweepCheck>& checks() const { return checks_; }
  // Nothing when this operation has no such check.
  std::optional<uint32_t> FindCheck(uint32_t operation, std::string_view id) const;
  bool HasChecks(uint32_t operation) const {
    return operation < by_operation_.size() && !by_operation_[operation].empty();
  }
  absl::Time begin() const { return begin_; }
  // No occurrence after this.
  absl::Time end() const { return end_; }

 private:
  explicit SweepTerms(Schedule schedule) : schedule_(std::move(schedule)) {}

  Schedule schedule_;
  absl::Time begin_;
  absl::Time end_;
  absl::Duration jitter_;
  std::vector<SweepCheck> checks_;
  std::vector<absl::flat_hash_map<std::string, uint32_t>> by_operation_;
};

// Whether both run the same, byte for byte.
bool SameOperations(const v1::Action& a, const v1::Action& b);

}  // namespace dragnet::scheduler
