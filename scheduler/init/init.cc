#include "scheduler/init/init.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "core/trust_policy.h"
#include "modules/manifest.h"
#include "scheduler/dispatch/retirement.h"
#include "scheduler/enrolment/ca.h"
#include "scheduler/enrolment/enrolment.h"
#include "scheduler/init/templates.h"
#include "scheduler/store/sqlite_store.h"

namespace dragnet::scheduler {
namespace {

constexpr absl::Duration kServerLifetime = absl::Hours(2 * 365 * 24);
constexpr absl::Duration kInvestigatorLifetime = absl::Hours(365 * 24);

// Names that the fleet's programs know their scheduler by.
struct Addresses {
  ServerNames certificate;
  // host:port, for the agents' kit.
  std::vector<std::string> schedulers;
  std::string console;
};

bool LooksLikeIp(const std::string& host) {
  return host.find(':') != std::string::npos ||
         host.find_first_not_of("0123456789.") == std::string::npos;
}

std::string HostName() {
  char name[256] = {};
  if (::gethostname(name, sizeof(name) - 1) != 0) return "localhost";
  return name;
}

void AddUnique(const std::string& value, std::vector<std::string>* values) {
  if (!value.empty() && std::find(values->begin(), values->end(), value) == values->end())
    values->push_back(value);
}

absl::StatusOr<Addresses> AddressesOf(const InitOptions& options) {
  const size_t colon = options.listen.rfind(':');
  if (colon == std::string::npos || colon + 1 == options.listen.size())
    return absl::InvalidArgumentError(
        StrCat("--listen ", options.listen, ": give host:port, e.g. 0.0.0.0:7443"));
  const std::string port = options.listen.substr(colon + 1);
  Addresses addresses;
  AddUnique("localhost", &addresses.certificate.dns);
  AddUnique(HostName(), &addresses.certificate.dns);
  AddUnique("127.0.0.1", &addresses.certificate.ip);
  for (const std::string& host : options.hosts)
    AddUnique(host, LooksLikeIp(host) ? &addresses.certificate.ip : &addresses.certificate.dns);
  // Without --host: this machine first, which costs other ones one refused connection.
  std::vector<std::string> hosts = options.hosts;
  if (hosts.empty()) hosts = addresses.certificate.dns;
  for (const std::string& host : hosts) {
    const bool ip6 = host.find(':') != std::string::npos;
    addresses.schedulers.push_back(ip6 ? StrCat("[", host, "]:", port) : StrCat(host, ":", port));
  }
  addresses.console = StrCat("localhost:", port);
  return addresses;
}

// All that is made in memory before anything is written.
struct Fleet {
  std::string id;
  std::vector<PrivateKey> roots;
  std::vector<PrivateKey> releasers;
  std::string policy;
  absl::Time policy_expires;
};

uint32_t ReleaseThreshold(const InitOptions& options) {
  // Of two, both: a threshold of 1 would let one stolen key release anything.
  const uint32_t keys = options.release_keys;
  return options.release_threshold.value_or(keys <= 2 ? keys : keys - 1);
}

std::vector<PublicKey> PublicKeysOf(const std::vector<PrivateKey>& keys) {
  std::vector<PublicKey> publics;
  for (const PrivateKey& key : keys) publics.push_back(key.public_key());
  return publics;
}

absl::StatusOr<std::string> SignFirstPolicy(const InitOptions& options, const Fleet& fleet,
                                            const CertificateAuthority& ca,
                                            const PublicKey& signing_key, absl::Time now) {
  v1::TrustPolicy policy;
  policy.set_fleet_id(fleet.id);
  policy.set_version(1);
  *policy.mutable_issued() = ToTimestamp(now);
  *policy.mutable_expires() = ToTimestamp(fleet.policy_expires);
  DRAGNET_ASSIGN_OR_RETURN(const RootSet roots,
                           RootSet::Create(PublicKeysOf(fleet.roots), options.root_threshold));
  *policy.mutable_roots() = roots.ToProto();
  if (!fleet.releasers.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(
        const ReleaseKeySet release_keys,
        ReleaseKeySet::Create(PublicKeysOf(fleet.releasers), ReleaseThreshold(options)));
    *policy.mutable_release_keys() = release_keys.ToProto();
  }
  v1::Investigator* investigator = policy.add_investigators();
  investigator->set_name(options.investigator);
  *investigator->add_keys() = signing_key.ToProto();
  for (const v1::Role role : {v1::ROLE_READER, v1::ROLE_INVESTIGATOR, v1::ROLE_OPERATOR})
    investigator->add_roles(role);
  for (const ModuleManifest* manifest : AllManifests()) {
    // Nobody may, until the root keys say who: what it does can't be undone from afar.
    if (manifest->name == kRetireModule && !options.allow_retire) continue;
    v1::ModulePolicy* module = policy.add_modules();
    module->set_module(std::string(manifest->name));
    module->set_minimum_weight(1);
    v1::Weight* weight = module->add_weights();
    weight->set_investigator(options.investigator);
    weight->set_weight(1);
  }
  policy.add_ca_certificates(ca.certificate_der());
  DRAGNET_RETURN_IF_ERROR(ValidateTrustPolicy(policy));

  v1::Envelope envelope = NewEnvelope(kTrustPolicyPayloadType, policy.SerializeAsString());
  for (const PrivateKey& root : fleet.roots) DRAGNET_RETURN_IF_ERROR(AddSignature(root, &envelope));
  std::string bytes = envelope.SerializeAsString();
  // What agents will check is checked before it is given out.
  DRAGNET_RETURN_IF_ERROR(TrustPolicy::VerifyFirst(bytes, roots, fleet.id).status());
  return bytes;
}

absl::Status WriteRoots(const Fleet& fleet, const std::string& directory) {
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(StrCat(directory, "/root"), 0700));
  for (size_t i = 0; i < fleet.roots.size(); ++i) {
    const std::string name = StrCat("root-", i + 1);
    const std::string public_pem = fleet.roots[i].public_key().ToPem();
    DRAGNET_RETURN_IF_ERROR(
        WriteNewFile(StrCat(directory, "/root/", name, ".key"), fleet.roots[i].ToPem(), 0600));
    for (const char* place : {"root", "scheduler", "investigator", "agent"})
      DRAGNET_RETURN_IF_ERROR(
          WriteNewFile(StrCat(directory, "/", place, "/", name, ".pub"), public_pem, 0644));
  }
  // No program is told of these: they are in the trust policy.
  for (size_t i = 0; i < fleet.releasers.size(); ++i) {
    const std::string path = StrCat(directory, "/root/release-", i + 1);
    DRAGNET_RETURN_IF_ERROR(WriteNewFile(path + ".key", fleet.releasers[i].ToPem(), 0600));
    DRAGNET_RETURN_IF_ERROR(
        WriteNewFile(path + ".pub", fleet.releasers[i].public_key().ToPem(), 0644));
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const InitOptions& options) {
  if (!IsInvestigatorName(options.investigator))
    return absl::InvalidArgumentError(
        StrCat("--investigator ", options.investigator,
               ": 1 to 64 of a-z, 0-9, '.', '_' and '-', starting with a letter or digit"));
  if (options.name.size() > 48 || !IsFleetId(options.name))
    return absl::InvalidArgumentError(
        StrCat("--name ", options.name, ": 1 to 48 of a-z, 0-9, '.', '_' and '-'"));
  if (options.root_keys < 1 || options.root_keys > 32 || options.root_threshold < 1 ||
      options.root_threshold > options.root_keys)
    return absl::InvalidArgumentError(
        "--root-keys: 1 to 32; --root-threshold: 1 to the number of root keys");
  const uint32_t release_threshold = ReleaseThreshold(options);
  if (options.release_keys > 32 ||
      (options.release_keys > 0 &&
       (release_threshold < 1 || release_threshold > options.release_keys)) ||
      (options.release_keys == 0 && options.release_threshold.has_value()))
    return absl::InvalidArgumentError(
        "--release-keys: 0 to 32; --release-threshold: 1 to the number of release keys");
  if (options.policy_lifetime < absl::Hours(1) ||
      options.policy_lifetime > absl::Hours(10 * 366 * 24))
    return absl::InvalidArgumentError("--policy-lifetime: 1h to 87840h");
  return absl::OkStatus();
}

absl::Status CheckVacant(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::exists(directory, error)) return absl::OkStatus();
  if (!std::filesystem::is_directory(directory, error))
    return absl::AlreadyExistsError(StrCat(directory, ": is not a directory"));
  if (!std::filesystem::is_empty(directory, error) || error)
    return absl::AlreadyExistsError(
        StrCat(directory, ": is not empty: choose another --dir, nothing was changed"));
  return absl::OkStatus();
}

absl::Status BuildFleet(const InitOptions& options, const Addresses& addresses, absl::Time now,
                        const std::string& directory, InitResult* result) {
  Fleet fleet;
  fleet.id = StrCat(options.name, "-", HexEncode(RandomBytes(6)));
  fleet.policy_expires = now + options.policy_lifetime;
  for (uint32_t i = 0; i < options.root_keys; ++i) {
    DRAGNET_ASSIGN_OR_RETURN(PrivateKey root, PrivateKey::Generate(KeyAlgorithm::kEd25519));
    fleet.roots.push_back(std::move(root));
  }
  for (uint32_t i = 0; i < options.release_keys; ++i) {
    DRAGNET_ASSIGN_OR_RETURN(PrivateKey key, PrivateKey::Generate(KeyAlgorithm::kEd25519));
    fleet.releasers.push_back(std::move(key));
  }
  DRAGNET_ASSIGN_OR_RETURN(const CertificateAuthority ca,
                           CertificateAuthority::Create(fleet.id, now));
  DRAGNET_ASSIGN_OR_RETURN(const PrivateKey server_key,
                           PrivateKey::Generate(KeyAlgorithm::kEcdsaP256));
  DRAGNET_ASSIGN_OR_RETURN(const PrivateKey investigator_tls,
                           PrivateKey::Generate(KeyAlgorithm::kEcdsaP256));
  DRAGNET_ASSIGN_OR_RETURN(const PrivateKey signing_key,
                           PrivateKey::Generate(KeyAlgorithm::kEd25519));
  DRAGNET_ASSIGN_OR_RETURN(const IssuedCertificate server,
                           ca.IssueServer(server_key.public_key(), fleet.id, addresses.certificate,
                                          now, kServerLifetime));
  DRAGNET_ASSIGN_OR_RETURN(const IssuedCertificate investigator,
                           ca.IssueInvestigator(investigator_tls.public_key(), fleet.id,
                                                options.investigator, now, kInvestigatorLifetime));
  DRAGNET_ASSIGN_OR_RETURN(fleet.policy,
                           SignFirstPolicy(options, fleet, ca, signing_key.public_key(), now));

  for (const char* part : {"scheduler", "investigator"})
    DRAGNET_RETURN_IF_ERROR(MakeDirectories(StrCat(directory, "/", part), 0700));
  // Open, because the agent's unprivileged link finds its state through it;
  // what is secret in there has a mode of its own.
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(StrCat(directory, "/agent"), 0755));
  const std::string store_path = StrCat(directory, "/scheduler/dragnet.db");
  DRAGNET_RETURN_IF_ERROR(SqliteStore::Create(store_path));
  {
    DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteStore> store,
                             SqliteStore::Open(store_path, StoreUse::kCommand));
    DRAGNET_RETURN_IF_ERROR(store->AddTrustPolicy({.version = 1, .envelope = fleet.policy}));
    DRAGNET_RETURN_IF_ERROR(store->AddCertificate(ToStored(investigator, now)));
    DRAGNET_ASSIGN_OR_RETURN(const NewToken token, CreateToken(*store, now,
                                                               {.lifetime = options.token_lifetime,
                                                                .uses = options.token_uses,
                                                                .note = "made with the fleet"},
                                                               "dragnet-scheduler init"));
    result->token = token.token;
    result->token_expires = token.expires;
  }
  DRAGNET_RETURN_IF_ERROR(WriteRoots(fleet, directory));

  const TemplateValues values = {.fleet_id = fleet.id,
                                 .investigator = options.investigator,
                                 .listen = options.listen,
                                 .console_scheduler = addresses.console,
                                 .agent_schedulers = addresses.schedulers,
                                 .root_keys = options.root_keys,
                                 .root_threshold = options.root_threshold};
  struct File {
    const char* path;
    std::string content;
    mode_t mode;
  };
  for (const File& file :
       std::vector<File>{{"scheduler.toml", SchedulerToml(values), 0644},
                         {"scheduler/ca.key", ca.KeyToPem(), 0600},
                         {"scheduler/ca.pem", ca.certificate_pem(), 0644},
                         {"scheduler/server.key", server_key.ToPem(), 0600},
                         {"scheduler/server.pem", server.chain_pem, 0644},
                         {"investigator/console.toml", ConsoleToml(values), 0644},
                         {"investigator/signing.key", signing_key.ToPem(), 0600},
                         {"investigator/tls.key", investigator_tls.ToPem(), 0600},
                         {"investigator/tls.pem", investigator.chain_pem, 0644},
                         {"investigator/ca.pem", ca.certificate_pem(), 0644},
                         {"agent/agent.toml", AgentToml(values), 0644},
                         {"agent/ca.pem", ca.certificate_pem(), 0644},
                         {"agent/enrolment.token", result->token + "\n", 0600}})
    DRAGNET_RETURN_IF_ERROR(
        WriteNewFile(StrCat(directory, "/", file.path), file.content, file.mode));

  result->fleet_id = fleet.id;
  result->policy_expires = fleet.policy_expires;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<InitResult> InitializeFleet(const InitOptions& options, absl::Time now) {
  DRAGNET_RETURN_IF_ERROR(CheckOptions(options));
  DRAGNET_ASSIGN_OR_RETURN(const Addresses addresses, AddressesOf(options));
  std::string target = options.directory;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  if (target.empty()) return absl::InvalidArgumentError("--dir: an empty name");
  DRAGNET_RETURN_IF_ERROR(CheckVacant(target));

  std::string temporary = target + ".init-XXXXXX";
  if (::mkdtemp(temporary.data()) == nullptr) return ErrnoStatus(StrCat("make ", temporary), errno);
  if (::chmod(temporary.c_str(), 0755) != 0) return ErrnoStatus(StrCat("chmod ", temporary), errno);
  absl::Cleanup remove_temporary = [&] {
    std::error_code ignored;
    std::filesystem::remove_all(temporary, ignored);
  };
  InitResult result;
  DRAGNET_RETURN_IF_ERROR(BuildFleet(options, addresses, now, temporary, &result));
  // Replaces an empty directory, and fails on one that got content meanwhile.
  if (::rename(temporary.c_str(), target.c_str()) != 0)
    return ErrnoStatus(StrCat("rename ", temporary, " to ", target), errno);
  std::move(remove_temporary).Cancel();
  return result;
}

std::string DefaultInvestigator() {
  for (const char* variable : {"SUDO_USER", "USER"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr) continue;
    std::string name;
    for (const char* c = value; *c != '\0' && name.size() < 64; ++c) {
      const char lower = *c >= 'A' && *c <= 'Z' ? static_cast<char>(*c - 'A' + 'a') : *c;
      const bool fits = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') ||
                        (!name.empty() && (lower == '.' || lower == '_' || lower == '-'));
      if (fits) name.push_back(lower);
    }
    if (IsInvestigatorName(name)) return name;
  }
  return "investigator";
}

std::string NextSteps(const InitOptions& options, const InitResult& result) {
  std::string dir = options.directory;
  while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
  const auto day = [](absl::Time time) {
    return absl::FormatTime("%Y-%m-%d %H:%M UTC", time, absl::UTCTimeZone());
  };
  return StrCat(
      "Fleet ", result.fleet_id, " is ready in ", dir, ".\n\n", "  1. Start the scheduler:\n",
      options.install ? std::string("       systemctl start dragnet-scheduler\n")
                      : StrCat("       dragnet-scheduler run --config ", dir, "/scheduler.toml\n"),
      "  2. Start an agent here, or copy ", dir, "/agent to a host and start it there:\n",
      "       dragnet-agent run --config ", dir, "/agent/agent.toml\n", "     Enrolment token (",
      options.token_uses, " uses, until ", day(result.token_expires), "):\n       ", result.token,
      "\n", "  3. Investigate as ", options.investigator, ":\n",
      "       export DRAGNET_CONFIG=", dir, "/investigator/console.toml\n",
      "       dragnet agents\n\n", "Take ", dir, "/root offline now: its ",
      options.root_keys == 1 ? "key decides" : "keys decide",
      " who may order what, and nothing that runs needs ", options.root_keys == 1 ? "it" : "them",
      ".\n",
      options.release_keys == 0
          ? std::string()
          : StrCat("The release keys in it say which builds of the agent are good: give "
                   "them to those who release it, not to who keeps the root keys.\n"),
      "Give ", dir, "/investigator to ", options.investigator,
      " alone: the scheduler has no use for it either.\n",
      options.allow_retire
          ? ""
          : "Nobody may retire hosts yet: dragnet agents retire says how to change that.\n",
      "The trust policy expires on ", day(result.policy_expires), ".\n");
}

}  // namespace dragnet::scheduler
