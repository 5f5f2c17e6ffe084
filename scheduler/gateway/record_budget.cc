#include "scheduler/gateway/record_budget.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace dragnet::scheduler {
namespace {

// An ordinary record takes about a third of it. Who once sent a large one
// doesn't get as much set aside at each of its readings.
constexpr size_t kMaxExpected = size_t{256} << 10;
// By a thread that came to give something back: a record each has to be parsed.
constexpr size_t kMostServedByTheWay = 16;

}  // namespace

bool RecordBudget::WithinShare(const Holder& holder, size_t bytes) const {
  return holder.held_ == 0 || holder.held_ + bytes <= share_;
}

bool RecordBudget::FitsLocked(size_t bytes) const {
  if (!open_) return false;
  const size_t used = held_ + set_aside_;
  return used == 0 || used + bytes <= total_;
}

void RecordBudget::ForgetExpectedLocked(Holder& holder) {
  if (holder.expected_in_ == tick_) set_aside_ -= holder.expected_;
  holder.expected_in_ = 0;
}

void RecordBudget::StandInLineLocked(const std::shared_ptr<Holder>& holder) {
  holder->in_line_ = line_.insert(line_.end(), holder);
  holder->place_ = Holder::Place::kInLine;
}

void RecordBudget::StopWaitingLocked(Holder& holder) {
  holder.waits_ = Holder::Waits::kNo;
  waiting_bytes_ -= std::exchange(holder.waiting_bytes_, 0);
  const auto place = std::exchange(holder.place_, Holder::Place::kNone);
  if (place == Holder::Place::kInLine) line_.erase(holder.in_line_);
}

bool RecordBudget::GrantLocked(Holder& holder) {
  if (!WithinShare(holder, holder.wanted_) || !FitsLocked(holder.wanted_)) return false;
  if (holder.waits_ == Holder::Waits::kToKeep) {
    holder.held_ += holder.wanted_;
    held_ += holder.wanted_;
  } else {
    holder.expected_ = holder.wanted_;
    holder.expected_in_ = tick_;
    set_aside_ += holder.wanted_;
  }
  StopWaitingLocked(holder);
  return true;
}

bool RecordBudget::AskLocked(const std::shared_ptr<Holder>& holder, Holder::Waits what,
                             size_t bytes) {
  holder->waits_ = what;
  holder->wanted_ = bytes;
  if (!WithinShare(*holder, bytes)) {
    holder->place_ = Holder::Place::kAside;
    return false;
  }
  if (line_.empty() && GrantLocked(*holder)) return true;
  StandInLineLocked(holder);
  return false;
}

RecordBudget::Answer RecordBudget::Keep(const std::shared_ptr<Holder>& holder, size_t bytes,
                                        size_t message_bytes) {
  const WaitableMutex::Lock lock(mutex_);
  ForgetExpectedLocked(*holder);
  holder->expected_ = std::min(bytes, kMaxExpected);
  if (AskLocked(holder, Holder::Waits::kToKeep, bytes)) return Answer::kGoOn;
  if (waiting_bytes_ + message_bytes > waiting_) {
    StopWaitingLocked(*holder);
    return Answer::kNoRoom;
  }
  holder->waiting_bytes_ = message_bytes;
  waiting_bytes_ += message_bytes;
  return Answer::kWait;
}

void RecordBudget::ReadNoRecord(Holder& holder) {
  {
    const WaitableMutex::Lock lock(mutex_);
    ForgetExpectedLocked(holder);
    // Whoever says something else now may well have no records left.
    holder.expected_ = 0;
  }
  ServeLine(kMostServedByTheWay);
}

bool RecordBudget::Read(const std::shared_ptr<Holder>& holder) {
  const WaitableMutex::Lock lock(mutex_);
  return AskLocked(holder, Holder::Waits::kToRead, holder->expected_);
}

void RecordBudget::Return(const std::shared_ptr<Holder>& holder, size_t bytes) {
  {
    const WaitableMutex::Lock lock(mutex_);
    held_ -= bytes;
    holder->held_ -= bytes;
    if (holder->place_ == Holder::Place::kAside && WithinShare(*holder, holder->wanted_))
      StandInLineLocked(holder);
  }
  ServeLine(kMostServedByTheWay);
}

void RecordBudget::Leave(Holder& holder) {
  // It may be the line that keeps it; it goes without the lock.
  std::shared_ptr<Holder> keep;
  {
    const WaitableMutex::Lock lock(mutex_);
    ForgetExpectedLocked(holder);
    if (holder.place_ == Holder::Place::kInLine) keep = *holder.in_line_;
    StopWaitingLocked(holder);
  }
  // It may have been the first, with a wish that was too large.
  ServeLine(kMostServedByTheWay);
}

void RecordBudget::Tick() {
  {
    const WaitableMutex::Lock lock(mutex_);
    ++tick_;
    set_aside_ = 0;
  }
  ServeLine(std::numeric_limits<size_t>::max());
}

void RecordBudget::ServeLine(size_t most) {
  for (size_t served = 0; served < most; ++served) {
    std::shared_ptr<Holder> next;
    {
      const WaitableMutex::Lock lock(mutex_);
      // Whoever serves looks again after each one.
      if (serving_ || line_.empty()) return;
      next = line_.front();
      // Out of the line, if so.
      if (!GrantLocked(*next)) return;
      serving_ = true;
    }
    next->Resume();
    next.reset();
    const WaitableMutex::Lock lock(mutex_);
    serving_ = false;
  }
}

void RecordBudget::SetOpen(bool open) {
  const WaitableMutex::Lock lock(mutex_);
  open_ = open;
}

size_t RecordBudget::held() const {
  const WaitableMutex::Lock lock(mutex_);
  return held_;
}

size_t RecordBudget::waiting() const {
  const WaitableMutex::Lock lock(mutex_);
  return line_.size();
}

size_t RecordBudget::waiting_bytes() const {
  const WaitableMutex::Lock lock(mutex_);
  return waiting_bytes_;
}

}  // namespace dragnet::scheduler
