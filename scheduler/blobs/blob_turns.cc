#include "scheduler/blobs/blob_turns.h"

#include <vector>

namespace dragnet::scheduler {
namespace {

constexpr uint64_t kPatienceTicks = 2;

}  // namespace

bool BlobTurns::Take(const std::shared_ptr<Taker>& taker) {
  const WaitableMutex::Lock lock(mutex_);
  if (taken_.size() < turns_ && line_.empty()) {
    taker->place_ = Taker::Place::kHasTurn;
    taker->since_ = tick_;
    taken_[taker.get()] = taker;
    return true;
  }
  taker->place_ = Taker::Place::kInLine;
  line_.push_back(taker);
  return false;
}

void BlobTurns::GiveBack(Taker& taker) {
  {
    const WaitableMutex::Lock lock(mutex_);
    // One that stands in line is passed over when its place comes.
    taker.place_ = Taker::Place::kNone;
    taken_.erase(&taker);
  }
  Serve();
}

void BlobTurns::Tick() {
  // The last owner of one lets it go without the lock.
  std::vector<std::shared_ptr<Taker>> looked_at;
  {
    const WaitableMutex::Lock lock(mutex_);
    ++tick_;
    for (auto entry = taken_.begin(); entry != taken_.end();) {
      const std::shared_ptr<Taker>& taker = looked_at.emplace_back(entry->second.lock());
      if (taker != nullptr && tick_ - taker->since_ <= kPatienceTicks) {
        ++entry;
        continue;
      }
      if (taker != nullptr) taker->place_ = Taker::Place::kLent;
      entry = taken_.erase(entry);
    }
  }
  Serve();
}

std::shared_ptr<BlobTurns::Taker> BlobTurns::NextLocked() {
  while (taken_.size() < turns_ && !line_.empty()) {
    std::shared_ptr<Taker> taker = line_.front().lock();
    line_.pop_front();
    if (taker == nullptr || taker->place_ != Taker::Place::kInLine) continue;
    taker->place_ = Taker::Place::kHasTurn;
    taker->since_ = tick_;
    taken_[taker.get()] = taker;
    return taker;
  }
  return nullptr;
}

void BlobTurns::Serve() {
  while (true) {
    std::shared_ptr<Taker> taker;
    {
      const WaitableMutex::Lock lock(mutex_);
      taker = NextLocked();
    }
    if (taker == nullptr) return;
    taker->TurnCame();
  }
}

}  // namespace dragnet::scheduler
