#include "scheduler/dispatch/watchers.h"

#include <utility>
#include <vector>

namespace dragnet::scheduler {

void Watchers::Add(std::string_view action_id, const std::shared_ptr<Watcher>& watcher) {
  absl::MutexLock lock(&mutex_);
  watchers_.emplace(std::string(action_id), watcher);
}

size_t Watchers::size() {
  absl::MutexLock lock(&mutex_);
  size_t count = 0;
  for (const auto& [id, watcher] : watchers_)
    if (!watcher.expired()) ++count;
  return count;
}

void Watchers::Notify(std::string_view action_id) {
  std::vector<std::shared_ptr<Watcher>> notified;
  {
    absl::MutexLock lock(&mutex_);
    auto [begin, end] = watchers_.equal_range(action_id);
    for (auto entry = begin; entry != end; ++entry)
      if (auto watcher = entry->second.lock()) notified.push_back(std::move(watcher));
  }
  for (const auto& watcher : notified) watcher->Notify();
  news_.OnAction(action_id);
}

void Watchers::NotifyAll() {
  std::vector<std::shared_ptr<Watcher>> notified;
  {
    absl::MutexLock lock(&mutex_);
    for (auto entry = watchers_.begin(); entry != watchers_.end();) {
      auto watcher = entry->second.lock();
      if (watcher == nullptr) {
        entry = watchers_.erase(entry);
        continue;
      }
      notified.push_back(std::move(watcher));
      ++entry;
    }
  }
  for (const auto& watcher : notified) watcher->Notify();
}

}  // namespace dragnet::scheduler
