// The memory that records of all agents may take on their way from the network
// to the commit: docs/flow-control.md, item 4. A session asks before it parses
// a record and before it reads on; whoever is told to wait stands in one line,
// first come, first served, and is resumed exactly once.
//
// No gRPC, no clock, no store. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "core/mutex.h"

namespace dragnet::scheduler {

class RecordBudget {
 public:
  // One reader of records: an agent's session. It does one thing at a time:
  // while one of its questions waits for Resume, it asks no other one.
  class Holder {
   public:
    virtual ~Holder() = default;
    // What it waited for is granted now. Called without a lock, from a thread
    // that returned something or called Tick; must not block.
    virtual void Resume() = 0;

   private:
    friend class RecordBudget;
    enum class Waits { kNo, kToKeep, kToRead };

    // All guarded by the budget's mutex.
    size_t held_ = 0;
    // What its next record is expected to take: as much as the last one.
    size_t expected_ = 0;
    // The tick in which that was set aside; 0 for not at all.
    uint64_t expected_in_ = 0;
    Waits waits_ = Waits::kNo;
    size_t wanted_ = 0;
    // It waits for its own records and not in the line: it has its share.
    bool aside_ = false;
  };

  // `total` bytes for all, `share` for one, both above 0. A record that is
  // larger passes when nothing else is held: by anyone, or by that one.
  RecordBudget(size_t total, size_t share) : total_(total), share_(share) {}

  // A record came that takes `bytes`. True: they are held, go on. False: the
  // holder is resumed when they are.
  [[nodiscard]] bool Keep(const std::shared_ptr<Holder>& holder, size_t bytes);
  // Another message came: what was set aside for a record isn't needed.
  void ReadNoRecord(Holder& holder);
  // May the holder read the next message? True: go on. False: it is resumed
  // when it may. What it is expected to bring is set aside until the next Tick,
  // so that a line of readers isn't let go at once, and an idle one holds
  // nothing for long.
  [[nodiscard]] bool Read(const std::shared_ptr<Holder>& holder);
  // `bytes` of what Keep granted are free: the record is committed or dropped.
  void Return(const std::shared_ptr<Holder>& holder, size_t bytes);
  // Out of the line, for good: it isn't resumed any more, unless it is being
  // resumed right now. What it keeps it still has to return.
  void Leave(Holder& holder);
  // Once a second or so: what was set aside for readers that brought nothing is
  // free again.
  void Tick();

  // For metrics.
  size_t held() const;
  size_t waiting() const;

 private:
  bool WithinShare(const Holder& holder, size_t bytes) const;
  bool FitsLocked(size_t bytes) const;
  // Grants what `holder` asks for, or says that it has to wait.
  bool GrantLocked(Holder& holder);
  void ForgetExpectedLocked(Holder& holder);
  bool AskLocked(const std::shared_ptr<Holder>& holder, Holder::Waits what, size_t bytes);
  // Lets go those that may, one after the other. One thread at a time does
  // it, so that a Resume that returns something doesn't end up in another one.
  void ServeLine();

  const size_t total_;
  const size_t share_;

  mutable WaitableMutex mutex_;
  // Guarded by mutex_.
  size_t held_ = 0;
  size_t set_aside_ = 0;
  uint64_t tick_ = 1;
  std::deque<std::shared_ptr<Holder>> line_;
  bool serving_ = false;
};

}  // namespace dragnet::scheduler
