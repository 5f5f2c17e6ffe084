#include "scheduler/settings.h"

#include "core/config.h"
#include "core/status_macros.h"
#include "core/trust_policy.h"

namespace dragnet::scheduler {

absl::StatusOr<Settings> LoadSettings(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(ConfigFile file, ConfigFile::Load(path));
  Settings settings;
  settings.fleet_id = file.RequiredString("fleet_id");
  settings.listen = file.String("listen", "0.0.0.0:7443");
  settings.ca_certificate = file.RequiredPath("ca_certificate");
  settings.ca_key = file.RequiredPath("ca_key");
  settings.server_certificate = file.RequiredPath("server_certificate");
  settings.server_key = file.RequiredPath("server_key");
  settings.store = file.RequiredPath("store");
  settings.root_keys = file.PathList("root_keys");
  settings.root_threshold = static_cast<uint32_t>(file.Integer("root_threshold", 1, 1, 32));
  settings.agent_certificate_lifetime = file.Duration(
      "agent_certificate_lifetime", absl::Hours(720), absl::Minutes(10), absl::Hours(366 * 24));
  settings.heartbeat_interval =
      file.Duration("heartbeat_interval", absl::Seconds(30), absl::Seconds(1), absl::Hours(1));
  settings.max_rows = static_cast<uint64_t>(file.Integer("max_rows", 1'000'000, 1, 1'000'000'000));
  settings.max_result_bytes = static_cast<uint64_t>(
      file.Integer("max_result_bytes", int64_t{256} << 20, 1 << 20, int64_t{1} << 40));
  settings.record_budget = static_cast<size_t>(
      file.Integer("record_budget", int64_t{128} << 20, 16 << 20, int64_t{64} << 30));
  DRAGNET_RETURN_IF_ERROR(file.Finish());
  if (!IsFleetId(settings.fleet_id))
    return absl::InvalidArgumentError(StrCat(path, ": fleet_id: not a fleet id"));
  if (settings.root_keys.empty())
    return absl::InvalidArgumentError(StrCat(path, ": root_keys: at least one is needed"));
  return settings;
}

}  // namespace dragnet::scheduler
