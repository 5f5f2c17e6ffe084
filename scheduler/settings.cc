#include "scheduler/settings.h"

#include "core/config.h"
#include "core/status_macros.h"
#include "core/trust_policy.h"
#include "scheduler/observe/http_server.h"
#include "scheduler/settings_cluster.h"

namespace dragnet::scheduler {
namespace {

RetentionRules ReadRetention(ConfigFile* file) {
  constexpr absl::Duration kDay = absl::Hours(24);
  RetentionRules rules;
  rules.age = file->Duration("retention_age", 365 * kDay, absl::ZeroDuration(), 100 * 366 * kDay);
  // "0s" is for ever, as 0 bytes are without bound.
  if (rules.age == absl::ZeroDuration()) rules.age = absl::InfiniteDuration();
  rules.bytes = static_cast<uint64_t>(file->Integer("retention_bytes", 0, 0, int64_t{1} << 50));
  rules.clock_hold = file->Duration("retention_clock_hold", kDay, absl::ZeroDuration(), 366 * kDay);
  return rules;
}

}  // namespace

absl::StatusOr<Settings> LoadSettings(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(ConfigFile file, ConfigFile::Load(path));
  Settings settings;
  settings.fleet_id = file.RequiredString("fleet_id");
  settings.listen = file.String("listen", "0.0.0.0:7443");
  settings.ca_certificate = file.RequiredPath("ca_certificate");
  settings.server_certificate = file.RequiredPath("server_certificate");
  settings.server_key = file.RequiredPath("server_key");
  ReadCluster(&file, &settings);
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
  settings.metrics_listen = file.String("metrics_listen", settings.metrics_listen);
  settings.metrics_allow_remote = file.Bool("metrics_allow_remote", false);
  const std::string log_format = file.String("log_format", "text");
  const std::string log_level = file.String("log_level", "info");
  settings.retention = ReadRetention(&file);
  settings.exports = ReadExports(&file);
  DRAGNET_RETURN_IF_ERROR(file.Finish());
  DRAGNET_RETURN_IF_ERROR(
      Annotate(ParseLogFormat(log_format, &settings.log_format), StrCat(path, ": log_format")));
  DRAGNET_RETURN_IF_ERROR(
      Annotate(ParseLogLevel(log_level, &settings.log_level), StrCat(path, ": log_level")));
  if (!settings.metrics_listen.empty())
    DRAGNET_RETURN_IF_ERROR(
        Annotate(CheckHttpAddress(settings.metrics_listen, settings.metrics_allow_remote),
                 StrCat(path, ": metrics_listen")));
  if (!IsFleetId(settings.fleet_id))
    return absl::InvalidArgumentError(StrCat(path, ": fleet_id: not a fleet id"));
  if (settings.root_keys.empty())
    return absl::InvalidArgumentError(StrCat(path, ": root_keys: at least one is needed"));
  return settings;
}

}  // namespace dragnet::scheduler
