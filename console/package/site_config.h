// What makes an agent one of a fleet: agent.toml and the files that it names.
// Thread-safe: no state.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/package/archive.h"
#include "core/trust_policy.h"

namespace dragnet::console {

struct SiteConfig {
  std::string fleet_id;
  // host:port as the fleet's hosts reach it, 1 to 16, tried in turn.
  std::vector<std::string> schedulers;
  // One or more CA certificates, PEM.
  std::string ca_certificates;
  RootSet root_keys;
  // The enrolment token: lower-case hex. A secret.
  std::string token;
  // [tags] of agent.toml, at most 64.
  std::map<std::string, std::string> tags;
  // "http://[user:password@]host:port"; empty: none.
  std::string proxy;
  // Empty: agent.toml doesn't say, and the agent's default holds.
  bool upgrade_by_package_manager = false;
  std::string release_group;
  // Further lines of agent.toml, each "key = value".
  std::vector<std::string> settings;
};

// InvalidArgument names what is wrong, and how it is written.
absl::Status CheckSite(const SiteConfig& site);

// "host:port", "[2001:db8::1]:port".
absl::Status CheckScheduler(std::string_view address);
// Whether only the machine itself reaches that address: localhost, 127.0.0.1, [::1].
bool IsLoopback(std::string_view address);
// What a scheduler gives out as a token. The error has nothing of it.
absl::Status CheckToken(std::string_view token);

// A TOML basic string, quotes included, of any UTF-8 text.
std::string TomlString(std::string_view text);

// Of a site that passed CheckSite. Relative paths in it start from /etc/dragnet.
std::string AgentToml(const SiteConfig& site);

// "ssh-ed25519 AAAA…" or PEM: what the agent reads into this very key. InvalidArgument for a
// security key that asks for its user's verification, which no key file can say.
absl::StatusOr<std::string> RootKeyText(const PublicKey& key);

// /etc/dragnet with all of it: agent.toml (0644, or 0600 with a proxy's password in it),
// ca.pem, root-1.pub, … and enrolment.token (0600). `modified`: their time.
absl::StatusOr<std::vector<PackageFile>> SiteFiles(const SiteConfig& site, int64_t modified);

// Where the token lies in a package.
inline constexpr std::string_view kTokenPath = "etc/dragnet/enrolment.token";

// Keys that --setting takes, with the bounds that the agent keeps
// (agent/monitor/agent_config.cc; a test holds the two against each other).
struct SettingRule {
  enum class Kind { kBool, kInteger, kDuration, kText };
  std::string_view key;
  Kind kind;
  // Of an integer, or of a duration in seconds.
  int64_t minimum = 0;
  int64_t maximum = 0;
};
const std::vector<SettingRule>& SettingRules();

}  // namespace dragnet::console
