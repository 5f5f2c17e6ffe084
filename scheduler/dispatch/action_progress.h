// Counts of an action's agents, for lists that are asked for again and again: what
// was counted is kept, and only the pairs that have changed since are read. Who is
// connected is asked once for all actions, and only when someone came or went.
//
// Memory: kMaxPairs pairs, about 40 MB; the actions that were asked for longest ago
// are forgotten first, and counted anew. Thread-safe. Blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "dragnet/v1/investigator.pb.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/dispatch.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

class ActionProgress {
 public:
  static constexpr size_t kMaxPairs = 1'000'000;

  // Both must outlive this.
  ActionProgress(Store& store, const Agents& agents, size_t max_pairs = kMaxPairs)
      : store_(store), agents_(agents), max_pairs_(max_pairs) {}

  // As CountPairs. NotFound.
  absl::StatusOr<v1::Progress> Of(std::string_view action_id, HeldBack held_back);

 private:
  // Agents by a short number of their own.
  using Number = uint32_t;
  struct Known {
    uint64_t rows = 0;
    v1::DispatchState state = v1::DISPATCH_STATE_UNSPECIFIED;
    bool failed = false;
  };
  struct Counted {
    std::string id;
    uint64_t position = 0;
    // All but `offline` and `held_back`.
    v1::Progress progress;
    absl::flat_hash_map<Number, Known> pairs;
    // Of these, those that haven't ended.
    absl::flat_hash_set<Number> unfinished;
  };
  using Actions = std::list<Counted>;

  Number NumberOf(const std::string& agent_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LookWhoIsConnected() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(const PairState& pair, Counted& counted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetSome() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Store& store_;
  const Agents& agents_;
  const size_t max_pairs_;

  absl::Mutex mutex_;
  // The one that was asked for last comes first.
  Actions actions_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Actions::iterator, std::less<>> by_id_ ABSL_GUARDED_BY(mutex_);
  size_t pairs_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, Number> numbers_ ABSL_GUARDED_BY(mutex_);
  // By number, as it was when agents_.changes() was `looked_at_`.
  std::vector<bool> connected_ ABSL_GUARDED_BY(mutex_);
  uint64_t looked_at_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace dragnet::scheduler
