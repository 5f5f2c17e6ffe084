// A store in one SQLite file: WAL, synchronous=FULL, one writer, several readers.
#pragma once

#include <string>
#include <utility>

#include "core/unique_fd.h"
#include "scheduler/store/engine.h"

namespace dragnet::scheduler {

class SqliteEngine : public StoreEngine {
 public:
  // `lock`: of who runs on the store (store_lock.h); invalid for a command beside it.
  SqliteEngine(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  const std::string& name() const override { return path_; }
  absl::StatusOr<std::unique_ptr<Database>> OpenWriter() override;
  absl::StatusOr<std::unique_ptr<Database>> OpenReader() override;
  absl::StatusOr<std::unique_ptr<Database>> OpenCoordinator() override { return nullptr; }
  bool has_other_writers() const override { return false; }
  absl::StatusOr<StoreSizes> Sizes(Database& reader) override;
  absl::StatusOr<uint64_t> BytesUsed(Database& reader) override;
  absl::StatusOr<bool> HasSpaceToGiveBack(Database& reader) override;
  absl::Status GiveBackSome(Database& writer) override;
  bool is_checked_later() const override;
  absl::Status CheckAll(std::atomic<bool>& stop) override;

 private:
  const std::string path_;
  const UniqueFd lock_;
};

}  // namespace dragnet::scheduler
