// agent.toml, read strictly. docs/agent-toml.md lists every key.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/monitor/limits.h"
#include "agent/sandbox/spawn.h"
#include "core/trust_policy.h"

namespace dragnet {

struct AgentConfig {
  std::string fleet_id;
  std::vector<std::string> schedulers;  // host:port
  std::string ca_certificates;          // PEM
  RootSet root_keys;
  std::string state_directory;
  std::string enrolment_token;       // empty: none configured, or its file is gone
  std::string enrolment_token_file;  // empty: none configured
  // When its file was written last.
  absl::Time enrolment_token_written = absl::InfinitePast();
  std::string name;  // empty: the host's
  // A name or "uid:gid"; empty: the default name if the host has that user,
  // else a free id (see kDefaultLinkUser).
  std::string link_user;
  std::string worker_user;
  std::string program_directory;
  std::map<std::string, std::string> tags;
  // Who puts another version of the agent in place.
  enum class Upgrade {
    // The agent itself, when an action with the module `upgrade` says so.
    kSelf,
    // The host's package manager: such an action is answered, and changes nothing.
    kPackageManager,
  };
  Upgrade upgrade = Upgrade::kSelf;
  // Release.group that is taken besides that of all; empty: none.
  std::string release_group;
  // Where versions are put that the package manager knows nothing of. Not below the
  // state directory, which workers can't see: the worker's program is started from here.
  std::string release_directory;
  // How long a new version has to reach a scheduler and to pass its self-test.
  absl::Duration trial_time = absl::Minutes(5);
  // How long it must then have been connected, without interruption, to be kept.
  absl::Duration confirm_time = absl::Minutes(1);
  // "http://[user:password@]host:port", as LinkStart.proxy; empty: none.
  std::string proxy;
  // No content of files or memory leaves this host: operations that would
  // return some are refused.
  bool privacy = false;
  OperationLimits limits;
  int workers = 2;
  // Of all workers together, in percent of one core. Default: half of the host's
  // cores, at least one.
  uint32_t cpu_share_percent_total = 100;
  // Records that wait for a scheduler; above it workers stand still.
  uint64_t spool_bytes = uint64_t{256} << 20;
  // Rows are not spooled when less than this is free on the disk. Default: 5 %
  // of it, at most 64 MiB.
  std::optional<uint64_t> spool_min_free_bytes;
  // As root: go on where the kernel can't put a wall of the sandbox up, instead
  // of refusing to start. As another user that is always so.
  bool allow_missing_walls = false;
};

// The users that packages make. A host without them (a first try from a build
// directory) still gets every wall: then these ids are used, which systemd keeps
// free for such purposes (61184 to 65519, "dynamic users", systemd.exec(5)).
struct DefaultUser {
  const char* key;
  const char* name;
  sandbox::UserAndGroup otherwise;
};
inline constexpr DefaultUser kDefaultLinkUser = {"link_user", "dragnet-link", {64510, 64510}};
inline constexpr DefaultUser kDefaultWorkerUser = {"worker_user", "dragnet-worker", {64511, 64511}};

// InvalidArgument when `configured` isn't empty and there is no such user.
absl::StatusOr<sandbox::UserAndGroup> ResolveUser(const std::string& configured,
                                                  const DefaultUser& default_user);

// What this host allows, for people: Hello.limits. One line each.
std::vector<std::string> LimitLines(const AgentConfig& config);

// What of agent.toml decides whether, and as which version, the agent runs: state_dir,
// release_dir, program_dir, enrolment_token_file, upgrade, trial_time, confirm_time. A
// version that knows more keys than this one may be what is to run: others are no error
// here, and a value that isn't understood is the default. So is everything where the file
// isn't TOML: who runs says what is wrong with it.
AgentConfig LoadLaunchConfig(const std::string& path, const std::string& own_directory);

// `own_directory`: where this program is; the default for program_directory.
absl::StatusOr<AgentConfig> LoadAgentConfig(const std::string& path,
                                            const std::string& own_directory);

}  // namespace dragnet
