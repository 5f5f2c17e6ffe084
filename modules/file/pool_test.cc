#include "modules/file/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <utility>

namespace dragnet::file {
namespace {

class Call : public Task {
 public:
  explicit Call(std::function<void(size_t)> call) : call_(std::move(call)) {}
  void Run(size_t thread) override { call_(thread); }

 private:
  const std::function<void(size_t)> call_;
};

std::unique_ptr<Task> MakeTask(std::function<void(size_t)> call) {
  return std::make_unique<Call>(std::move(call));
}

// Work that splits in two until it is small: all of it is done, whoever does it.
void Split(WorkPool& pool, std::atomic<int>& done, int size, size_t thread) {
  ASSERT_LT(thread, pool.threads());
  if (size == 1) {
    done.fetch_add(1);
    return;
  }
  auto half = MakeTask([&pool, &done, size](size_t other) { Split(pool, done, size / 2, other); });
  const auto length = size % 3 == 0 ? WorkPool::Length::kLong : WorkPool::Length::kShort;
  if (!pool.Offer(half, length)) half->Run(thread);
  Split(pool, done, size - size / 2, thread);
}

TEST(WorkPool, DrainReturnsWhenAllThatWasOfferedIsDone) {
  for (size_t threads : {1, 2, 5}) {
    WorkPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int round = 1; round <= 3; ++round) {
      std::atomic<int> done{0};
      pool.Add(MakeTask([&](size_t thread) { Split(pool, done, 10'000, thread); }));
      pool.Drain();
      EXPECT_EQ(done.load(), 10'000);
    }
  }
}

TEST(WorkPool, OneThreadKeepsItsWorkToItself) {
  WorkPool pool(1);
  auto task = MakeTask([](size_t) {});
  EXPECT_FALSE(pool.HasRoom(WorkPool::Length::kLong));
  EXPECT_FALSE(pool.Offer(task, WorkPool::Length::kLong));
  EXPECT_NE(task, nullptr);
  EXPECT_FALSE(pool.IsHungry());
  pool.Drain();
}

TEST(WorkPool, TheQueueHasAnEnd) {
  WorkPool pool(2);
  std::atomic<bool> go{false};
  std::atomic<size_t> taken{0}, done{0};
  // Holds both threads until the queue was seen to be full.
  for (int i = 0; i < 2; ++i) {
    pool.Add(MakeTask([&](size_t thread) {
      if (thread == 0) {
        for (auto task = MakeTask([&](size_t) { ++done; });
             pool.Offer(task, WorkPool::Length::kShort); task = MakeTask([&](size_t) { ++done; }))
          ++taken;
        go = true;
        go.notify_all();
      }
      go.wait(false);
    }));
  }
  pool.Drain();
  EXPECT_GE(taken.load(), 1u);
  EXPECT_EQ(done.load(), taken.load());
}

}  // namespace
}  // namespace dragnet::file
