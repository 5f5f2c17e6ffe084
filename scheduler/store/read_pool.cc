#include "scheduler/store/read_pool.h"

#include <utility>

#include "core/status_macros.h"

namespace dragnet::scheduler {

absl::StatusOr<std::unique_ptr<ReadPool>> ReadPool::Open(StoreEngine& engine, int connections) {
  std::unique_ptr<ReadPool> pool(new ReadPool());
  for (int i = 0; i < connections; ++i) {
    DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, engine.OpenReader());
    pool->GiveBack(std::move(database));
  }
  return pool;
}

absl::StatusOr<std::unique_ptr<ReadPool>> ReadPool::OpenForCoordination(StoreEngine& engine,
                                                                        int connections) {
  std::unique_ptr<ReadPool> pool(new ReadPool());
  for (int i = 0; i < connections; ++i) {
    DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, engine.OpenCoordinationReader());
    if (database == nullptr) return nullptr;
    pool->GiveBack(std::move(database));
  }
  return pool;
}

ReadPool::Loan ReadPool::Take() {
  WaitableMutex::Lock lock(mutex_);
  lock.Await([this] { return !free_.empty(); });
  std::unique_ptr<Database> database = std::move(free_.back());
  free_.pop_back();
  return Loan(this, std::move(database));
}

void ReadPool::GiveBack(std::unique_ptr<Database> database) {
  const WaitableMutex::Lock lock(mutex_);
  free_.push_back(std::move(database));
}

}  // namespace dragnet::scheduler
