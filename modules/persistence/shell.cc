// Files that shells read when they start, of the system and in homes: bash(1),
// zsh(1), csh(1), fish(1), and what X sessions read like them.
#include <string>
#include <utility>

#include "core/strings.h"
#include "modules/persistence/readers.h"

namespace dragnet::persistence {
namespace {

constexpr const char* kSystem[] = {
    "/etc/profile",     "/etc/bash.bashrc", "/etc/bashrc",           "/etc/bash.bash_logout",
    "/etc/environment", "/etc/zshenv",      "/etc/zprofile",         "/etc/zshrc",
    "/etc/zlogin",      "/etc/zlogout",     "/etc/zsh/zshenv",       "/etc/zsh/zprofile",
    "/etc/zsh/zshrc",   "/etc/zsh/zlogin",  "/etc/zsh/zlogout",      "/etc/csh.cshrc",
    "/etc/csh.login",   "/etc/csh.logout",  "/etc/csh/login",        "/etc/csh/cshrc",
    "/etc/ksh.kshrc",   "/etc/mkshrc",      "/etc/fish/config.fish", "/etc/suid_profile"};
constexpr const char* kSystemDirectories[] = {"/etc/profile.d", "/etc/fish/conf.d",
                                              "/etc/X11/Xsession.d", "/etc/skel"};
constexpr const char* kOfUsers[] = {".bashrc",          ".bash_profile",
                                    ".bash_login",      ".bash_logout",
                                    ".bash_aliases",    ".profile",
                                    ".zshenv",          ".zprofile",
                                    ".zshrc",           ".zlogin",
                                    ".zlogout",         ".cshrc",
                                    ".tcshrc",          ".login",
                                    ".logout",          ".kshrc",
                                    ".mkshrc",          ".shrc",
                                    ".environment",     ".xprofile",
                                    ".xinitrc",         ".xsession",
                                    ".xsessionrc",      ".inputrc",
                                    ".pam_environment", ".config/fish/config.fish"};

void AddProfile(Host& host, Findings& findings, const std::string& path, const std::string& user,
                bool of_user, std::string_view name) {
  struct stat status;
  if (!host.Status(path, &status)) {
    // One that leads in circles, or that must not be looked at, is not one that isn't there.
    if (errno != ENOENT && errno != ENOTDIR) host.Note("can't be looked at", path);
    return;
  }
  if (S_ISDIR(status.st_mode)) return;
  if (!S_ISREG(status.st_mode)) {
    host.Note("not a regular file", path);
    return;
  }
  Finding finding;
  finding.kind = "shell_profile";
  finding.name = std::string(name);
  finding.path = path;
  finding.user = user;
  finding.schedule = "login or new shell";
  if (of_user) finding.pattern = Join("/etc/skel", name);
  if (IsPutAside(BaseName(path)) && !of_user && !path.starts_with("/etc/skel/")) {
    finding.enabled = false;
    finding.state = "ignored";
  }
  findings.Add(std::move(finding));
}

}  // namespace

void ReadShellProfiles(Host& host, Findings& findings) {
  for (const char* path : kSystem) AddProfile(host, findings, path, "*", false, BaseName(path));
  for (const char* directory : kSystemDirectories)
    for (const std::string& name : host.List(directory))
      AddProfile(host, findings, Join(directory, name), "*", false, name);
  for (const Account& account : host.Accounts()) {
    for (const char* name : kOfUsers)
      AddProfile(host, findings, Join(account.home, name), account.name, true, name);
    const std::string fish = Join(account.home, ".config/fish/conf.d");
    for (const std::string& name : host.List(fish))
      AddProfile(host, findings, Join(fish, name), account.name, true,
                 StrCat(".config/fish/conf.d/", name));
  }
}

}  // namespace dragnet::persistence
