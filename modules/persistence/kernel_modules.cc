// Modules of the kernel: those that are loaded at boot (modules-load.d(5),
// modules(5)), what modprobe runs in their place (modprobe.d(5)), and those that are
// loaded now.
#include "modules/persistence/kernel_modules.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/strings.h"
#include "modules/persistence/readers.h"

namespace dragnet::persistence {
namespace {

constexpr size_t kMaxModuleList = 8 << 20;

// The files of directories of which an earlier one's files hide those of the same
// name in later ones; with whether it is hidden.
template <typename Take>
void ForEachFile(Host& host, std::initializer_list<const char*> directories, Take take) {
  std::vector<std::pair<dev_t, ino_t>> seen;
  std::map<std::string, bool> names;
  for (const char* directory : directories) {
    if (!host.IsNewDirectory(directory, &seen)) continue;
    for (const std::string& name : host.List(directory)) {
      if (!name.ends_with(".conf")) continue;
      take(Join(directory, name), !names.emplace(name, true).second);
    }
  }
}

void ReadNames(Host& host, Findings& findings, const std::string& path, bool hidden) {
  const std::optional<std::string> text = host.Read(path);
  ForEachLine(text.value_or(""), [&](std::string_view line, uint32_t number) {
    line = Trim(line);
    if (line.empty() || line.front() == '#' || line.front() == ';') return true;
    Finding finding;
    finding.kind = "kernel_module";
    finding.path = path;
    finding.line = number;
    finding.directive = "load";
    finding.command = std::string(line);
    finding.name = std::string(TakeWord(&line));
    finding.user = "root";
    finding.schedule = "boot";
    finding.enabled = !hidden;
    if (hidden) finding.state = "overridden";
    findings.Add(std::move(finding));
    return findings.has_room();
  });
}

// install and remove lines have a command that is run instead.
void ReadCommands(Host& host, Findings& findings, const std::string& path, bool hidden) {
  const std::optional<std::string> text = host.Read(path);
  ForEachLine(text.value_or(""), [&](std::string_view line, uint32_t number) {
    const std::string_view directive = TakeWord(&line);
    if (directive != "install" && directive != "remove") return true;
    Finding finding;
    finding.kind = "kernel_module";
    finding.path = path;
    finding.line = number;
    finding.directive = std::string(directive);
    finding.name = std::string(TakeWord(&line));
    finding.command = std::string(line);
    finding.user = "root";
    finding.schedule = directive == "install" ? "loading the module" : "removing the module";
    finding.enabled = !hidden;
    if (hidden) finding.state = "overridden";
    findings.Add(std::move(finding));
    return findings.has_room();
  });
}

// By name: the file, seen from the root.
std::map<std::string, std::string> ReadModuleFiles(Host& host, const std::string& directory) {
  std::map<std::string, std::string> files;
  const std::optional<std::string> text = host.Read(Join(directory, "modules.dep"), kMaxModuleList);
  ForEachLine(text.value_or(""), [&](std::string_view line, uint32_t) {
    const std::string_view file = line.substr(0, line.find(':'));
    std::string name = ModuleOfFile(file);
    if (!name.empty() && file.size() < 2048)
      files.emplace(std::move(name),
                    file.starts_with('/') ? std::string(file) : Join(directory, file));
    return true;
  });
  return files;
}

void ReadLoaded(Host& host, Findings& findings) {
  // An image has no modules loaded; a kernel without modules has no list.
  if (!host.root().is_host() || !host.IsRegular("/proc/modules")) return;
  const std::optional<std::string> loaded = host.Read("/proc/modules");
  const std::optional<std::string> release = host.Read("/proc/sys/kernel/osrelease");
  if (!loaded || loaded->empty() || !release) return;
  AddLoadedModules(host, findings, *loaded,
                   std::string_view(*release).substr(0, release->find('\n')));
}

}  // namespace

std::optional<LoadedModule> ParseLoadedModule(std::string_view line) {
  // NAME SIZE USERS USED-BY STATE ADDRESS [(TAINTS)]
  LoadedModule module;
  module.name = TakeWord(&line);
  for (int i = 0; i < 4; ++i)
    if (TakeWord(&line).empty()) return std::nullopt;
  TakeWord(&line);
  if (!line.starts_with('(') || !line.ends_with(')')) return module;
  // Documentation/admin-guide/tainted-kernels.rst; + and - are being loaded and
  // removed.
  for (char c : line.substr(1, line.size() - 2)) {
    switch (c) {
      case 'P':
        module.taints.emplace_back("proprietary");
        break;
      case 'O':
        module.taints.emplace_back("out_of_tree");
        break;
      case 'F':
        module.taints.emplace_back("forced");
        break;
      case 'C':
        module.taints.emplace_back("staging");
        break;
      case 'E':
        module.taints.emplace_back("unsigned");
        break;
      case 'X':
        module.taints.emplace_back("auxiliary");
        break;
      case 'N':
        module.taints.emplace_back("test");
        break;
      case 'K':
        module.taints.emplace_back("livepatch");
        break;
      default:
        break;
    }
    if (module.taints.size() == 16) break;
  }
  return module;
}

std::string ModuleOfFile(std::string_view path) {
  std::string name(BaseName(path));
  for (std::string_view end : {".xz", ".gz", ".zst"})
    if (name.ends_with(end)) name.resize(name.size() - end.size());
  if (!name.ends_with(".ko")) return {};
  name.resize(name.size() - 3);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

void AddLoadedModules(Host& host, Findings& findings, std::string_view list,
                      std::string_view release) {
  const std::string directory = StrCat("/lib/modules/", release);
  struct stat status;
  const bool has_files = host.Status(directory, &status);
  // As in a container. The modules are there, but whose they are isn't known.
  if (!has_files) host.Note("the running kernel's modules aren't in this file system", directory);
  const std::map<std::string, std::string> files =
      has_files ? ReadModuleFiles(host, directory) : std::map<std::string, std::string>();
  ForEachLine(list, [&](std::string_view line, uint32_t number) {
    std::optional<LoadedModule> module = ParseLoadedModule(line);
    if (!module) {
      host.Note("line that isn't of the list of modules", StrCat("/proc/modules:", number));
      return true;
    }
    Finding finding;
    finding.kind = "kernel_module";
    finding.name = std::string(module->name);
    finding.directive = "loaded";
    finding.state = "loaded";
    finding.taints = std::move(module->taints);
    const auto file = files.find(finding.name);
    if (file != files.end()) finding.path = file->second;
    if (!has_files) finding.state = "loaded, files not here";
    findings.Add(std::move(finding));
    return findings.has_room();
  });
}

void ReadKernelModules(Host& host, Findings& findings) {
  // /usr/lib/modules-load.d/modules.conf or that of /etc leads to /etc/modules.
  ForEachFile(host,
              {"/etc/modules-load.d", "/run/modules-load.d", "/usr/local/lib/modules-load.d",
               "/usr/lib/modules-load.d", "/lib/modules-load.d"},
              [&](const std::string& path, bool hidden) {
                if (host.RealPath(path) != "/etc/modules") ReadNames(host, findings, path, hidden);
              });
  for (const char* path : {"/etc/modules", "/etc/initramfs-tools/modules"})
    ReadNames(host, findings, path, false);
  ForEachFile(
      host,
      {"/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d",
       "/lib/modprobe.d"},
      [&](const std::string& path, bool hidden) { ReadCommands(host, findings, path, hidden); });
  ReadLoaded(host, findings);
}

}  // namespace dragnet::persistence
