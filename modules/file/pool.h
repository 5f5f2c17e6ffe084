// Threads that share one kind of work: pieces of a search that whoever has them
// offers, and whoever has nothing to do takes. The queue is short, because it is
// only there to keep idle threads busy: what it has no room for stays with the
// one who offers it, and is done there. So memory and descriptors are bounded,
// and no thread ever waits for another one's queue.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace dragnet::file {

class Task {
 public:
  virtual ~Task() = default;
  // `thread` counts from 0, and is below WorkPool::threads().
  virtual void Run(size_t thread) = 0;
};

// Add and Drain are for the thread that made the pool, Offer and the questions
// for any of its threads.
class WorkPool {
 public:
  // With the thread that makes it and drains it, so many; fewer, if the system
  // refuses some. They are made when there is something for them to do.
  explicit WorkPool(size_t threads);
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  size_t threads() const { return wanted_; }

  // Long pieces are taken first, so that none of them is begun last.
  enum class Length { kLong, kShort };
  // Whether an offer would be taken now. Cheap, and out of date at once.
  bool HasRoom(Length length) const {
    return wanted_ > 1 && size_[static_cast<int>(length)].load(std::memory_order_relaxed) <
                              kRoomPerThread * threads();
  }
  // Some thread has nothing to do, and nothing is queued for it.
  bool IsHungry() const {
    return idle_.load(std::memory_order_relaxed) >
           size_[0].load(std::memory_order_relaxed) + size_[1].load(std::memory_order_relaxed);
  }
  // False, and `task` left as it is, when there is no room.
  bool Offer(std::unique_ptr<Task>& task, Length length);

  // Whatever room there is.
  void Add(std::unique_ptr<Task> task);
  // Helps, and returns once nothing is queued or being done.
  void Drain();

  static constexpr size_t kRoomPerThread = 4;

 private:
  void StartThreads();
  void Work(size_t thread);
  // Null when there is none.
  std::unique_ptr<Task> Take();

  const size_t wanted_;
  std::mutex mutex_;
  // Something was queued, or all is done, or the end has come.
  std::condition_variable changed_;
  // By Length.
  std::deque<std::unique_ptr<Task>> queues_[2];
  std::atomic<size_t> size_[2] = {0, 0};
  std::atomic<size_t> idle_{0};
  size_t running_ = 0;
  bool end_ = false;
  bool started_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace dragnet::file
