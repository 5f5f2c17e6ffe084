// How fast an action goes, from the counts of the last seconds, and when it will
// be over. Plain values; not thread-safe.
#pragma once

#include <deque>
#include <string>

#include "absl/time/time.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console::tui {

class ActionPace {
 public:
  // Counts as they were at `now`, which never goes back.
  void Add(absl::Time now, const v1::Progress& progress);

  // Over the last seconds; 0 when nothing moved or it isn't known yet.
  double RowsPerSecond(absl::Time now) const;
  double AgentsPerSecond(absl::Time now) const;

 private:
  static constexpr absl::Duration kWindow = absl::Seconds(10);
  static constexpr absl::Duration kLeast = absl::Seconds(1);
  static constexpr absl::Duration kSpacing = absl::Milliseconds(250);

  struct Sample {
    absl::Time at;
    uint64_t rows = 0;
    uint64_t ended = 0;
  };
  // The counts that the window begins with.
  const Sample* Begin(absl::Time now) const;

  std::deque<Sample> samples_;
};

// Agents that have not ended: those connected now, and all.
uint64_t PendingOnline(const v1::Progress& progress);
uint64_t Pending(const v1::Progress& progress);

// It goes on by itself: open, or with its canaries, and someone is still to end.
bool IsActive(v1::DispatchPhase phase, const v1::Progress& progress);

// "~12 s", "12 offline" when only those are left, "expires first"; empty when it
// doesn't go on.
std::string ExpectedEnd(v1::DispatchPhase phase, const v1::Progress& progress,
                        const ActionPace* pace, absl::Time expires, absl::Time now,
                        absl::Time steady_now);

// "3.2", "120": for people.
std::string RateText(double per_second);

}  // namespace dragnet::console::tui
