// PAM's configuration (pam.conf(5)): which modules a program lets decide.
#include <string>
#include <utility>
#include <vector>

#include "core/strings.h"
#include "modules/persistence/readers.h"

namespace dragnet::persistence {
namespace {

// Where modules without a path are. Debian has a directory for each architecture.
std::vector<std::string> ModuleDirectories(Host& host) {
  std::vector<std::string> directories = {"/usr/lib64/security", "/lib64/security",
                                          "/usr/lib/security", "/lib/security"};
  for (const char* parent : {"/usr/lib", "/lib"})
    for (const std::string& name : host.List(parent))
      if (name.find("-linux-") != std::string::npos)
        directories.push_back(StrCat(parent, "/", name, "/security"));
  return directories;
}

struct PamLine {
  std::string_view type;
  std::string_view control;
  // With its arguments.
  std::string_view module;
};

// [-]TYPE CONTROL MODULE [ARGUMENTS…]; control may be [VALUE=ACTION …]. False when
// it isn't one, or includes other files.
bool ParsePamLine(std::string_view line, PamLine* parsed) {
  parsed->type = TakeWord(&line);
  if (parsed->type.starts_with('-')) parsed->type.remove_prefix(1);
  if (line.starts_with('[')) {
    const size_t end = line.find(']');
    if (end == std::string_view::npos) return false;
    parsed->control = line.substr(0, end + 1);
    line = Trim(line.substr(end + 1));
  } else {
    parsed->control = TakeWord(&line);
  }
  parsed->module = line;
  return !line.empty();
}

class PamReader {
 public:
  PamReader(Host& host, Findings& findings)
      : host_(host), findings_(findings), directories_(ModuleDirectories(host)) {}

  // `service` is empty where lines begin with it.
  void ReadFile(const std::string& path, const std::string& service, bool ignored) {
    const std::optional<std::string> text = host_.Read(path);
    std::string joined;
    uint32_t begins = 0;
    ForEachLine(text.value_or(""), [&](std::string_view line, uint32_t number) {
      line = Trim(line.substr(0, line.find('#')));
      if (begins == 0) begins = number;
      const bool goes_on = line.ends_with('\\');
      joined.append(goes_on ? line.substr(0, line.size() - 1) : line);
      if (goes_on) {
        joined.push_back(' ');
        return true;
      }
      AddLine(joined, path, service, begins, ignored);
      joined.clear();
      begins = 0;
      return findings_.has_room();
    });
    if (!joined.empty()) AddLine(joined, path, service, begins, ignored);
  }

 private:
  void AddLine(std::string_view line, const std::string& path, const std::string& service,
               uint32_t number, bool ignored) {
    line = Trim(line);
    if (line.empty() || line.starts_with('@')) return;
    std::string name = service;
    if (name.empty()) name = std::string(TakeWord(&line));
    PamLine parsed;
    if (!ParsePamLine(line, &parsed)) {
      host_.Note("line that isn't of PAM's form", StrCat(path, ":", number));
      return;
    }
    if (parsed.control == "include" || parsed.control == "substack") return;
    Finding finding;
    finding.kind = "pam";
    finding.name = std::move(name);
    finding.path = path;
    finding.line = number;
    finding.directive = std::string(parsed.type);
    finding.command = std::string(parsed.module);
    finding.user = "root";
    finding.schedule = StrCat(parsed.type, " ", parsed.control);
    if (ignored) {
      finding.enabled = false;
      finding.state = "ignored";
    }
    std::string_view rest = parsed.module;
    const std::string_view module = TakeWord(&rest);
    const std::string file = FileOf(module);
    if (!file.empty()) finding.programs.push_back(file);
    findings_.Add(std::move(finding));
  }

  std::string FileOf(std::string_view module) {
    if (module.size() > 255) return {};
    if (module.starts_with('/')) return std::string(module);
    for (const std::string& directory : directories_) {
      std::string path = Join(directory, module);
      if (host_.IsRegular(path)) return path;
    }
    return {};
  }

  Host& host_;
  Findings& findings_;
  const std::vector<std::string> directories_;
};

}  // namespace

void ReadPam(Host& host, Findings& findings) {
  PamReader reader(host, findings);
  for (const char* directory : {"/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d"})
    for (const std::string& name : host.List(directory))
      reader.ReadFile(Join(directory, name), name, IsPutAside(name));
  // It is read only where there is no directory.
  struct stat status;
  reader.ReadFile("/etc/pam.conf", "", host.Status("/etc/pam.d", &status));
}

}  // namespace dragnet::persistence
