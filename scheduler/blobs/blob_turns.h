// How many parts of blobs are on their way to agents at one time: docs/flow-control.md,
// item 6. A fleet that fetches a rule set would otherwise fill every connection
// and both cores with it, and actions and acknowledgements would wait behind.
//
// No gRPC, no clock. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>

#include "core/mutex.h"

namespace dragnet::scheduler {

class BlobTurns {
 public:
  // One agent's session; it asks for one turn at a time.
  class Taker {
   public:
    virtual ~Taker() = default;
    // Its turn has come. Called without a lock; must not block.
    virtual void TurnCame() = 0;

   private:
    friend class BlobTurns;
    enum class Place { kNone, kInLine, kHasTurn, kLent };
    // Guarded by the mutex of its BlobTurns.
    Place place_ = Place::kNone;
    uint64_t since_ = 0;
  };

  // `turns`: at least 1.
  explicit BlobTurns(size_t turns) : turns_(turns) {}

  // True: it is its turn. False: it stands in line, first come, first served,
  // and is told by TurnCame.
  [[nodiscard]] bool Take(const std::shared_ptr<Taker>& taker);
  // Its part has left, or it is gone: no turn and no place in the line any more.
  void GiveBack(Taker& taker);
  // Once a second: turns of those that have read nothing for two ticks go to
  // others, so that agents which read slowly, or never, hold up no one. What
  // is on its way to them is bounded by their number: one part each.
  void Tick();

 private:
  std::shared_ptr<Taker> NextLocked();
  void Serve();

  const size_t turns_;
  mutable WaitableMutex mutex_;
  // Guarded by mutex_.
  uint64_t tick_ = 0;
  std::set<Taker*> taken_;
  std::deque<std::weak_ptr<Taker>> line_;
};

}  // namespace dragnet::scheduler
