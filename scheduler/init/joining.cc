#include "scheduler/init/joining.h"

#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/init/templates.h"
#include "scheduler/settings_cluster.h"

namespace dragnet::scheduler {
namespace {

absl::Status CheckOptions(const Settings& settings, const JoiningOptions& options) {
  if (!settings.clustered())
    return absl::FailedPreconditionError(
        "this scheduler is the only one: first give it a bus (docs/cluster.md)");
  if (settings.ca_key.empty())
    return absl::FailedPreconditionError(
        "ca_key: is not here: issue it on the host that has the key of the CA");
  if (!IsSchedulerName(options.name) || options.name == settings.scheduler_name)
    return absl::InvalidArgumentError(
        StrCat("--name ", options.name,
               ": a-z, 0-9 and '-', at most 63, and of no other scheduler of the cluster"));
  if (options.hosts.empty())
    return absl::InvalidArgumentError("--host: by which names is it reached?");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<JoiningKit> MakeJoiningKit(const Settings& settings, const JoiningOptions& options,
                                          absl::Time now) {
  DRAGNET_RETURN_IF_ERROR(CheckOptions(settings, options));
  DRAGNET_ASSIGN_OR_RETURN(ServerIdentity server,
                           IssueOtherServer(settings, options.hosts, options.lifetime, now));
  DRAGNET_ASSIGN_OR_RETURN(std::string ca, ReadFile(settings.ca_certificate));
  JoiningKit kit;
  kit.not_after = server.not_after;
  kit.names = std::move(server.names);
  kit.files = {{"scheduler/ca.pem", std::move(ca), 0644},
               {"scheduler/server.pem", std::move(server.chain_pem), 0644},
               {"scheduler/server.key", std::move(server.key_pem), 0600},
               {"scheduler.toml", JoiningSchedulerToml(settings, options.name), 0644}};
  for (size_t i = 0; i < settings.root_keys.size(); ++i) {
    DRAGNET_ASSIGN_OR_RETURN(std::string root, ReadFile(settings.root_keys[i]));
    kit.files.push_back({StrCat("scheduler/root-", i + 1, ".pub"), std::move(root), 0644});
  }
  return kit;
}

absl::Status WriteJoiningKit(const JoiningKit& kit, const std::string& directory) {
  std::error_code error;
  if (std::filesystem::exists(directory, error))
    return absl::AlreadyExistsError(StrCat(directory, ": exists already: nothing was written"));
  absl::Cleanup remove = [&] {
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
  };
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(directory, 0700));
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(StrCat(directory, "/scheduler"), 0700));
  for (const JoiningKit::File& file : kit.files)
    DRAGNET_RETURN_IF_ERROR(
        WriteNewFile(StrCat(directory, "/", file.path), file.content, file.mode));
  std::move(remove).Cancel();
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
