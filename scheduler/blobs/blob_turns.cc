#include "scheduler/blobs/blob_turns.h"

namespace dragnet::scheduler {
namespace {

constexpr uint64_t kPatienceTicks = 2;

}  // namespace

bool BlobTurns::Take(const std::shared_ptr<Taker>& taker) {
  const WaitableMutex::Lock lock(mutex_);
  if (taken_.size() < turns_ && line_.empty()) {
    taker->place_ = Taker::Place::kHasTurn;
    taker->since_ = tick_;
    taken_.insert(taker.get());
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
  {
    const WaitableMutex::Lock lock(mutex_);
    ++tick_;
    for (auto taker = taken_.begin(); taker != taken_.end();) {
      if (tick_ - (*taker)->since_ <= kPatienceTicks) {
        ++taker;
        continue;
      }
      (*taker)->place_ = Taker::Place::kLent;
      taker = taken_.erase(taker);
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
    taken_.insert(taker.get());
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
