// console.toml: who this investigator is, and where the scheduler is.
// Thread-safe: no state.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/proxy.h"
#include "core/trust_policy.h"

namespace dragnet::console {

struct ConsoleConfig {
  std::string path;
  std::string fleet_id;
  // host:port
  std::string scheduler;
  // An HTTP proxy that it is reached through.
  std::optional<Proxy> proxy;
  std::string ca_file;
  std::string tls_certificate;
  std::string tls_key;
  // A path, "ssh-agent:…" or "pkcs11:…": see console/signing/signing.h. Paths
  // are absolute, also the one behind ssh-agent:.
  std::string signing_key;
  // The investigator's name in the trust policy.
  std::string name;
  std::vector<std::string> root_keys;
  uint32_t root_threshold = 1;
};

using Environment = std::function<std::optional<std::string>(std::string_view name)>;

// Where the configuration is: `flag` if it isn't empty, then $DRAGNET_CONFIG,
// then $XDG_CONFIG_HOME/dragnet/console.toml (~/.config when unset).
absl::StatusOr<std::string> FindConfig(const std::string& flag, const Environment& environment);

absl::StatusOr<ConsoleConfig> LoadConfig(const std::string& path);

// The pinned root keys that `config` names.
absl::StatusOr<RootSet> LoadRootKeys(const ConsoleConfig& config);

// PEM texts for TLS, read and checked.
struct TlsFiles {
  std::string ca;
  std::string certificate;
  std::string key;
};

// FailedPrecondition for a certificate that is expired or not yet valid, or
// that isn't this investigator's; says since when and what to do.
// PermissionDenied for a key that others can read.
absl::StatusOr<TlsFiles> LoadTlsFiles(const ConsoleConfig& config, absl::Time now);

}  // namespace dragnet::console
