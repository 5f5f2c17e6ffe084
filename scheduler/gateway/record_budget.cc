#include "scheduler/gateway/record_budget.h"

#include <algorithm>
#include <utility>

namespace dragnet::scheduler {

bool RecordBudget::WithinShare(const Holder& holder, size_t bytes) const {
  return holder.held_ == 0 || holder.held_ + bytes <= share_;
}

bool RecordBudget::FitsLocked(size_t bytes) const {
  const size_t used = held_ + set_aside_;
  return used == 0 || used + bytes <= total_;
}

void RecordBudget::ForgetExpectedLocked(Holder& holder) {
  if (holder.expected_in_ == tick_) set_aside_ -= holder.expected_;
  holder.expected_in_ = 0;
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
  holder.waits_ = Holder::Waits::kNo;
  return true;
}

bool RecordBudget::AskLocked(const std::shared_ptr<Holder>& holder, Holder::Waits what,
                             size_t bytes) {
  holder->waits_ = what;
  holder->wanted_ = bytes;
  holder->aside_ = !WithinShare(*holder, bytes);
  if (holder->aside_) return false;
  if (line_.empty() && GrantLocked(*holder)) return true;
  line_.push_back(holder);
  return false;
}

bool RecordBudget::Keep(const std::shared_ptr<Holder>& holder, size_t bytes) {
  const WaitableMutex::Lock lock(mutex_);
  ForgetExpectedLocked(*holder);
  holder->expected_ = bytes;
  return AskLocked(holder, Holder::Waits::kToKeep, bytes);
}

void RecordBudget::ReadNoRecord(Holder& holder) {
  {
    const WaitableMutex::Lock lock(mutex_);
    ForgetExpectedLocked(holder);
    // Whoever says something else now may well have no records left.
    holder.expected_ = 0;
  }
  ServeLine();
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
    if (holder->aside_ && WithinShare(*holder, holder->wanted_)) {
      holder->aside_ = false;
      line_.push_back(holder);
    }
  }
  ServeLine();
}

void RecordBudget::Leave(Holder& holder) {
  {
    const WaitableMutex::Lock lock(mutex_);
    ForgetExpectedLocked(holder);
    holder.waits_ = Holder::Waits::kNo;
    holder.aside_ = false;
    const auto in_line = std::find_if(line_.begin(), line_.end(),
                                      [&](const auto& other) { return other.get() == &holder; });
    if (in_line != line_.end()) line_.erase(in_line);
  }
  // It may have been the first, with a wish that was too large.
  ServeLine();
}

void RecordBudget::Tick() {
  {
    const WaitableMutex::Lock lock(mutex_);
    ++tick_;
    set_aside_ = 0;
  }
  ServeLine();
}

void RecordBudget::ServeLine() {
  while (true) {
    std::shared_ptr<Holder> next;
    {
      const WaitableMutex::Lock lock(mutex_);
      // Whoever serves looks again after each one.
      if (serving_ || line_.empty() || !GrantLocked(*line_.front())) return;
      next = std::move(line_.front());
      line_.pop_front();
      serving_ = true;
    }
    next->Resume();
    next.reset();
    const WaitableMutex::Lock lock(mutex_);
    serving_ = false;
  }
}

size_t RecordBudget::held() const {
  const WaitableMutex::Lock lock(mutex_);
  return held_;
}

size_t RecordBudget::waiting() const {
  const WaitableMutex::Lock lock(mutex_);
  return line_.size();
}

}  // namespace dragnet::scheduler
