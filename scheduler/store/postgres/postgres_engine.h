// A store on a PostgreSQL server, for any number of schedulers.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "scheduler/store/engine.h"

namespace dragnet::scheduler {

class PostgresEngine : public StoreEngine {
 public:
  // FailedPrecondition: its tables aren't this version's (migrations.h). Else as of
  // PostgresDatabase::Open. `blob_directory`: beside which StoreSizes counts blobs; may be
  // empty.
  static absl::StatusOr<std::unique_ptr<PostgresEngine>> Open(const std::string& url,
                                                              const std::string& blob_directory);

  const std::string& name() const override { return name_; }
  absl::StatusOr<std::unique_ptr<Database>> OpenWriter() override;
  absl::StatusOr<std::unique_ptr<Database>> OpenReader() override;
  absl::StatusOr<std::unique_ptr<Database>> OpenCoordinator() override;
  absl::StatusOr<std::unique_ptr<Database>> OpenCoordinationReader() override;
  bool has_other_writers() const override { return true; }
  absl::StatusOr<StoreSizes> Sizes(Database& reader) override;
  // Of records: what a server's files have free isn't known without extensions, and
  // retention would go on removing while they don't get smaller.
  absl::StatusOr<uint64_t> BytesUsed(Database& reader) override;
  // Autovacuum does that.
  absl::StatusOr<bool> HasSpaceToGiveBack(Database&) override { return false; }
  absl::Status GiveBackSome(Database&) override { return absl::OkStatus(); }
  bool is_checked_later() const override { return false; }
  absl::Status CheckAll(std::atomic<bool>&) override { return absl::OkStatus(); }

 private:
  PostgresEngine(std::string url, std::string name, std::string blob_directory)
      : url_(std::move(url)), name_(std::move(name)), blob_directory_(std::move(blob_directory)) {}

  const std::string url_;
  const std::string name_;
  const std::string blob_directory_;
};

}  // namespace dragnet::scheduler
