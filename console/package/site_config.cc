#include "console/package/site_config.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "core/certificate.h"
#include "core/config.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr size_t kMaxSchedulers = 16;
constexpr size_t kMaxTags = 64;
constexpr size_t kMaxTagBytes = 256;
constexpr size_t kMaxSettings = 32;
constexpr size_t kMaxSettingBytes = 1024;

absl::Status Wrong(std::string_view flag, std::string_view value, std::string_view problem) {
  return absl::InvalidArgumentError(StrCat(flag, ": \"", ForTerminal(value), "\" ", problem));
}

bool IsAlphanumeric(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

bool IsHost(std::string_view host) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    return host.find(':') != std::string_view::npos &&
           host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
  }
  return !host.empty() && host.size() <= 253 && IsAlphanumeric(host.front()) &&
         std::all_of(host.begin(), host.end(),
                     [](char c) { return IsAlphanumeric(c) || c == '-' || c == '.' || c == '_'; });
}

bool IsAddress(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view port = address.substr(colon + 1);
  uint32_t number = 0;
  return !port.empty() && port.size() <= 5 &&
         port.find_first_not_of("0123456789") == std::string_view::npos &&
         absl::SimpleAtoi(ToAbsl(port), &number) && number >= 1 && number <= 65535 &&
         IsHost(address.substr(0, colon));
}

bool HasCredentials(std::string_view proxy) { return proxy.find('@') != std::string_view::npos; }

absl::Status CheckProxy(std::string_view proxy) {
  constexpr std::string_view kScheme = "http://";
  // Without the value, which may hold a password.
  const absl::Status wrong = absl::InvalidArgumentError(
      "--proxy: not of the form http://[user:password@]host:port, in ASCII without spaces");
  if (!proxy.starts_with(kScheme) || proxy.size() > 1024) return wrong;
  for (const char c : proxy)
    if (c <= ' ' || c == 0x7f || static_cast<unsigned char>(c) >= 0x80) return wrong;
  proxy.remove_prefix(kScheme.size());
  if (const size_t at = proxy.rfind('@'); at != std::string_view::npos) {
    if (at == 0) return wrong;
    proxy.remove_prefix(at + 1);
  }
  if (proxy.ends_with('/')) proxy.remove_suffix(1);
  return IsAddress(proxy) ? absl::OkStatus() : wrong;
}

absl::Status CheckTags(const std::map<std::string, std::string>& tags) {
  if (tags.size() > kMaxTags) return absl::InvalidArgumentError("--agent-tag: at most 64");
  for (const auto& [key, value] : tags) {
    if (key.empty() || key.size() > kMaxTagBytes || value.size() > kMaxTagBytes ||
        ForTerminal(key) != key || ForTerminal(value) != value)
      return Wrong("--agent-tag", StrCat(key, "=", value),
                   "is not KEY=VALUE, each up to 256 bytes of text that can be shown");
  }
  return absl::OkStatus();
}

// Reads what is in `file` as the agent does, by the same names and bounds.
void ReadSettings(ConfigFile& file) {
  for (const SettingRule& rule : SettingRules()) {
    switch (rule.kind) {
      case SettingRule::Kind::kBool:
        file.Bool(rule.key, false);
        break;
      case SettingRule::Kind::kInteger:
        file.Integer(rule.key, rule.minimum, rule.minimum, rule.maximum);
        break;
      case SettingRule::Kind::kDuration:
        file.Duration(rule.key, absl::Seconds(rule.minimum), absl::Seconds(rule.minimum),
                      absl::Seconds(rule.maximum));
        break;
      case SettingRule::Kind::kText:
        file.String(rule.key, "");
        break;
    }
  }
}

absl::Status CheckSetting(const std::string& setting) {
  if (setting.size() > kMaxSettingBytes || ForTerminal(setting) != setting)
    return Wrong("--setting", setting, "is not one line of text");
  const size_t start = setting.find_first_not_of(' ');
  if (start == std::string::npos || setting[start] == '[' || setting[start] == '#' ||
      setting.find('=') == std::string::npos)
    return Wrong("--setting", setting, "is not of the form key = value");
  absl::StatusOr<ConfigFile> file = ConfigFile::Parse(setting, "--setting");
  if (!file.ok()) return file.status();
  ReadSettings(*file);
  absl::Status status = file->Finish();
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      StrCat(status.message(), " (\"", setting,
             "\"). A setting is one of docs/agent-toml.md that has no flag of its own here and is "
             "the same on every host"));
}

std::string List(const std::vector<std::string>& values) {
  std::string list = "[";
  for (const std::string& value : values)
    StrAppend(&list, list.size() == 1 ? "" : ", ", TomlString(value));
  return list + "]";
}

std::string RootKeyName(size_t index) { return StrCat("root-", index + 1, ".pub"); }

}  // namespace

const std::vector<SettingRule>& SettingRules() {
  using Kind = SettingRule::Kind;
  constexpr int64_t kDay = 24 * 3600;
  static const std::vector<SettingRule> rules = {
      {"link_user", Kind::kText},
      {"worker_user", Kind::kText},
      {"trial_time", Kind::kDuration, 10, 3600},
      {"confirm_time", Kind::kDuration, 1, 3600},
      {"privacy", Kind::kBool},
      {"allow_missing_walls", Kind::kBool},
      {"spool_bytes", Kind::kInteger, 1 << 20, int64_t{1} << 40},
      {"spool_min_free_bytes", Kind::kInteger, 0, int64_t{1} << 40},
      {"limits.wall_time", Kind::kDuration, 1, kDay},
      {"limits.cpu_time", Kind::kDuration, 1, kDay},
      {"limits.memory_bytes", Kind::kInteger, 64 << 20, int64_t{64} << 30},
      {"limits.rows", Kind::kInteger, 1, 1'000'000'000},
      {"limits.result_bytes", Kind::kInteger, 4096, int64_t{64} << 30},
      {"limits.cpu_share_percent", Kind::kInteger, 1, 6400},
      {"limits.cpu_share_percent_total", Kind::kInteger, 1, 102400},
      {"limits.workers", Kind::kInteger, 1, 16},
  };
  return rules;
}

absl::Status CheckScheduler(std::string_view address) {
  if (IsAddress(address)) return absl::OkStatus();
  return Wrong("--scheduler", address, "is not host:port, e.g. dragnet.example.org:7443");
}

bool IsLoopback(std::string_view address) {
  const std::string_view host = address.substr(0, address.rfind(':'));
  return host == "localhost" || host.starts_with("127.") || host == "[::1]";
}

absl::Status CheckToken(std::string_view token) {
  if (!token.empty() && token.size() <= 256 &&
      token.find_first_not_of("0123456789abcdef") == std::string_view::npos)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      "enrolment token: not one that a scheduler gives out (up to 256 lower-case hex digits)");
}

std::string TomlString(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      quoted += absl::StrFormat("\\u%04X", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

absl::Status CheckSite(const SiteConfig& site) {
  if (!IsFleetId(site.fleet_id)) return Wrong("fleet_id", site.fleet_id, "is not a fleet's id");
  if (site.schedulers.empty() || site.schedulers.size() > kMaxSchedulers)
    return absl::InvalidArgumentError(
        "--scheduler: give 1 to 16 addresses at which hosts reach a scheduler");
  for (const std::string& address : site.schedulers)
    DRAGNET_RETURN_IF_ERROR(CheckScheduler(address));
  DRAGNET_RETURN_IF_ERROR(
      Annotate(ParseCertificate(site.ca_certificates).status(), "the fleet's CA certificate"));
  // A private key would go to every host.
  if (site.ca_certificates.find("PRIVATE KEY") != std::string::npos)
    return absl::InvalidArgumentError("the fleet's CA certificate: the file holds a private key");
  if (site.root_keys.keys().empty()) return absl::InvalidArgumentError("root keys: none");
  DRAGNET_RETURN_IF_ERROR(CheckToken(site.token));
  DRAGNET_RETURN_IF_ERROR(CheckTags(site.tags));
  if (!site.proxy.empty()) DRAGNET_RETURN_IF_ERROR(CheckProxy(site.proxy));
  if (!site.release_group.empty() && !IsInvestigatorName(site.release_group))
    return Wrong("--release-group", site.release_group,
                 "is not 1 to 64 of a-z 0-9 . _ -, starting with a letter or digit");
  if (site.settings.size() > kMaxSettings)
    return absl::InvalidArgumentError("--setting: at most 32");
  for (const std::string& setting : site.settings) DRAGNET_RETURN_IF_ERROR(CheckSetting(setting));
  // All together, for keys that are given twice.
  return Annotate(ConfigFile::Parse(AgentToml(site), "agent.toml").status(),
                  "what would be written");
}

std::string AgentToml(const SiteConfig& site) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < site.root_keys.keys().size(); ++i) keys.push_back(RootKeyName(i));
  std::string toml = StrCat(
      "# Configuration of dragnet-agent for the fleet ", site.fleet_id,
      ", made by dragnet package.\n"
      "# Every key is in docs/agent-toml.md; relative paths start from this file.\n"
      "fleet_id = ",
      TomlString(site.fleet_id), "\n\n# Tried in turn.\nschedulers = ", List(site.schedulers),
      "\nca_file = \"ca.pem\"\n");
  if (!site.proxy.empty()) {
    StrAppend(&toml, "\n# Schedulers are reached through it; TLS passes through.\nproxy = ",
              TomlString(site.proxy), "\n");
  }
  StrAppend(&toml,
            "\n# Pinned: who may say who may order what. Changing them makes the agent forget its "
            "policy.\nroot_keys = ",
            List(keys), "\nroot_threshold = ", site.root_keys.threshold(),
            "\n\n# Used once, on the first start; the file may be removed afterwards.\n"
            "enrolment_token_file = \"enrolment.token\"\n");
  StrAppend(&toml,
            "\n# Who puts another version in place: \"self\", when an action of the fleet says so, "
            "or\n# \"package-manager\".\nupgrade = ",
            site.upgrade_by_package_manager ? "\"package-manager\"" : "\"self\"", "\n");
  if (!site.release_group.empty())
    StrAppend(&toml, "release_group = ", TomlString(site.release_group), "\n");
  if (!site.settings.empty()) StrAppend(&toml, "\n");
  for (const std::string& setting : site.settings) StrAppend(&toml, setting, "\n");
  StrAppend(&toml, "\n# Facts that targets can ask for, e.g. tags->>'env' = 'prod'\n[tags]\n");
  if (site.tags.empty()) StrAppend(&toml, "# env = \"prod\"\n");
  for (const auto& [key, value] : site.tags)
    StrAppend(&toml, TomlString(key), " = ", TomlString(value), "\n");
  return toml;
}

absl::StatusOr<std::string> RootKeyText(const PublicKey& key) {
  if (!key.security_key().has_value()) return key.ToPem();
  if (key.security_key()->user_verification)
    return absl::InvalidArgumentError(StrCat(
        "root key ", key.id(),
        ": asks for its user's verification, which no key file can say: hosts can't pin it"));
  // "…@openssh.com" is the first text of what is in the line.
  const std::string blob = key.ToSshBlob();
  size_t length = 0;
  for (size_t i = 0; i < 4 && i < blob.size(); ++i)
    length = length << 8 | static_cast<unsigned char>(blob[i]);
  if (blob.size() < 4 + length) return absl::InternalError("a key without its type");
  return StrCat(blob.substr(4, length), " ", absl::Base64Escape(blob), "\n");
}

absl::StatusOr<std::vector<PackageFile>> SiteFiles(const SiteConfig& site, int64_t modified) {
  DRAGNET_RETURN_IF_ERROR(CheckSite(site));
  std::vector<PackageFile> files;
  files.push_back({.path = "etc/dragnet",
                   .type = PackageFile::Type::kDirectory,
                   .mode = 0755,
                   .modified = modified});
  const auto add = [&](std::string_view path, std::string content, mode_t mode) {
    files.push_back({.path = std::string(path),
                     .mode = mode,
                     .content = std::move(content),
                     .modified = modified});
  };
  add("etc/dragnet/agent.toml", AgentToml(site), HasCredentials(site.proxy) ? 0600 : 0644);
  add("etc/dragnet/ca.pem", site.ca_certificates, 0644);
  for (size_t i = 0; i < site.root_keys.keys().size(); ++i) {
    DRAGNET_ASSIGN_OR_RETURN(std::string text, RootKeyText(site.root_keys.keys()[i]));
    // As the agent will read it.
    absl::StatusOr<PublicKey> again = PublicKey::FromText(text);
    if (!again.ok() || again->spki() != site.root_keys.keys()[i].spki() ||
        again->security_key() != site.root_keys.keys()[i].security_key())
      return absl::InternalError("a root key that doesn't read back as itself");
    add(StrCat("etc/dragnet/", RootKeyName(i)), std::move(text), 0644);
  }
  add(kTokenPath, site.token + "\n", 0600);
  return files;
}

}  // namespace dragnet::console
