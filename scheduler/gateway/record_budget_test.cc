#include "scheduler/gateway/record_budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace dragnet::scheduler {
namespace {

class Reader : public RecordBudget::Holder {
 public:
  explicit Reader(std::function<void()> resume = [] {}) : resume_(std::move(resume)) {}
  void Resume() override {
    ++resumed;
    resume_();
  }
  std::atomic<int> resumed = 0;

 private:
  std::function<void()> resume_;
};

std::shared_ptr<Reader> NewReader() { return std::make_shared<Reader>(); }

constexpr size_t kPlenty = size_t{1} << 40;

// Of a message that takes half of what it grows to.
bool Keep(RecordBudget& budget, const std::shared_ptr<RecordBudget::Holder>& holder, size_t bytes) {
  const RecordBudget::Answer answer = budget.Keep(holder, bytes, bytes / 2);
  EXPECT_NE(answer, RecordBudget::Answer::kNoRoom);
  return answer == RecordBudget::Answer::kGoOn;
}

TEST(RecordBudgetTest, WhoFitsGoesOnAtOnce) {
  RecordBudget budget(100, 100, kPlenty);
  const auto a = NewReader();
  EXPECT_TRUE(budget.Read(a));
  EXPECT_TRUE(Keep(budget, a, 60));
  EXPECT_EQ(budget.held(), 60u);
  budget.Return(a, 60);
  EXPECT_EQ(budget.held(), 0u);
  EXPECT_EQ(a->resumed, 0);
}

TEST(RecordBudgetTest, WhoDoesNotFitIsResumedOnceThereIsRoomAndNotBefore) {
  RecordBudget budget(100, 100, kPlenty);
  const auto a = NewReader();
  const auto b = NewReader();
  ASSERT_TRUE(Keep(budget, a, 40));
  ASSERT_TRUE(Keep(budget, a, 40));
  ASSERT_FALSE(Keep(budget, b, 70));
  budget.Return(a, 40);
  EXPECT_EQ(b->resumed, 0);
  budget.Return(a, 40);
  EXPECT_EQ(b->resumed, 1);
  EXPECT_EQ(budget.held(), 70u);
}

TEST(RecordBudgetTest, TheLineIsFirstComeFirstServedAlsoForSmallWishes) {
  RecordBudget budget(100, 100, kPlenty);
  const auto a = NewReader();
  ASSERT_TRUE(Keep(budget, a, 90));
  std::vector<int> order;
  std::vector<std::shared_ptr<Reader>> others;
  const size_t wishes[] = {80, 5, 5};
  for (int i = 0; i < 3; ++i) {
    others.push_back(std::make_shared<Reader>([&order, i] { order.push_back(i); }));
    // The small ones would fit; but then the large one could wait for ever.
    EXPECT_FALSE(Keep(budget, others.back(), wishes[i]));
  }
  budget.Return(a, 90);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST(RecordBudgetTest, ClosedItHoldsUpAllUntilItIsOpen) {
  RecordBudget budget(100, 100, kPlenty);
  const auto a = NewReader();
  const auto b = NewReader();
  budget.SetOpen(false);
  EXPECT_FALSE(budget.Read(a));
  EXPECT_FALSE(Keep(budget, b, 10));
  budget.Tick();
  EXPECT_EQ(a->resumed + b->resumed, 0);
  budget.SetOpen(true);
  budget.Tick();
  EXPECT_EQ(a->resumed, 1);
  EXPECT_EQ(b->resumed, 1);
  EXPECT_EQ(budget.held(), 10u);
}

TEST(RecordBudgetTest, ARecordLargerThanAllPassesAlone) {
  RecordBudget budget(100, 10, kPlenty);
  const auto a = NewReader();
  const auto b = NewReader();
  ASSERT_TRUE(Keep(budget, b, 1));
  ASSERT_FALSE(Keep(budget, a, 500));
  budget.Return(b, 1);
  EXPECT_EQ(a->resumed, 1);
  EXPECT_FALSE(Keep(budget, b, 1));
  budget.Return(a, 500);
  EXPECT_EQ(b->resumed, 1);
}

TEST(RecordBudgetTest, WhoHasItsShareWaitsForItselfAndHoldsUpNoOne) {
  RecordBudget budget(100, 30, kPlenty);
  const auto greedy = NewReader();
  const auto other = NewReader();
  ASSERT_TRUE(Keep(budget, greedy, 20));
  ASSERT_FALSE(Keep(budget, greedy, 20));
  EXPECT_TRUE(Keep(budget, other, 25));
  budget.Return(other, 25);
  EXPECT_EQ(greedy->resumed, 0);
  budget.Return(greedy, 20);
  EXPECT_EQ(greedy->resumed, 1);
  EXPECT_EQ(budget.held(), 20u);
}

TEST(RecordBudgetTest, NoOneReadsOnWhileAllIsUsed) {
  RecordBudget budget(100, 100, kPlenty);
  const auto a = NewReader();
  const auto b = NewReader();
  ASSERT_TRUE(Keep(budget, b, 10));
  ASSERT_TRUE(Keep(budget, a, 90));
  // One like the last is expected of it.
  EXPECT_FALSE(budget.Read(b));
  budget.Return(a, 90);
  EXPECT_EQ(b->resumed, 1);
}

TEST(RecordBudgetTest, ReadersAreNotLetGoAllAtOnce) {
  RecordBudget budget(100, 100, kPlenty);
  std::vector<std::shared_ptr<Reader>> readers;
  for (int i = 0; i < 5; ++i) {
    readers.push_back(NewReader());
    ASSERT_TRUE(Keep(budget, readers[i], 40));
    budget.Return(readers[i], 40);
  }
  EXPECT_TRUE(budget.Read(readers[0]));
  EXPECT_TRUE(budget.Read(readers[1]));
  for (int i = 2; i < 5; ++i) EXPECT_FALSE(budget.Read(readers[i]));
  budget.Tick();
  EXPECT_EQ(readers[2]->resumed, 1);
  EXPECT_EQ(readers[3]->resumed, 1);
  EXPECT_EQ(readers[4]->resumed, 0);
}

TEST(RecordBudgetTest, AReaderThatBringsNothingHoldsNothingForLong) {
  RecordBudget budget(100, 100, kPlenty);
  const auto idle = NewReader();
  const auto waiting = NewReader();
  ASSERT_TRUE(Keep(budget, idle, 90));
  ASSERT_FALSE(Keep(budget, waiting, 90));
  budget.Return(idle, 90);
  ASSERT_EQ(waiting->resumed, 1);
  budget.Return(waiting, 90);
  ASSERT_TRUE(budget.Read(idle));
  ASSERT_FALSE(budget.Read(waiting));
  budget.Tick();
  EXPECT_EQ(waiting->resumed, 2);
}

TEST(RecordBudgetTest, AMessageThatIsNoRecordFreesWhatWasExpected) {
  RecordBudget budget(100, 100, kPlenty);
  const auto a = NewReader();
  const auto b = NewReader();
  for (const auto& reader : {a, b}) {
    ASSERT_TRUE(Keep(budget, reader, 90));
    budget.Return(reader, 90);
  }
  ASSERT_TRUE(budget.Read(a));
  ASSERT_FALSE(budget.Read(b));
  budget.ReadNoRecord(*a);
  EXPECT_EQ(b->resumed, 1);
}

TEST(RecordBudgetTest, WhoLeavesIsNotResumedAndLetsTheNextOneGo) {
  RecordBudget budget(100, 100, kPlenty);
  const auto a = NewReader();
  const auto gone = NewReader();
  const auto next = NewReader();
  ASSERT_TRUE(Keep(budget, a, 50));
  ASSERT_FALSE(Keep(budget, gone, 90));
  ASSERT_FALSE(Keep(budget, next, 50));
  budget.Leave(*gone);
  EXPECT_EQ(next->resumed, 1);
  budget.Return(a, 50);
  EXPECT_EQ(gone->resumed, 0);
}

TEST(RecordBudgetTest, WhatItsShareKeptBackIsForgottenWhenItLeaves) {
  RecordBudget budget(100, 10, kPlenty);
  const auto a = NewReader();
  ASSERT_TRUE(Keep(budget, a, 10));
  ASSERT_FALSE(Keep(budget, a, 10));
  budget.Leave(*a);
  budget.Return(a, 10);
  EXPECT_EQ(a->resumed, 0);
  EXPECT_EQ(budget.held(), 0u);
}

TEST(RecordBudgetTest, WhatWaitsHasABoundAndWhoComesOnTopOfItIsTurnedAway) {
  RecordBudget budget(100, 50, /*waiting=*/30);
  const auto large = NewReader();
  const auto full = NewReader();
  std::vector<std::shared_ptr<Reader>> readers;
  ASSERT_EQ(budget.Keep(large, 50, 10), RecordBudget::Answer::kGoOn);
  ASSERT_EQ(budget.Keep(full, 50, 10), RecordBudget::Answer::kGoOn);
  // In line and aside count alike.
  EXPECT_EQ(budget.Keep(full, 10, 10), RecordBudget::Answer::kWait);
  for (int i = 0; i < 2; ++i) {
    readers.push_back(NewReader());
    EXPECT_EQ(budget.Keep(readers[i], 20, 10), RecordBudget::Answer::kWait);
  }
  EXPECT_EQ(budget.waiting_bytes(), 30u);
  const auto late = NewReader();
  EXPECT_EQ(budget.Keep(late, 1, 1), RecordBudget::Answer::kNoRoom);
  // Who doesn't wait needs no room to.
  budget.Return(large, 50);
  EXPECT_EQ(readers[0]->resumed, 1);
  EXPECT_EQ(readers[1]->resumed, 1);
  EXPECT_EQ(late->resumed, 0);
  EXPECT_EQ(budget.waiting_bytes(), 10u);
  EXPECT_EQ(budget.Keep(late, 1, 1), RecordBudget::Answer::kGoOn);
  budget.Leave(*full);
  EXPECT_EQ(budget.waiting_bytes(), 0u);
}

TEST(RecordBudgetTest, WhoSentALargeRecordDoesNotGetAsMuchSetAside) {
  constexpr size_t kMiB = size_t{1} << 20;
  RecordBudget budget(8 * kMiB, 8 * kMiB, kPlenty);
  const auto liar = NewReader();
  ASSERT_TRUE(Keep(budget, liar, 8 * kMiB));
  budget.Return(liar, 8 * kMiB);
  ASSERT_TRUE(budget.Read(liar));
  EXPECT_TRUE(Keep(budget, NewReader(), 7 * kMiB));
}

TEST(RecordBudgetTest, WhoReturnsSomethingServesSomeOfTheLineAndATickTheRest) {
  RecordBudget budget(1000, 1000, kPlenty);
  const auto a = NewReader();
  ASSERT_TRUE(Keep(budget, a, 1000));
  std::vector<std::shared_ptr<Reader>> readers;
  for (int i = 0; i < 500; ++i) {
    readers.push_back(NewReader());
    ASSERT_FALSE(Keep(budget, readers.back(), 2));
  }
  budget.Return(a, 1000);
  EXPECT_GE(readers[0]->resumed, 1);
  EXPECT_GT(budget.waiting(), 400u);
  budget.Tick();
  EXPECT_EQ(budget.waiting(), 0u);
  for (const auto& reader : readers) EXPECT_EQ(reader->resumed, 1);
}

// Sessions with a committer: each keeps a record, hands it over and reads on;
// none may stand still for ever, and no more than the budget is ever held.
class SwarmOfReaders {
 public:
  static constexpr size_t kTotal = 1000;
  static constexpr int kRecords = 300;

  SwarmOfReaders() {
    for (int i = 0; i < 50; ++i) {
      auto session = std::make_shared<Session>(*this, i);
      sessions_.push_back(std::move(session));
    }
  }

  void Run() {
    std::thread committer([this] { Commit(); });
    std::vector<std::thread> readers;
    for (int t = 0; t < 4; ++t)
      readers.emplace_back([this, t] {
        for (size_t i = t; i < sessions_.size(); i += 4) sessions_[i]->Step();
      });
    for (std::thread& reader : readers) reader.join();
    committer.join();
  }

  size_t most_held() const { return most_held_; }
  RecordBudget& budget() { return budget_; }

 private:
  class Session : public RecordBudget::Holder, public std::enable_shared_from_this<Session> {
   public:
    Session(SwarmOfReaders& swarm, uint32_t seed) : swarm_(swarm), random_(seed) {}

    // A message came.
    void Step() {
      size_ = 1 + random_() % 300;
      has_record_ = true;
      if (Keep(swarm_.budget_, shared_from_this(), size_)) Resume();
    }
    void Resume() override {
      if (!std::exchange(has_record_, false)) return Step();
      swarm_.HandOver(shared_from_this(), size_);
      if (++sent_ < kRecords && swarm_.budget_.Read(shared_from_this())) Step();
    }

   private:
    SwarmOfReaders& swarm_;
    std::minstd_rand random_;
    size_t size_ = 0;
    bool has_record_ = false;
    int sent_ = 0;
  };

  void HandOver(std::shared_ptr<Session> session, size_t size) {
    std::lock_guard lock(mutex_);
    under_way_.emplace_back(std::move(session), size);
    most_held_ = std::max(most_held_, budget_.held());
    changed_.notify_all();
  }

  void Commit() {
    size_t left = sessions_.size() * kRecords;
    while (left > 0) {
      std::vector<std::pair<std::shared_ptr<Session>, size_t>> batch;
      {
        std::unique_lock lock(mutex_);
        // The tick that a server has once a second.
        if (!changed_.wait_for(lock, std::chrono::milliseconds(5),
                               [this] { return !under_way_.empty(); })) {
          lock.unlock();
          budget_.Tick();
          continue;
        }
        batch.swap(under_way_);
      }
      left -= batch.size();
      for (auto& [session, size] : batch) budget_.Return(session, size);
    }
  }

  RecordBudget budget_{kTotal, 200, kPlenty};
  std::vector<std::shared_ptr<Session>> sessions_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<std::shared_ptr<Session>, size_t>> under_way_;
  size_t most_held_ = 0;
};

TEST(RecordBudgetTest, OfManyThreadsNoneIsForgottenAndTheBoundHolds) {
  SwarmOfReaders swarm;
  swarm.Run();
  EXPECT_LE(swarm.most_held(), SwarmOfReaders::kTotal);
  EXPECT_EQ(swarm.budget().held(), 0u);
  EXPECT_EQ(swarm.budget().waiting(), 0u);
}

}  // namespace
}  // namespace dragnet::scheduler
