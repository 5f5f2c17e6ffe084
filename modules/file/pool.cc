#include "modules/file/pool.h"

#include <algorithm>
#include <system_error>
#include <utility>

namespace dragnet::file {

WorkPool::WorkPool(size_t threads) : wanted_(std::max<size_t>(threads, 1)) {}

void WorkPool::StartThreads() {
  started_ = true;
  threads_.reserve(wanted_ - 1);
  for (size_t i = 1; i < wanted_; ++i) {
    try {
      threads_.emplace_back([this, i] { Work(i); });
    } catch (const std::system_error&) {
      break;
    }
  }
}

WorkPool::~WorkPool() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkPool::Offer(std::unique_ptr<Task>& task, Length length) {
  {
    const std::lock_guard lock(mutex_);
    if (!HasRoom(length)) return false;
    if (!started_) StartThreads();
    const int kind = static_cast<int>(length);
    queues_[kind].push_back(std::move(task));
    size_[kind].store(queues_[kind].size(), std::memory_order_relaxed);
    if (idle_.load(std::memory_order_relaxed) == 0) return true;
  }
  changed_.notify_one();
  return true;
}

void WorkPool::Add(std::unique_ptr<Task> task) {
  const std::lock_guard lock(mutex_);
  queues_[1].push_back(std::move(task));
  // The one who drains takes the first.
  if (queues_[1].size() > 1 && wanted_ > 1 && !started_) StartThreads();
  size_[1].store(queues_[1].size(), std::memory_order_relaxed);
  changed_.notify_one();
}

std::unique_ptr<Task> WorkPool::Take() {
  for (int kind = 0; kind < 2; ++kind) {
    if (queues_[kind].empty()) continue;
    std::unique_ptr<Task> task = std::move(queues_[kind].front());
    queues_[kind].pop_front();
    size_[kind].store(queues_[kind].size(), std::memory_order_relaxed);
    return task;
  }
  return nullptr;
}

void WorkPool::Drain() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (std::unique_ptr<Task> task = Take()) {
      ++running_;
      lock.unlock();
      task->Run(0);
      task.reset();
      lock.lock();
      --running_;
    } else if (running_ == 0) {
      return;
    } else {
      idle_.fetch_add(1, std::memory_order_relaxed);
      changed_.wait(lock);
      idle_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
}

void WorkPool::Work(size_t thread) {
  std::unique_lock lock(mutex_);
  while (!end_) {
    if (std::unique_ptr<Task> task = Take()) {
      ++running_;
      lock.unlock();
      task->Run(thread);
      task.reset();
      lock.lock();
      // Drain waits for the last one.
      if (--running_ == 0) changed_.notify_all();
    } else {
      idle_.fetch_add(1, std::memory_order_relaxed);
      changed_.wait(lock);
      idle_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
}

}  // namespace dragnet::file
