// What the dynamic loader is told (ld.so(8), ldconfig(8)).
#include <string>
#include <utility>

#include "core/strings.h"
#include "modules/persistence/readers.h"

namespace dragnet::persistence {

void ReadPreload(Host& host, Findings& findings) {
  const std::string path = "/etc/ld.so.preload";
  const std::optional<std::string> text = host.Read(path);
  ForEachLine(text.value_or(""), [&](std::string_view line, uint32_t number) {
    line = line.substr(0, line.find('#'));
    while (!line.empty()) {
      // Libraries are parted by blanks or colons.
      const std::string_view library = line.substr(0, line.find_first_of(" \t\r:"));
      line.remove_prefix(std::min(library.size() + 1, line.size()));
      if (library.empty()) continue;
      Finding finding;
      finding.kind = "ld_preload";
      finding.name = std::string(BaseName(library));
      finding.path = path;
      finding.line = number;
      finding.command = std::string(library);
      finding.user = "*";
      finding.schedule = "every program";
      if (library.starts_with('/') && library.size() < 4096) finding.programs.emplace_back(library);
      findings.Add(std::move(finding));
      if (!findings.has_room()) return false;
    }
    return true;
  });
}

void ReadLoaderPath(Host& host, Findings& findings) {
  std::vector<std::string> paths = {"/etc/ld.so.conf"};
  for (const std::string& name : host.List("/etc/ld.so.conf.d"))
    if (name.ends_with(".conf")) paths.push_back(Join("/etc/ld.so.conf.d", name));
  for (const std::string& path : paths) {
    const std::optional<std::string> text = host.Read(path);
    ForEachLine(text.value_or(""), [&](std::string_view line, uint32_t number) {
      std::string_view directory = Trim(line.substr(0, line.find('#')));
      if (directory.empty()) return true;
      Finding finding;
      finding.kind = "ld_path";
      if (directory.starts_with("include ") || directory.starts_with("hwcap ")) {
        // Of other places than the usual one it is worth a row.
        finding.directive = std::string(TakeWord(&directory));
        if (directory == "/etc/ld.so.conf.d/*.conf" || directory == "ld.so.conf.d/*.conf")
          return true;
      }
      finding.name = std::string(BaseName(path));
      finding.path = path;
      finding.line = number;
      finding.command = std::string(directory);
      if (directory.starts_with('/') && directory.size() < 4096)
        finding.programs.emplace_back(directory);
      finding.user = "*";
      finding.schedule = "every program";
      findings.Add(std::move(finding));
      return findings.has_room();
    });
  }
}

}  // namespace dragnet::persistence
