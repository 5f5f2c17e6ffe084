#include "agent/monitor/agent_config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "core/config.h"
#include "core/file_io.h"
#include "core/proxy.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet {
namespace {

constexpr int64_t kMaxMemory = int64_t{64} << 30;
constexpr int64_t kMaxSpool = int64_t{1} << 40;
constexpr int64_t kMaxWorkers = 16;
constexpr char kDefaultStateDirectory[] = "/var/lib/dragnet";
constexpr char kByPackageManager[] = "package-manager";
// core/action.h: what a signer can ask for.
constexpr int64_t kMaxCpuSharePercent = 6400;

OperationLimits ReadLimits(ConfigFile& file) {
  OperationLimits limits;
  limits.wall_time =
      file.Duration("limits.wall_time", limits.wall_time, absl::Seconds(1), absl::Hours(24));
  limits.cpu_time =
      file.Duration("limits.cpu_time", limits.cpu_time, absl::Seconds(1), absl::Hours(24));
  limits.memory_bytes = static_cast<uint64_t>(file.Integer(
      "limits.memory_bytes", static_cast<int64_t>(limits.memory_bytes), 64 << 20, kMaxMemory));
  limits.rows = static_cast<uint64_t>(
      file.Integer("limits.rows", static_cast<int64_t>(limits.rows), 1, 1'000'000'000));
  limits.result_bytes = static_cast<uint64_t>(file.Integer(
      "limits.result_bytes", static_cast<int64_t>(limits.result_bytes), 4096, kMaxMemory));
  limits.cpu_share_percent = static_cast<uint32_t>(
      file.Integer("limits.cpu_share_percent", limits.cpu_share_percent, 1, kMaxCpuSharePercent));
  return limits;
}

// Half of the host's cores, but at least one, and what one operation may have.
int64_t DefaultCpuShareOfAll(const OperationLimits& limits) {
  const int64_t half = 50 * ::sysconf(_SC_NPROCESSORS_ONLN);
  return std::max({int64_t{100}, half, int64_t{limits.cpu_share_percent}});
}

absl::StatusOr<RootSet> LoadRootKeys(const std::vector<std::string>& paths, int64_t threshold) {
  std::vector<PublicKey> keys;
  for (const std::string& path : paths) {
    DRAGNET_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    absl::StatusOr<PublicKey> key = PublicKey::FromText(text);
    if (!key.ok()) return Annotate(key.status(), StrCat("root key ", path));
    keys.push_back(*std::move(key));
  }
  return RootSet::Create(std::move(keys), static_cast<uint32_t>(threshold));
}

// The link would be told, and end at once, over and over.
absl::Status CheckAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = 0;
  const bool has_port = colon != std::string::npos && colon > 0 &&
                        absl::SimpleAtoi(address.substr(colon + 1), &port) && port > 0 &&
                        port < 65536;
  if (has_port) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("\"", address, "\" is not host:port, e.g. \"host:7443\""));
}

// A token is used once; who installs hosts may remove its file afterwards.
absl::StatusOr<std::string> ReadToken(const std::string& path) {
  if (path.empty()) return std::string();
  absl::StatusOr<std::string> token = ReadSecretFile(path, 4096);
  if (absl::IsNotFound(token.status())) return std::string();
  if (!token.ok()) return Annotate(token.status(), "enrolment token");
  while (!token->empty() && (token->back() == '\n' || token->back() == '\r')) token->pop_back();
  return token;
}

// What authenticates every host to the proxy is no other user's of this one. Not asked of
// who isn't root: that is a first try, from a kit.
absl::Status CheckKeepsPassword(const std::string& path, const Proxy& proxy) {
  if (proxy.authorization().empty() || ::geteuid() != 0) return absl::OkStatus();
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  if ((info.st_mode & 077) == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(
      StrCat(path,
             ": proxy: has a password in it, and others than root can read the file: chmod "
             "600 ",
             path));
}

std::string ReadReleaseDirectory(ConfigFile& file, const std::string& state_directory) {
  return file.Path("release_dir", StrCat(state_directory, "-releases"));
}

absl::Duration ReadTrialTime(ConfigFile& file) {
  return file.Duration("trial_time", AgentConfig().trial_time, absl::Seconds(10), absl::Hours(1));
}

absl::Duration ReadConfirmTime(ConfigFile& file) {
  return file.Duration("confirm_time", AgentConfig().confirm_time, absl::Seconds(1),
                       absl::Hours(1));
}

}  // namespace

absl::StatusOr<sandbox::UserAndGroup> ResolveUser(const std::string& configured,
                                                  const DefaultUser& default_user) {
  if (configured.empty()) {
    const auto found = sandbox::LookUpUser(default_user.name);
    return found.ok() ? *found : default_user.otherwise;
  }
  absl::StatusOr<sandbox::UserAndGroup> found = sandbox::LookUpUser(configured);
  if (found.ok()) return found;
  return absl::InvalidArgumentError(StrCat(default_user.key, " \"", configured,
                                           "\": ", found.status().message(),
                                           ": create it (useradd --system --no-create-home ",
                                           configured, ") or give a free \"uid:gid\""));
}

std::vector<std::string> LimitLines(const AgentConfig& config) {
  const OperationLimits& limits = config.limits;
  const auto mebibytes = [](uint64_t bytes) { return StrCat(bytes >> 20, " MiB"); };
  std::vector<std::string> lines;
  if (config.privacy)
    lines.push_back("privacy mode: no content of files or memory leaves the host");
  lines.push_back(StrCat("operations at a time: ", config.workers));
  lines.push_back(
      StrCat("CPU of all operations: ", config.cpu_share_percent_total, " % of one core"));
  lines.push_back(
      StrCat("CPU of one operation: ", limits.cpu_share_percent == 0
                                           ? std::string("no limit of its own")
                                           : StrCat(limits.cpu_share_percent, " % of one core")));
  lines.push_back(StrCat("wall time of one operation: ", absl::FormatDuration(limits.wall_time)));
  lines.push_back(StrCat("CPU time of one operation: ", absl::FormatDuration(limits.cpu_time)));
  lines.push_back(StrCat("memory of one operation: ", mebibytes(limits.memory_bytes)));
  lines.push_back(
      StrCat("rows of one operation: ", limits.rows, ", of ", mebibytes(limits.result_bytes)));
  lines.push_back(StrCat("results that wait for a scheduler: ", mebibytes(config.spool_bytes)));
  return lines;
}

AgentConfig LoadLaunchConfig(const std::string& path, const std::string& own_directory) {
  absl::StatusOr<ConfigFile> file = ConfigFile::Load(path);
  if (!file.ok()) file = ConfigFile::Parse("", "/");
  AgentConfig config;
  config.state_directory = file->Path("state_dir", kDefaultStateDirectory);
  config.release_directory = ReadReleaseDirectory(*file, config.state_directory);
  config.program_directory = file->Path("program_dir", own_directory);
  config.enrolment_token_file = file->Path("enrolment_token_file", "");
  if (file->String("upgrade", "") == kByPackageManager) {
    config.upgrade = AgentConfig::Upgrade::kPackageManager;
  }
  config.trial_time = ReadTrialTime(*file);
  config.confirm_time = ReadConfirmTime(*file);
  return config;
}

absl::StatusOr<AgentConfig> LoadAgentConfig(const std::string& path,
                                            const std::string& own_directory) {
  DRAGNET_ASSIGN_OR_RETURN(ConfigFile file, ConfigFile::Load(path));
  AgentConfig config;
  config.fleet_id = file.RequiredString("fleet_id");
  config.schedulers = file.StringList("schedulers");
  const std::string ca_file = file.RequiredPath("ca_file");
  const std::vector<std::string> root_keys = file.PathList("root_keys");
  const int64_t root_threshold = file.Integer("root_threshold", 1, 1, 32);
  config.state_directory = file.Path("state_dir", kDefaultStateDirectory);
  config.enrolment_token_file = file.Path("enrolment_token_file", "");
  config.name = file.String("name", "");
  config.link_user = file.String("link_user", "");
  config.worker_user = file.String("worker_user", "");
  config.program_directory = file.Path("program_dir", own_directory);
  config.tags = file.StringMap("tags");
  config.limits = ReadLimits(file);
  config.workers = static_cast<int>(file.Integer("limits.workers", config.workers, 1, kMaxWorkers));
  config.cpu_share_percent_total = static_cast<uint32_t>(
      file.Integer("limits.cpu_share_percent_total", DefaultCpuShareOfAll(config.limits), 1,
                   kMaxWorkers * kMaxCpuSharePercent));
  config.spool_bytes = static_cast<uint64_t>(
      file.Integer("spool_bytes", static_cast<int64_t>(config.spool_bytes), 1 << 20, kMaxSpool));
  if (const int64_t free = file.Integer("spool_min_free_bytes", -1, 0, kMaxSpool); free >= 0) {
    config.spool_min_free_bytes = static_cast<uint64_t>(free);
  }
  config.privacy = file.Bool("privacy", false);
  config.allow_missing_walls = file.Bool("allow_missing_walls", false);
  const std::string upgrade = file.String("upgrade", "self");
  config.release_group = file.String("release_group", "");
  config.release_directory = ReadReleaseDirectory(file, config.state_directory);
  config.trial_time = ReadTrialTime(file);
  config.confirm_time = ReadConfirmTime(file);
  config.proxy = file.String("proxy", "");
  DRAGNET_RETURN_IF_ERROR(file.Finish());

  if (upgrade == kByPackageManager) {
    config.upgrade = AgentConfig::Upgrade::kPackageManager;
  } else if (upgrade != "self") {
    return absl::InvalidArgumentError(
        StrCat(path, ": upgrade: \"", upgrade, "\" is neither \"self\" nor \"package-manager\""));
  }
  if (config.release_directory.starts_with(config.state_directory + "/")) {
    return absl::InvalidArgumentError(
        StrCat(path, ": release_dir: must not be below state_dir, which workers can't see"));
  }
  if (!IsFleetId(config.fleet_id)) {
    return absl::InvalidArgumentError(StrCat(path, ": fleet_id: not a fleet id"));
  }
  if (config.schedulers.empty()) {
    return absl::InvalidArgumentError(
        StrCat(path, ": schedulers: missing; e.g. schedulers = [\"host:7443\"]"));
  }
  for (const std::string& scheduler : config.schedulers) {
    DRAGNET_RETURN_IF_ERROR(Annotate(CheckAddress(scheduler), StrCat(path, ": schedulers")));
  }
  if (config.tags.size() > 64 || config.name.size() > 255) {
    return absl::InvalidArgumentError(StrCat(path, ": at most 64 tags and 255 bytes of name"));
  }
  if (!config.proxy.empty()) {
    const absl::StatusOr<Proxy> proxy = Proxy::FromUrl(config.proxy);
    if (!proxy.ok()) return Annotate(proxy.status(), StrCat(path, ": proxy"));
    DRAGNET_RETURN_IF_ERROR(CheckKeepsPassword(path, *proxy));
  }
  DRAGNET_ASSIGN_OR_RETURN(config.ca_certificates, ReadFile(ca_file));
  absl::StatusOr<RootSet> roots = LoadRootKeys(root_keys, root_threshold);
  if (!roots.ok()) return Annotate(roots.status(), StrCat(path, ": root_keys"));
  config.root_keys = *std::move(roots);
  DRAGNET_ASSIGN_OR_RETURN(config.enrolment_token, ReadToken(config.enrolment_token_file));
  struct stat token;
  if (!config.enrolment_token.empty() && ::stat(config.enrolment_token_file.c_str(), &token) == 0)
    config.enrolment_token_written = absl::TimeFromTimespec(token.st_mtim);
  return config;
}

}  // namespace dragnet
