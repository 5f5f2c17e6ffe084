// Commands that SSH runs for whoever logs in: those of authorized keys (sshd(8),
// AUTHORIZED_KEYS FILE FORMAT), rc files, and the server's own (sshd_config(5)).
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "core/strings.h"
#include "modules/persistence/readers.h"
#include "modules/sshkey/key_line.h"

namespace dragnet::persistence {
namespace {

constexpr size_t kMaxKeyFiles = 16;

Finding SshFinding(std::string name, const std::string& path, uint32_t line) {
  Finding finding;
  finding.kind = "ssh";
  finding.name = std::move(name);
  finding.path = path;
  finding.line = line;
  finding.schedule = "login by SSH";
  return finding;
}

// sshd_config's files, and where it looks for keys besides the usual places.
class ServerConfig {
 public:
  ServerConfig(Host& host, Findings& findings) : host_(host), findings_(findings) {}

  void ReadAll() {
    ReadFile("/etc/ssh/sshd_config");
    for (const std::string& name : host_.List("/etc/ssh/sshd_config.d"))
      if (name.ends_with(".conf")) ReadFile(Join("/etc/ssh/sshd_config.d", name));
  }

  // Of AuthorizedKeysFile, with %h and the like.
  const std::vector<std::string>& key_files() const { return key_files_; }

 private:
  void ReadFile(const std::string& path) {
    const std::optional<std::string> text = host_.Read(path);
    std::string match;
    ForEachLine(text.value_or(""), [&](std::string_view line, uint32_t number) {
      line = Trim(line);
      if (line.empty() || line.front() == '#') return true;
      const size_t end = line.find_first_of(" \t=");
      const std::string keyword = absl::AsciiStrToLower(ToAbsl(line.substr(0, end)));
      std::string_view value = end == std::string_view::npos ? "" : Trim(line.substr(end));
      if (value.starts_with('=')) value = Trim(value.substr(1));
      if (keyword == "match") {
        match = Text(value);
      } else if (keyword == "authorizedkeysfile") {
        while (!value.empty() && key_files_.size() < kMaxKeyFiles) {
          const std::string_view file = TakeWord(&value);
          if (file != "none" && file.size() < 2048) key_files_.emplace_back(file);
        }
      } else if (keyword == "authorizedkeyscommand" || keyword == "authorizedprincipalscommand" ||
                 keyword == "forcecommand" || keyword == "subsystem") {
        Finding finding = SshFinding("sshd", path, number);
        finding.directive = keyword;
        finding.command = std::string(value);
        finding.user = keyword == "forcecommand" || keyword == "subsystem" ? "*" : "";
        if (!match.empty()) finding.schedule = StrCat("login by SSH, match ", match);
        if (value != "none") findings_.Add(std::move(finding));
      }
      return findings_.has_room();
    });
  }

  Host& host_;
  Findings& findings_;
  std::vector<std::string> key_files_;
};

void ReadKeys(Host& host, Findings& findings, const std::string& path, const std::string& user) {
  const std::optional<std::string> text = host.Read(path);
  ForEachLine(text.value_or(""), [&](std::string_view line, uint32_t number) {
    // Most keys have no options at all.
    if (absl::AsciiStrToLower(ToAbsl(line)).find("command") == std::string::npos) return true;
    const std::optional<sshkey::KeyLine> key = sshkey::ParseKeyLine(line);
    if (!key) {
      if (!sshkey::IsBlankLine(line))
        host.Note("line that isn't an authorized key", StrCat(path, ":", number));
      return true;
    }
    for (std::string_view option : key->options) {
      constexpr std::string_view kCommand = "command=";
      if (!absl::StartsWithIgnoreCase(ToAbsl(option), ToAbsl(kCommand))) continue;
      Finding finding = SshFinding(key->key.sha256, path, number);
      finding.directive = "command";
      finding.command = std::string(option.substr(kCommand.size()));
      finding.user = user;
      findings.Add(std::move(finding));
    }
    return findings.has_room();
  });
}

void AddRc(Host& host, Findings& findings, const std::string& path, const std::string& user) {
  struct stat status;
  if (!host.Status(path, &status)) return;
  if (!S_ISREG(status.st_mode)) {
    host.Note("not a regular file", path);
    return;
  }
  Finding finding = SshFinding("rc", path, 0);
  finding.directive = "rc";
  finding.command = path;
  finding.user = user;
  findings.Add(std::move(finding));
}

}  // namespace

void ReadSsh(Host& host, Findings& findings) {
  ServerConfig config(host, findings);
  config.ReadAll();
  AddRc(host, findings, "/etc/ssh/sshrc", "*");
  std::vector<std::string> shared;
  for (const Account& account : host.Accounts()) {
    std::vector<std::string> files = {".ssh/authorized_keys", ".ssh/authorized_keys2"};
    for (const std::string& file : config.key_files()) {
      std::string path = absl::StrReplaceAll(
          file,
          {{"%%", "%"}, {"%h", account.home.empty() ? "/" : account.home}, {"%u", account.name}});
      if (std::find(files.begin(), files.end(), path) == files.end())
        files.push_back(std::move(path));
    }
    for (const std::string& file : files) {
      const bool is_absolute = file.starts_with('/');
      const std::string path = is_absolute ? file : Join(account.home, file);
      // One file for all accounts is read once.
      if (is_absolute && file.find(account.name) == std::string::npos) {
        if (std::find(shared.begin(), shared.end(), path) != shared.end()) continue;
        shared.push_back(path);
        ReadKeys(host, findings, path, "*");
      } else {
        ReadKeys(host, findings, path, account.name);
      }
    }
    AddRc(host, findings, Join(account.home, ".ssh/rc"), account.name);
  }
}

}  // namespace dragnet::persistence
