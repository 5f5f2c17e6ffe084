// Programs that udev's rules run when devices come and go.
#include <set>
#include <string>
#include <utility>

#include "core/strings.h"
#include "modules/persistence/readers.h"
#include "modules/persistence/udev_rule.h"

namespace dragnet::persistence {

void ReadUdev(Host& host, Findings& findings) {
  std::vector<std::pair<dev_t, ino_t>> seen;
  // A file hides those of its name in later directories.
  std::set<std::string> names;
  for (const char* directory :
       {"/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d",
        "/usr/lib/udev/rules.d", "/lib/udev/rules.d"}) {
    if (!host.IsNewDirectory(directory, &seen)) continue;
    for (const std::string& name : host.List(directory)) {
      if (!name.ends_with(".rules")) continue;
      const bool hidden = !names.insert(name).second;
      const std::string path = Join(directory, name);
      std::string target;
      if (host.root().ReadLink(path, &target) && target == "/dev/null") continue;
      const std::optional<std::string> text = host.Read(path);
      if (!text) continue;
      const auto take = [&](const UdevProgram& program) {
        Finding finding;
        finding.kind = "udev";
        finding.name = name;
        finding.path = path;
        finding.line = program.line;
        finding.directive = program.directive;
        finding.command = program.command;
        finding.user = "root";
        finding.schedule = program.conditions;
        finding.enabled = !hidden;
        if (hidden) finding.state = "overridden";
        std::string_view rest = program.command;
        const std::string_view word = TakeWord(&rest);
        // Without a slash it is beneath udev's own directory.
        if (!word.empty() && word.find('/') == std::string_view::npos && word.size() < 256)
          finding.programs.push_back(StrCat("/usr/lib/udev/", word));
        findings.Add(std::move(finding));
        return findings.has_room();
      };
      ParseUdevRules(*text, take, [&](uint32_t line) {
        host.Note("line that isn't a rule of udev", StrCat(path, ":", line));
      });
    }
  }
}

}  // namespace dragnet::persistence
