// The memory that records of all agents may take on their way from the network
// to the commit: docs/flow-control.md, item 4. A session asks before it parses
// a record and before it reads on; whoever is told to wait stands in one line,
// first come, first served, and is resumed exactly once.
//
// No gRPC, no clock, no store. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
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
    // What its next record is expected to take: as much as the last one, if that
    // was an ordinary one.
    size_t expected_ = 0;
    // The tick in which that was set aside; 0 for not at all.
    uint64_t expected_in_ = 0;
    Waits waits_ = Waits::kNo;
    size_t wanted_ = 0;
    // Of the message that it keeps while it waits for room for it.
    size_t waiting_bytes_ = 0;
    // Aside: it waits for its own records and not in the line, having its share.
    enum class Place { kNone, kInLine, kAside } place_ = Place::kNone;
    // When in line.
    std::list<std::shared_ptr<Holder>>::iterator in_line_;
  };

  enum class Answer { kGoOn, kWait, kNoRoom };

  // `total` bytes for all, `share` for one, both above 0. A record that is
  // larger than either passes alone: callers refuse what is too large for that.
  // `waiting` bytes may the messages take that wait to be let in.
  RecordBudget(size_t total, size_t share, size_t waiting)
      : total_(total), share_(share), waiting_(waiting) {}

  // A record came that takes `bytes`, and that takes `message_bytes` until they
  // are granted. kGoOn: they are held. kWait: the holder is resumed when they
  // are. kNoRoom: what waits already is all that may; nothing is held, and the
  // holder should let go of its message.
  [[nodiscard]] Answer Keep(const std::shared_ptr<Holder>& holder, size_t bytes,
                            size_t message_bytes);
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
  // free again, and all go on for whom there is room. May take long, as it is
  // what they do then: not for a thread that others wait for.
  void Tick();

  // Closed, it lets nothing in and no one read on: there is no room behind it, where
  // records go from here. Opened again, all go on from the next Tick on.
  void SetOpen(bool open);

  // For metrics.
  size_t held() const;
  size_t waiting() const;
  size_t waiting_bytes() const;

 private:
  bool WithinShare(const Holder& holder, size_t bytes) const;
  bool FitsLocked(size_t bytes) const;
  // Grants what `holder` asks for, or says that it has to wait.
  bool GrantLocked(Holder& holder);
  void ForgetExpectedLocked(Holder& holder);
  bool AskLocked(const std::shared_ptr<Holder>& holder, Holder::Waits what, size_t bytes);
  void StandInLineLocked(const std::shared_ptr<Holder>& holder);
  // Neither waits nor stands anywhere any more.
  void StopWaitingLocked(Holder& holder);
  // Lets go those that may, one after the other, at most `most`: the thread has
  // other things to do, and the next call goes on. One thread at a time does
  // it, so that a Resume that returns something doesn't end up in another one.
  void ServeLine(size_t most);

  const size_t total_;
  const size_t share_;
  const size_t waiting_;

  mutable WaitableMutex mutex_;
  // Guarded by mutex_.
  size_t held_ = 0;
  size_t set_aside_ = 0;
  uint64_t tick_ = 1;
  // Of messages that wait for room, in line and aside.
  size_t waiting_bytes_ = 0;
  std::list<std::shared_ptr<Holder>> line_;
  bool serving_ = false;
  bool open_ = true;
};

}  // namespace dragnet::scheduler
