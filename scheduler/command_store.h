// The store as commands open it, beside a scheduler that may be running.
#pragma once

#include <filesystem>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "core/status_macros.h"
#include "scheduler/settings.h"
#include "scheduler/store/act_as_owner.h"
#include "scheduler/store/open_store.h"

namespace dragnet::scheduler {

// Run by root, it acts as the scheduler's user for as long as this lives, whom the files
// and the keys for a database belong to.
class CommandStore {
 public:
  CommandStore(std::unique_ptr<ActAsOwner> owner, std::unique_ptr<SqlStore> store)
      : owner_(std::move(owner)), store_(std::move(store)) {}

  Store& operator*() const { return *store_; }
  Store* operator->() const { return store_.get(); }

 private:
  // Outlives the store.
  std::unique_ptr<ActAsOwner> owner_;
  std::unique_ptr<SqlStore> store_;
};

inline absl::StatusOr<CommandStore> OpenForCommand(const Settings& settings) {
  DRAGNET_ASSIGN_OR_RETURN(
      std::unique_ptr<ActAsOwner> owner,
      ActAsOwner::Of(std::filesystem::path(settings.server_key).parent_path()));
  absl::StatusOr<std::unique_ptr<SqlStore>> store = OpenStore({.store = settings.store,
                                                               .use = StoreUse::kCommand,
                                                               .shared = settings.clustered(),
                                                               .blob_directory = {}});
  DRAGNET_RETURN_IF_ERROR(Annotate(store.status(), StrCat("the store", owner->words())));
  return CommandStore(std::move(owner), *std::move(store));
}

}  // namespace dragnet::scheduler
