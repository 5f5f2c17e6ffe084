// Scripts of System V's init and of OpenRC, rc.local and inittab(5).
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "modules/persistence/readers.h"

namespace dragnet::persistence {
namespace {

constexpr const char* kScripts[] = {"/etc/init.d", "/etc/rc.d/init.d"};
// Runlevels' links are in one of these.
constexpr const char* kLevelParents[] = {"/etc", "/etc/rc.d"};
constexpr const char* kLevels[] = {"S", "0", "1", "2", "3", "4", "5", "6"};
constexpr const char* kNoScripts[] = {"README", "functions", "functions.sh", "skeleton"};

// Of a script by where it really is: the levels that start it.
using Levels = std::map<std::string, std::string>;

void ReadLevels(Host& host, Findings& findings, Levels* levels) {
  std::vector<std::pair<dev_t, ino_t>> seen;
  for (const char* parent : kLevelParents) {
    for (const char* level : kLevels) {
      const std::string directory = StrCat(parent, "/rc", level, ".d");
      if (!host.IsNewDirectory(directory, &seen)) continue;
      for (const std::string& name : host.List(directory)) {
        const std::string path = Join(directory, name);
        if (name.size() < 4 || (name[0] != 'S' && name[0] != 'K')) continue;
        std::string target;
        if (host.root().ReadLink(path, &target)) {
          // K stops what is started in other levels.
          std::string& said = (*levels)[host.RealPath(path)];
          if (name[0] == 'S') StrAppend(&said, said.empty() ? "runlevels " : " ", level);
          continue;
        }
        // A script of its own, in no init.d.
        if (!host.IsRegular(path)) {
          host.Note("not a regular file", path);
          continue;
        }
        Finding finding;
        finding.kind = "init";
        finding.name = name.substr(3);
        finding.path = finding.command = path;
        finding.user = "root";
        finding.schedule = StrCat("runlevels ", level);
        finding.enabled = host.IsExecutable(path);
        if (!finding.enabled) finding.state = "not executable";
        findings.Add(std::move(finding));
      }
    }
  }
  for (const std::string& level : host.List("/etc/runlevels")) {
    const std::string directory = Join("/etc/runlevels", level);
    for (const std::string& name : host.List(directory)) {
      std::string& said = (*levels)[host.RealPath(Join(directory, name))];
      StrAppend(&said, said.empty() ? "runlevels " : " ", Text(level));
    }
  }
}

void AddScript(Host& host, Findings& findings, const std::string& path, std::string name,
               std::string schedule, bool linked) {
  Finding finding;
  finding.kind = "init";
  finding.name = std::move(name);
  finding.path = finding.command = path;
  finding.user = "root";
  finding.schedule = std::move(schedule);
  finding.enabled = linked && host.IsExecutable(path);
  if (!finding.enabled) finding.state = linked ? "not executable" : "disabled";
  findings.Add(std::move(finding));
}

// ID:RUNLEVELS:ACTION:PROCESS
void ReadInittab(Host& host, Findings& findings) {
  const std::optional<std::string> text = host.Read("/etc/inittab");
  ForEachLine(text.value_or(""), [&](std::string_view line, uint32_t number) {
    line = Trim(line);
    if (line.empty() || line.front() == '#') return true;
    const std::vector<absl::string_view> fields =
        absl::StrSplit(ToAbsl(line), absl::MaxSplits(':', 3));
    if (fields.size() != 4) {
      host.Note("line that isn't inittab's", StrCat("/etc/inittab:", number));
      return true;
    }
    const std::string_view command = Trim(ToStd(fields[3]));
    if (command.empty()) return true;
    Finding finding;
    finding.kind = "init";
    finding.name = std::string(fields[0]);
    finding.path = "/etc/inittab";
    finding.line = number;
    finding.directive = std::string(fields[2]);
    finding.command = std::string(command);
    finding.user = "root";
    finding.schedule = fields[1].empty() ? "boot" : StrCat("runlevels ", fields[1]);
    finding.enabled = fields[2] != "off";
    if (!finding.enabled) finding.state = "disabled";
    findings.Add(std::move(finding));
    return findings.has_room();
  });
}

}  // namespace

void ReadInit(Host& host, Findings& findings) {
  Levels levels;
  ReadLevels(host, findings, &levels);
  std::vector<std::pair<dev_t, ino_t>> seen;
  for (const char* directory : kScripts) {
    if (!host.IsNewDirectory(directory, &seen)) continue;
    for (const std::string& name : host.List(directory)) {
      const std::string path = Join(directory, name);
      struct stat status;
      if (std::find(std::begin(kNoScripts), std::end(kNoScripts), name) != std::end(kNoScripts) ||
          !host.Status(path, &status) || S_ISDIR(status.st_mode))
        continue;
      if (!S_ISREG(status.st_mode)) {
        host.Note("not a regular file", path);
        continue;
      }
      const auto level = levels.find(host.RealPath(path));
      const std::string when = level == levels.end() ? "" : level->second;
      AddScript(host, findings, path, name, when, !when.empty());
      if (level != levels.end()) levels.erase(level);
    }
  }
  // Links that lead elsewhere than to init.d.
  for (const auto& [path, when] : levels)
    if (!when.empty() && host.IsRegular(path))
      AddScript(host, findings, path, std::string(BaseName(path)), when, true);
  seen.clear();
  for (const char* directory : {"/etc", "/etc/rc.d"}) {
    if (!host.IsNewDirectory(directory, &seen)) continue;
    for (const char* name : {"rc.local", "boot.local", "rc.sysinit"}) {
      const std::string path = Join(directory, name);
      std::string target;
      // /etc/rc.local leads to /etc/rc.d/rc.local on some.
      if (host.root().ReadLink(path, &target) && host.RealPath(path) == Join("/etc/rc.d", name))
        continue;
      struct stat status;
      if (!host.Status(path, &status)) continue;
      if (S_ISREG(status.st_mode)) {
        AddScript(host, findings, path, name, "boot", true);
      } else {
        host.Note("not a regular file", path);
      }
    }
  }
  Finding more;
  more.kind = "init";
  more.user = "root";
  more.schedule = "boot";
  AddScripts(host, findings, "/etc/local.d", more);
  ReadInittab(host, findings);
}

}  // namespace dragnet::persistence
