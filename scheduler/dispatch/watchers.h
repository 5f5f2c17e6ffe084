// Who wants to know when something happens to an action. A notification says
// only that there is something new to read from the store: no one who watches
// holds up what happens, and nothing is queued for someone who is slow.
// Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "scheduler/dispatch/news.h"

namespace dragnet::scheduler {

class Watcher {
 public:
  virtual ~Watcher() = default;
  // Must return at once; may be called from any thread.
  virtual void Notify() = 0;
};

class Watchers {
 public:
  // Until `watcher` is gone.
  void Add(std::string_view action_id, const std::shared_ptr<Watcher>& watcher);
  // The same, of whatever happens to any action.
  void AddForAll(const std::shared_ptr<Watcher>& watcher);
  void Notify(std::string_view action_id);
  // The same for a run of a sweep, which is no action in lists.
  void NotifyRun(std::string_view run_id, std::string_view sweep_id);
  // For what depends on the time or on who is connected.
  void NotifyAll();
  size_t size();
  // Told of every action that is notified here; of the rest, by who changes it.
  News& news() { return news_; }

 private:
  void TellWatchers(std::string_view action_id);
  // Adds those of for_all_, and forgets those that are gone.
  void TakeForAllLocked(std::vector<std::shared_ptr<Watcher>>* watchers)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  News news_;
  absl::Mutex mutex_;
  std::multimap<std::string, std::weak_ptr<Watcher>, std::less<>> watchers_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<Watcher>> for_all_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
