// Connections for reading, lent out one at a time. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/mutex.h"
#include "scheduler/store/engine.h"

namespace dragnet::scheduler {

class ReadPool {
 public:
  static absl::StatusOr<std::unique_ptr<ReadPool>> Open(StoreEngine& engine, int connections);
  // For coordination alone; null where the engine has none for that.
  static absl::StatusOr<std::unique_ptr<ReadPool>> OpenForCoordination(StoreEngine& engine,
                                                                       int connections);

  // A connection, given back when it goes out of scope.
  class Loan {
   public:
    Loan(ReadPool* pool, std::unique_ptr<Database> database)
        : pool_(pool), database_(std::move(database)) {}
    ~Loan() { pool_->GiveBack(std::move(database_)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    Database* operator->() { return database_.get(); }
    Database& operator*() { return *database_; }

   private:
    ReadPool* pool_;
    std::unique_ptr<Database> database_;
  };

  // Waits until one is free.
  Loan Take();

 private:
  ReadPool() = default;
  void GiveBack(std::unique_ptr<Database> database);

  WaitableMutex mutex_;
  std::vector<std::unique_ptr<Database>> free_;
};

}  // namespace dragnet::scheduler
