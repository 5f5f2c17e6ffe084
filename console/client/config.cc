#include "console/client/config.h"

#include <filesystem>

#include "core/certificate.h"
#include "core/config.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

std::string Date(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M", time, absl::LocalTimeZone());
}

// What isn't a path stays as it is.
std::string ResolveSigningKey(const std::string& key, const std::string& config_path) {
  constexpr std::string_view kAgent = "ssh-agent:";
  if (key.empty() || key.starts_with("pkcs11:") || key.starts_with("ssh-agent:SHA256:")) return key;
  const bool agent = key.starts_with(kAgent);
  const std::string path = agent ? key.substr(kAgent.size()) : key;
  if (path.empty()) return key;
  std::error_code error;
  const std::filesystem::path directory =
      std::filesystem::absolute(config_path, error).parent_path();
  return StrCat(agent ? kAgent : "", (directory / path).string());
}

absl::Status CheckCertificate(const ConsoleConfig& config, const CertificateInfo& certificate,
                              absl::Time now) {
  const std::string where = StrCat("certificate ", config.tls_certificate);
  if (now > certificate.not_after) {
    return absl::FailedPreconditionError(
        StrCat(where, ": expired on ", Date(certificate.not_after),
               ": have the operator of the fleet issue a new one for investigator ", config.name));
  }
  if (now < certificate.not_before) {
    return absl::FailedPreconditionError(
        StrCat(where, ": not valid before ", Date(certificate.not_before),
               ": this machine's clock says ", Date(now), "; set it right"));
  }
  const std::string expected = FormatSpiffeId({config.fleet_id, "investigator", config.name});
  if (certificate.spiffe_id != expected) {
    return absl::FailedPreconditionError(
        StrCat(where, ": is for \"", certificate.spiffe_id, "\", not for \"", expected,
               "\": check fleet_id, name and tls_certificate in ", config.path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> FindConfig(const std::string& flag, const Environment& environment) {
  if (!flag.empty()) return flag;
  if (const auto path = environment("DRAGNET_CONFIG"); path.has_value() && !path->empty()) {
    return *path;
  }
  if (const auto base = environment("XDG_CONFIG_HOME"); base.has_value() && !base->empty()) {
    return *base + "/dragnet/console.toml";
  }
  if (const auto home = environment("HOME"); home.has_value() && !home->empty()) {
    return *home + "/.config/dragnet/console.toml";
  }
  return absl::InvalidArgumentError(
      "configuration: neither --config, $DRAGNET_CONFIG nor $HOME is set: give --config FILE");
}

absl::StatusOr<ConsoleConfig> LoadConfig(const std::string& path) {
  absl::StatusOr<ConfigFile> file = ConfigFile::Load(path);
  if (absl::IsNotFound(file.status())) {
    return absl::NotFoundError(
        StrCat("configuration ", path,
               ": no such file: give --config FILE or set "
               "DRAGNET_CONFIG (dragnet-scheduler init writes investigator/console.toml)"));
  }
  if (!file.ok()) return Annotate(file.status(), "configuration");
  ConsoleConfig config;
  config.path = path;
  config.fleet_id = file->RequiredString("fleet_id");
  config.scheduler = file->RequiredString("scheduler");
  config.ca_file = file->RequiredPath("ca_file");
  config.tls_certificate = file->RequiredPath("tls_certificate");
  config.tls_key = file->RequiredPath("tls_key");
  config.signing_key = ResolveSigningKey(file->RequiredString("signing_key"), path);
  config.name = file->RequiredString("name");
  const std::string proxy = file->String("proxy", "");
  config.root_keys = file->PathList("root_keys");
  config.root_threshold = static_cast<uint32_t>(file->Integer("root_threshold", 1, 1, 32));
  DRAGNET_RETURN_IF_ERROR(Annotate(file->Finish(), "configuration"));
  if (!proxy.empty()) {
    absl::StatusOr<Proxy> parsed = Proxy::FromUrl(proxy);
    if (!parsed.ok()) {
      return Annotate(parsed.status(), StrCat("configuration ", path, ": proxy"));
    }
    config.proxy = *std::move(parsed);
  }
  if (!IsFleetId(config.fleet_id)) {
    return absl::InvalidArgumentError(StrCat("configuration ", path, ": fleet_id: not a fleet id"));
  }
  if (!IsInvestigatorName(config.name)) {
    return absl::InvalidArgumentError(StrCat(
        "configuration ", path, ": name: not an investigator's name: 1 to 64 of a-z 0-9 . _ -"));
  }
  if (config.scheduler.rfind(':') == std::string::npos) {
    return absl::InvalidArgumentError(StrCat(
        "configuration ", path, ": scheduler: no port: write host:port, e.g. localhost:7443"));
  }
  return config;
}

absl::StatusOr<RootSet> LoadRootKeys(const ConsoleConfig& config) {
  std::vector<PublicKey> keys;
  for (const std::string& path : config.root_keys) {
    DRAGNET_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    absl::StatusOr<PublicKey> key = PublicKey::FromText(text);
    if (!key.ok()) return Annotate(key.status(), StrCat("root key ", path));
    keys.push_back(*std::move(key));
  }
  absl::StatusOr<RootSet> roots = RootSet::Create(std::move(keys), config.root_threshold);
  if (!roots.ok()) {
    return Annotate(roots.status(), StrCat("root_keys in ", config.path));
  }
  return roots;
}

absl::StatusOr<TlsFiles> LoadTlsFiles(const ConsoleConfig& config, absl::Time now) {
  TlsFiles files;
  DRAGNET_ASSIGN_OR_RETURN(files.ca, ReadFile(config.ca_file));
  DRAGNET_ASSIGN_OR_RETURN(files.certificate, ReadFile(config.tls_certificate));
  DRAGNET_ASSIGN_OR_RETURN(files.key, ReadSecretFile(config.tls_key));
  const absl::StatusOr<CertificateInfo> certificate = ParseCertificate(files.certificate);
  if (!certificate.ok()) {
    return Annotate(certificate.status(), StrCat("certificate ", config.tls_certificate));
  }
  DRAGNET_RETURN_IF_ERROR(CheckCertificate(config, *certificate, now));
  return files;
}

}  // namespace dragnet::console
