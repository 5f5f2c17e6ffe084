// What has changed at this scheduler, for consoles that ask anew when something
// has: which actions, and whether proposals, the trust policy or agents did. Only
// the newest is kept, so a reader of any speed costs nothing, and what is told
// costs the same however many listen. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::scheduler {

class NewsListener {
 public:
  virtual ~NewsListener() = default;
  // There is something to read. Must return at once; from any thread.
  virtual void OnNews() = 0;
};

class News {
 public:
  // Actions that are told apart in one answer; of more, "all".
  static constexpr size_t kMaxActions = 256;

  void OnAction(std::string_view action_id);
  void OnProposals();
  void OnTrustPolicy();
  // `changes` as Agents::changes(): nothing when it is the one of before.
  void OnAgents(uint64_t changes);

  // What came after `position`, and the new position. Empty when that is the same.
  struct Since {
    uint64_t position = 0;
    v1::Activity activity;
  };
  Since Read(uint64_t position) const;
  // Everything, as for someone who knows nothing.
  Since ReadAll() const;

  // Calls `listener` once, when there is something after `position`: at once, if
  // there is already. It is forgotten when it is gone.
  void Await(uint64_t position, const std::shared_ptr<NewsListener>& listener);

 private:
  // Tells all that wait; without the lock, as they come back here.
  void Tell(std::vector<std::weak_ptr<NewsListener>> listeners);
  std::vector<std::weak_ptr<NewsListener>> TakeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  uint64_t position_ ABSL_GUARDED_BY(mutex_) = 1;
  // When each of them changed last; of actions, those since all_actions_.
  std::map<std::string, uint64_t, std::less<>> actions_ ABSL_GUARDED_BY(mutex_);
  uint64_t all_actions_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t proposals_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t trust_policy_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t agents_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t agent_changes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::weak_ptr<NewsListener>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
