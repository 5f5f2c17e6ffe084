#include "modules/timedrift/host_config.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "modules/ping/endpoint.h"

namespace dragnet::timedrift {
namespace {

constexpr size_t kMaxServers = 16;
constexpr const char* kNtpConf[] = {"/etc/ntp.conf", "/etc/ntpsec/ntp.conf",
                                    "/etc/chrony/chrony.conf", "/etc/chrony.conf"};
constexpr const char* kTimesyncdConf = "/etc/systemd/timesyncd.conf";

std::vector<absl::string_view> Words(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
}

}  // namespace

std::vector<std::string> ServersOfNtpConf(std::string_view text) {
  std::vector<std::string> servers;
  for (absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    const std::vector<absl::string_view> words = Words(line);
    if (words.size() < 2 || (words[0] != "server" && words[0] != "pool")) continue;
    // ntp.conf lets -4 and -6 stand in front.
    const size_t host = words[1] == "-4" || words[1] == "-6" ? 2 : 1;
    if (host < words.size()) servers.emplace_back(words[host]);
  }
  return servers;
}

std::vector<std::string> ServersOfTimesyncdConf(std::string_view text) {
  std::vector<std::string> servers;
  for (absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    const size_t equals = line.find('=');
    if (equals == absl::string_view::npos) continue;
    const std::vector<absl::string_view> key = Words(line.substr(0, equals));
    if (key.size() != 1 || (key[0] != "NTP" && key[0] != "FallbackNTP")) continue;
    for (absl::string_view server : Words(line.substr(equals + 1))) servers.emplace_back(server);
  }
  return servers;
}

std::vector<std::string> ConfiguredServers(RunContext& context) {
  std::vector<std::string> all;
  const auto take = [&](const char* path, auto servers_of) {
    const auto text = ReadFile(path);
    if (text.ok()) {
      for (std::string& server : servers_of(*text)) all.push_back(std::move(server));
    } else if (!absl::IsNotFound(text.status())) {
      context.NoteUnexamined(ToStd(text.status().message()), path);
    }
  };
  for (const char* path : kNtpConf) take(path, ServersOfNtpConf);
  take(kTimesyncdConf, ServersOfTimesyncdConf);
  std::vector<std::string> servers;
  for (std::string& server : all) {
    if (servers.size() == kMaxServers) break;
    const bool is_reference_clock = absl::StartsWith(server, "127.127.");
    if (is_reference_clock || !ping::ParseHostAndPort(server, 123).ok()) continue;
    if (std::find(servers.begin(), servers.end(), server) == servers.end())
      servers.push_back(std::move(server));
  }
  return servers;
}

}  // namespace dragnet::timedrift
