#include "scheduler/dispatch/news.h"

#include <algorithm>
#include <utility>

namespace dragnet::scheduler {

std::vector<std::weak_ptr<NewsListener>> News::TakeLocked() { return std::exchange(waiting_, {}); }

void News::Tell(std::vector<std::weak_ptr<NewsListener>> listeners) {
  for (const std::weak_ptr<NewsListener>& weak : listeners)
    if (const std::shared_ptr<NewsListener> listener = weak.lock()) listener->OnNews();
}

void News::OnAction(std::string_view action_id) {
  std::vector<std::weak_ptr<NewsListener>> listeners;
  {
    absl::MutexLock lock(&mutex_);
    ++position_;
    const auto known = actions_.find(action_id);
    if (known != actions_.end()) {
      known->second = position_;
    } else {
      // What is forgotten of the others is that they are among "all".
      if (actions_.size() == kMaxActions) {
        actions_.clear();
        all_actions_ = position_;
      }
      actions_.emplace(std::string(action_id), position_);
    }
    listeners = TakeLocked();
  }
  Tell(std::move(listeners));
}

void News::OnProposals() {
  std::vector<std::weak_ptr<NewsListener>> listeners;
  {
    absl::MutexLock lock(&mutex_);
    proposals_ = ++position_;
    listeners = TakeLocked();
  }
  Tell(std::move(listeners));
}

void News::OnTrustPolicy() {
  std::vector<std::weak_ptr<NewsListener>> listeners;
  {
    absl::MutexLock lock(&mutex_);
    trust_policy_ = ++position_;
    // What is missing of a proposal follows from the policy.
    proposals_ = position_;
    listeners = TakeLocked();
  }
  Tell(std::move(listeners));
}

void News::OnAgents(uint64_t changes) {
  std::vector<std::weak_ptr<NewsListener>> listeners;
  {
    absl::MutexLock lock(&mutex_);
    if (changes == agent_changes_) return;
    agent_changes_ = changes;
    agents_ = ++position_;
    listeners = TakeLocked();
  }
  Tell(std::move(listeners));
}

News::Since News::Read(uint64_t position) const {
  Since since;
  absl::MutexLock lock(&mutex_);
  since.position = position_;
  if (all_actions_ > position) {
    since.activity.set_all_actions(true);
  } else {
    for (const auto& [id, changed] : actions_)
      if (changed > position) since.activity.add_action_ids(id);
  }
  since.activity.set_proposals(proposals_ > position);
  since.activity.set_trust_policy(trust_policy_ > position);
  since.activity.set_agents(agents_ > position);
  return since;
}

News::Since News::ReadAll() const {
  Since since;
  since.activity.set_all_actions(true);
  since.activity.set_proposals(true);
  since.activity.set_trust_policy(true);
  since.activity.set_agents(true);
  absl::MutexLock lock(&mutex_);
  since.position = position_;
  return since;
}

void News::Await(uint64_t position, const std::shared_ptr<NewsListener>& listener) {
  {
    absl::MutexLock lock(&mutex_);
    if (position_ <= position) {
      std::erase_if(waiting_, [](const auto& weak) { return weak.expired(); });
      waiting_.push_back(listener);
      return;
    }
  }
  listener->OnNews();
}

}  // namespace dragnet::scheduler
