#include "scheduler/settings_cluster.h"

#include <libpq-fe.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/open_store.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxNameBytes = 63;
constexpr size_t kMaxBusServers = 16;

std::string HostName() {
  char name[256] = {};
  if (::gethostname(name, sizeof(name) - 1) != 0) return "scheduler";
  return name;
}

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

}  // namespace

bool IsSchedulerName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes &&
         std::all_of(name.begin(), name.end(), IsNameCharacter);
}

namespace {

using ConnectionOptions = std::map<std::string, std::string>;

// Those that the URL sets. As libpq itself reads it, so that nothing can be hidden from
// this by how it is written.
absl::StatusOr<ConnectionOptions> ParseUrl(const std::string& url) {
  char* words = nullptr;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(
      PQconninfoParse(url.c_str(), &words), &PQconninfoFree);
  const std::unique_ptr<char, void (*)(void*)> owned_words(words, &PQfreemem);
  // Its words repeat parts of the URL, and so a password that may be in it.
  const bool may_tell = words != nullptr && url.find('@') == std::string::npos &&
                        url.find("pass") == std::string::npos;
  if (parsed == nullptr)
    return absl::InvalidArgumentError(
        StrCat("is no URL that libpq takes",
               may_tell ? StrCat(": ", ToStd(absl::StripTrailingAsciiWhitespace(words))) : ""));
  ConnectionOptions options;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option)
    if (option->val != nullptr && *option->val != '\0') options[option->keyword] = option->val;
  return options;
}

bool IsSocket(std::string_view host) { return host.starts_with('/') || host.starts_with('@'); }

// nats://HOST:PORT, and nothing else: no user, no password, no path.
bool IsBusServer(std::string_view url) {
  constexpr std::string_view kScheme = "nats://";
  if (!url.starts_with(kScheme)) return false;
  url.remove_prefix(kScheme.size());
  const size_t colon = url.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  std::string_view host = url.substr(0, colon);
  const std::string port(url.substr(colon + 1));
  const bool ip6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (ip6) host = host.substr(1, host.size() - 2);
  const auto allowed = [ip6](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' ||
           (ip6 ? c == ':' : c == '_');
  };
  int number = 0;
  return std::all_of(host.begin(), host.end(), allowed) &&
         std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         absl::SimpleAtoi(port, &number) && number > 0 && number < 65536;
}

void ReadStore(ConfigFile* file, Settings* settings) {
  const std::string text = file->RequiredString("store");
  if (!IsPostgresUrl(text)) {
    // As a path it would become a file of this name.
    if (text.find("://") != std::string::npos)
      return file->Refuse("store", "must be a file, or begin with postgresql://");
    settings->store = file->RequiredPath("store");
    return;
  }
  if (const absl::Status status = CheckPostgresUrl(text); !status.ok())
    return file->Refuse("store", ToStd(status.message()));
  settings->store = text;
}

void ReadBus(ConfigFile* file, Settings* settings) {
  settings->bus = file->StringList("bus");
  settings->bus_ca = file->Path("bus_ca", "");
  settings->bus_certificate = file->Path("bus_certificate", "");
  settings->bus_key = file->Path("bus_key", "");
  settings->bus_replicas = static_cast<int>(file->Integer("bus_replicas", 3, 1, 3));
  settings->bus_max_bytes = static_cast<uint64_t>(
      file->Integer("bus_max_bytes", int64_t{4} << 30, int64_t{16} << 20, int64_t{1} << 44));
  if (settings->bus_replicas == 2)
    file->Refuse("bus_replicas",
                 "must be 1 or 3: of two servers neither may fail, as of one, and it costs twice");
  if (settings->bus.size() > kMaxBusServers)
    file->Refuse("bus", StrCat("at most ", kMaxBusServers, " servers"));
  for (const std::string& server : settings->bus) {
    if (!IsBusServer(server))
      file->Refuse("bus",
                   "must be a list of servers such as \"nats://n1.example.org:4222\"; who "
                   "connects is said by bus_certificate, never by a password here");
  }
  if (settings->bus.empty()) {
    for (const char* key : {"bus_ca", "bus_certificate", "bus_key"})
      if (!file->String(key, "").empty()) file->Refuse(key, "there is no bus that it could be for");
    return;
  }
  for (const char* key : {"bus_ca", "bus_certificate", "bus_key"})
    if (file->String(key, "").empty())
      file->Refuse(key, "missing: both sides of the bus show certificates");
  if (!IsPostgresUrl(settings->store))
    file->Refuse("bus",
                 "needs store = \"postgresql://…\": schedulers that share a bus share a "
                 "store, and a file has one scheduler (docs/cluster.md)");
}

}  // namespace

absl::Status CheckPostgresUrl(const std::string& url) {
  DRAGNET_ASSIGN_OR_RETURN(ConnectionOptions options, ParseUrl(url));
  for (const char* secret : {"password", "sslpassword"}) {
    if (options.contains(secret))
      return absl::InvalidArgumentError(
          StrCat("has a ", secret,
                 " in it, which everyone who sees this file would have: use a client certificate "
                 "(sslcert=…&sslkey=…), or passfile=…"));
  }
  if (options.contains("service"))
    return absl::InvalidArgumentError("service: say here where the servers are");
  // It goes before the host, also before a socket, for which no TLS is asked.
  if (options.contains("hostaddr"))
    return absl::InvalidArgumentError("hostaddr: name its hosts, whose certificates are checked");
  // GSSAPI would encrypt in place of TLS, and check no certificate.
  if (options.contains("gssencmode") && options["gssencmode"] != "disable")
    return absl::InvalidArgumentError("gssencmode: only disable; TLS is what encrypts");
  const std::vector<std::string> hosts = absl::StrSplit(options["host"], ',');
  bool remote = false;
  for (const std::string& host : hosts) {
    if (host.empty())
      return absl::InvalidArgumentError(
          "name its hosts: postgresql://db1.example.org,db2.example.org/dragnet?…");
    remote = remote || !IsSocket(host);
  }
  if (remote && options["sslmode"] != "verify-full")
    return absl::InvalidArgumentError(
        "needs sslmode=verify-full: else whoever is between reads and changes what it stores");
  if (hosts.size() > 1 && options["target_session_attrs"] != "read-write" &&
      options["target_session_attrs"] != "primary")
    return absl::InvalidArgumentError(
        "of several hosts one takes changes: add target_session_attrs=read-write");
  for (const char* file : {"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"}) {
    const auto found = options.find(file);
    if (found != options.end() && !found->second.starts_with('/'))
      return absl::InvalidArgumentError(
          StrCat(file, ": must be an absolute path: it is not looked for beside this file"));
  }
  return absl::OkStatus();
}

std::string DefaultSchedulerName(std::string_view host, std::string_view listen) {
  const std::string port = StrCat("-", listen.substr(listen.rfind(':') + 1));
  std::string name = absl::AsciiStrToLower(std::string(host));
  for (char& c : name)
    if (!IsNameCharacter(c)) c = '-';
  return StrCat(name.substr(0, kMaxNameBytes - std::min(port.size(), kMaxNameBytes - 1)), port);
}

void ReadCluster(ConfigFile* file, Settings* settings) {
  ReadStore(file, settings);
  ReadBus(file, settings);
  settings->scheduler_name =
      file->String("scheduler_name", DefaultSchedulerName(HostName(), settings->listen));
  if (!IsSchedulerName(settings->scheduler_name))
    file->Refuse("scheduler_name", StrCat("must be a-z, 0-9 and '-', at most ", kMaxNameBytes,
                                          ", and another one for each scheduler of the cluster"));
  settings->ca_key =
      settings->clustered() ? file->Path("ca_key", "") : file->RequiredPath("ca_key");
}

}  // namespace dragnet::scheduler
