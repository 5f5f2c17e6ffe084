#include "scheduler/dispatch/watchers.h"

#include <utility>
#include <vector>

namespace dragnet::scheduler {

void Watchers::Add(std::string_view action_id, const std::shared_ptr<Watcher>& watcher) {
  absl::MutexLock lock(&mutex_);
  watchers_.emplace(std::string(action_id), watcher);
}

void Watchers::AddForAll(const std::shared_ptr<Watcher>& watcher) {
  absl::MutexLock lock(&mutex_);
  for_all_.push_back(watcher);
}

void Watchers::TakeForAllLocked(std::vector<std::shared_ptr<Watcher>>* watchers) {
  std::erase_if(for_all_, [&](const std::weak_ptr<Watcher>& entry) {
    std::shared_ptr<Watcher> watcher = entry.lock();
    if (watcher == nullptr) return true;
    watchers->push_back(std::move(watcher));
    return false;
  });
}

size_t Watchers::size() {
  absl::MutexLock lock(&mutex_);
  size_t count = 0;
  for (const auto& [id, watcher] : watchers_)
    if (!watcher.expired()) ++count;
  return count;
}

void Watchers::Notify(std::string_view action_id) {
  TellWatchers(action_id);
  news_.OnAction(action_id);
}

void Watchers::NotifyRun(std::string_view run_id, std::string_view sweep_id) {
  TellWatchers(run_id);
  Notify(sweep_id);
}

void Watchers::TellWatchers(std::string_view action_id) {
  std::vector<std::shared_ptr<Watcher>> notified;
  {
    absl::MutexLock lock(&mutex_);
    auto [begin, end] = watchers_.equal_range(action_id);
    for (auto entry = begin; entry != end; ++entry)
      if (auto watcher = entry->second.lock()) notified.push_back(std::move(watcher));
    TakeForAllLocked(&notified);
  }
  for (const auto& watcher : notified) watcher->Notify();
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
    TakeForAllLocked(&notified);
  }
  for (const auto& watcher : notified) watcher->Notify();
}

}  // namespace dragnet::scheduler
