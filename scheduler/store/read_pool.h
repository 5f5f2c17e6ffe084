// Connections for reading, lent out one at a time. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/mutex.h"
#include "scheduler/store/sqlite.h"

namespace dragnet::scheduler {

class ReadPool {
 public:
  static absl::StatusOr<std::unique_ptr<ReadPool>> Open(const std::string& path, int connections);

  // A connection, given back when it goes out of scope.
  class Lease {
   public:
    Lease(ReadPool* pool, std::unique_ptr<Database> database)
        : pool_(pool), database_(std::move(database)) {}
    ~Lease() { pool_->GiveBack(std::move(database_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Database* operator->() { return database_.get(); }
    Database& operator*() { return *database_; }

   private:
    ReadPool* pool_;
    std::unique_ptr<Database> database_;
  };

  // Waits until one is free.
  Lease Take();

 private:
  ReadPool() = default;
  void GiveBack(std::unique_ptr<Database> database);

  WaitableMutex mutex_;
  std::vector<std::unique_ptr<Database>> free_;
};

}  // namespace dragnet::scheduler
