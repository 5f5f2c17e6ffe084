#include "console/package/fleet_source.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "core/config.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

constexpr size_t kMaxToken = 4096;

std::string Pem(std::string_view der) {
  const std::string base64 = absl::Base64Escape(ToAbsl(der));
  std::string pem = "-----BEGIN CERTIFICATE-----\n";
  for (size_t at = 0; at < base64.size(); at += 64) StrAppend(&pem, base64.substr(at, 64), "\n");
  return pem + "-----END CERTIFICATE-----\n";
}

void AddReachable(const std::vector<std::string>& addresses, SiteConfig* site) {
  for (const std::string& address : addresses)
    if (!IsLoopback(address)) site->schedulers.push_back(address);
}

}  // namespace

absl::StatusOr<SiteConfig> SiteOfConsole(const ConsoleConfig& config) {
  SiteConfig site;
  site.fleet_id = config.fleet_id;
  AddReachable({config.scheduler}, &site);
  DRAGNET_ASSIGN_OR_RETURN(site.ca_certificates, ReadFile(config.ca_file));
  DRAGNET_ASSIGN_OR_RETURN(site.root_keys, LoadRootKeys(config));
  return site;
}

absl::StatusOr<SiteConfig> SiteOfKit(const std::string& directory) {
  const std::string path = directory + "/agent.toml";
  DRAGNET_ASSIGN_OR_RETURN(ConfigFile file, ConfigFile::Load(path));
  SiteConfig site;
  site.fleet_id = file.RequiredString("fleet_id");
  const std::vector<std::string> schedulers = file.StringList("schedulers");
  const std::string ca_file = file.RequiredPath("ca_file");
  ConsoleConfig roots;
  roots.path = path;
  roots.root_keys = file.PathList("root_keys");
  roots.root_threshold = static_cast<uint32_t>(file.Integer("root_threshold", 1, 1, 32));
  // Of a kit that is started where it lies; a package has its own.
  file.Path("state_dir", "");
  const std::string token_file = file.Path("enrolment_token_file", "");
  site.tags = file.StringMap("tags");
  if (const absl::Status status = file.Finish(); !status.ok()) {
    return absl::InvalidArgumentError(
        StrCat(status.message(),
               " (what dragnet-scheduler init didn't write is given by flags: "
               "--setting, --proxy, --upgrade, --release-group)"));
  }
  AddReachable(schedulers, &site);
  DRAGNET_ASSIGN_OR_RETURN(site.ca_certificates, ReadFile(ca_file));
  DRAGNET_ASSIGN_OR_RETURN(site.root_keys, LoadRootKeys(roots));
  if (!token_file.empty()) {
    absl::StatusOr<std::string> token = ReadSecretFile(token_file, kMaxToken);
    if (!token.ok() && !absl::IsNotFound(token.status())) return token.status();
    if (token.ok()) site.token = std::string(absl::StripAsciiWhitespace(*token));
  }
  return site;
}

void TakePolicy(const TrustPolicy& policy, SiteConfig* site) {
  site->root_keys = policy.roots();
  if (policy.proto().ca_certificates().empty()) return;
  site->ca_certificates.clear();
  for (const std::string& der : policy.proto().ca_certificates()) site->ca_certificates += Pem(der);
}

}  // namespace dragnet::console
