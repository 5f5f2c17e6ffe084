#include "console/tui/loop/background.h"

namespace dragnet::console::tui {

Background::Background(EventLoop& loop, int threads) : loop_(loop) {
  absl::MutexLock lock(&mutex_);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Serve(); });
}

Background::~Background() {
  std::vector<std::thread> threads;
  std::vector<Alone> alone;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    waiting_.clear();
    threads.swap(threads_);
    alone.swap(alone_);
  }
  for (std::thread& thread : threads) thread.join();
  for (Alone& each : alone) each.thread.join();
}

bool Background::stopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

void Background::RunAlone(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return;
  // Those that have ended hold a stack each until they are joined.
  std::erase_if(alone_, [](Alone& each) {
    if (!each.done->load()) return false;
    each.thread.join();
    return true;
  });
  auto done = std::make_shared<std::atomic<bool>>(false);
  std::thread thread([work = std::move(work), done]() mutable {
    work();
    work = nullptr;
    done->store(true);
  });
  alone_.push_back({std::move(thread), std::move(done)});
}

void Background::Add(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (!stopping_) waiting_.push_back(std::move(work));
}

void Background::Serve() {
  while (true) {
    std::function<void()> work;
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !waiting_.empty();
      };
      mutex_.Await(absl::Condition(&ready));
      if (stopping_) return;
      work = std::move(waiting_.front());
      waiting_.erase(waiting_.begin());
    }
    work();
  }
}

}  // namespace dragnet::console::tui
