// Units of systemd: of the system (systemd.unit(5), "System Unit Search Path") and
// of users ("User Unit Search Path"). What is enabled is told as systemd does it
// at boot: from the targets and the links in .wants, .requires and .upholds along
// what units want, and what timers, sockets and paths trigger. That a target
// itself may never be reached is not looked at: rather one too many.
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "modules/persistence/readers.h"
#include "modules/persistence/unit_file.h"

namespace dragnet::persistence {
namespace {

// A unit file of more commands than this is nobody's; the rest is noted.
constexpr size_t kMaxCommands = 1000;
constexpr size_t kMaxDependencies = 1000;

// The first has precedence.
constexpr const char* kSystemDirectories[] = {
    "/etc/systemd/system.control",   "/run/systemd/system.control",  "/run/systemd/transient",
    "/run/systemd/generator.early",  "/etc/systemd/system",          "/etc/systemd/system.attached",
    "/run/systemd/system",           "/run/systemd/system.attached", "/run/systemd/generator",
    "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",      "/lib/systemd/system",
    "/run/systemd/generator.late"};
constexpr const char* kUserDirectories[] = {"/etc/xdg/systemd/user",
                                            "/etc/systemd/user",
                                            "/run/systemd/user",
                                            "/usr/local/share/systemd/user",
                                            "/usr/share/systemd/user",
                                            "/usr/local/lib/systemd/user",
                                            "/usr/lib/systemd/user",
                                            "/lib/systemd/user",
                                            "/var/lib/flatpak/exports/share/systemd/user"};
// Seen from a home.
constexpr const char* kHomeDirectories[] = {".config/systemd/user.control", ".config/systemd/user",
                                            ".local/share/systemd/user"};
// Seen from /run/user/UID.
constexpr const char* kRuntimeDirectories[] = {"systemd/user.control",    "systemd/transient",
                                               "systemd/generator.early", "systemd/user",
                                               "systemd/generator",       "systemd/generator.late"};

bool IsExec(std::string_view key) {
  for (std::string_view each : {"ExecStart", "ExecStartPre", "ExecStartPost", "ExecCondition",
                                "ExecReload", "ExecStop", "ExecStopPost", "ExecStopPre"})
    if (key == each) return true;
  return false;
}

// Units that start when the one that says so does, or when it fails.
bool StartsOthers(std::string_view key) {
  for (std::string_view each :
       {"Wants", "Requires", "BindsTo", "Upholds", "OnFailure", "OnSuccess", "Sockets"})
    if (key == each) return true;
  return false;
}

bool IsTrigger(const UnitLine& line) {
  return (line.section == "Timer" && line.key.starts_with("On")) ||
         (line.section == "Socket" && line.key.starts_with("Listen")) ||
         (line.section == "Path" &&
          (line.key.starts_with("Path") || line.key == "DirectoryNotEmpty"));
}

std::string_view TypeOf(std::string_view unit) {
  return unit.substr(std::min(unit.rfind('.'), unit.size()));
}

bool IsUnitName(std::string_view name) {
  for (std::string_view type : {".service", ".socket", ".path", ".timer", ".target", ".mount",
                                ".automount", ".swap", ".slice", ".device", ".scope"})
    if (name.ends_with(type) && name.size() > type.size()) return true;
  return false;
}

// getty@tty1.service is made from getty@.service.
std::string TemplateOf(std::string_view unit) {
  const size_t at = unit.find('@');
  if (at == std::string_view::npos) return std::string(unit);
  return StrCat(unit.substr(0, at + 1), TypeOf(unit));
}

struct Command {
  std::string directive;
  std::string text;
  std::string path;
  uint32_t line = 0;
  // By an empty assignment in a later file.
  bool replaced = false;
};

struct UnitFile {
  std::string name;
  std::string path;
  // Empty for the system's and those of all users.
  std::string owner;
  bool overridden = false;
  bool masked = false;
  bool has_install = false;
  // Templates of drop-ins for a whole type or prefix are no units.
  bool exists = true;
  std::vector<Command> commands;
  std::set<std::string> starts;
  std::string user;
  std::string triggers;
  std::string activates;
  // A socket with a service for each connection.
  bool accepts = false;
};

// All units of the system's manager, or of users' managers.
class UnitSet {
 public:
  UnitSet(Host& host, Findings& findings, bool of_users)
      : host_(host), findings_(findings), of_users_(of_users) {}

  // Where a link may lead to and be only another name.
  void Know(const std::string& directory) { known_.insert(host_.RealPath(directory)); }

  // A directory of units; earlier ones of the same owner have precedence.
  void ReadDirectory(const std::string& directory, const std::string& owner) {
    if (!host_.IsNewDirectory(directory, &directories_)) return;
    for (const std::string& name : host_.List(directory)) {
      const std::string path = Join(directory, name);
      if (name.ends_with(".wants") || name.ends_with(".requires") || name.ends_with(".upholds")) {
        ReadLinks(path, name.substr(0, name.rfind('.')));
      } else if (name.ends_with(".d")) {
        const std::string unit = name.substr(0, name.size() - 2);
        // service.d is for all services.
        if (!IsUnitName(unit) && !IsUnitName(StrCat("x.", unit))) continue;
        for (const std::string& part : host_.List(path))
          if (part.ends_with(".conf")) drop_ins_[{owner, unit}].emplace(part, Join(path, part));
      } else if (IsUnitName(name)) {
        ReadUnit(path, name, owner);
      }
    }
  }

  void AddAll() {
    for (const auto& [key, parts] : drop_ins_) ReadDropIns(key.first, key.second, parts);
    FindStarted();
    for (const UnitFile& unit : units_) Add(unit);
  }

 private:
  void ReadLinks(const std::string& directory, const std::string& of) {
    for (const std::string& name : host_.List(directory)) {
      if (!IsUnitName(name)) continue;
      links_[of].insert(name);
      // A link may lead to a unit of another name, or out of all directories.
      std::string target;
      if (host_.root().ReadLink(Join(directory, name), &target))
        links_[of].insert(std::string(BaseName(target)));
    }
  }

  void ReadUnit(const std::string& path, const std::string& name, const std::string& owner) {
    const auto [first, is_first] = first_.emplace(std::pair(owner, name), units_.size());
    UnitFile unit;
    unit.name = name;
    unit.path = path;
    unit.owner = owner;
    unit.overridden = !is_first;
    std::string target;
    const bool is_link = host_.root().ReadLink(path, &target);
    if (is_link) {
      const std::string real = host_.RealPath(path);
      if (target == "/dev/null" || real == "/dev/null") {
        if (is_first) {
          masks_.insert({owner, name});
          first_.erase(first);
        }
        return;
      }
      // Only another name for a unit that is listed itself. (One that leads in
      // circles has no other name.)
      const std::string_view directory = std::string_view(real).substr(0, real.rfind('/'));
      if (real != path && known_.contains(std::string(directory)) && TypeOf(real) == TypeOf(name)) {
        aliases_[name].insert(std::string(BaseName(real)));
        if (is_first) first_.erase(first);
        return;
      }
    }
    const std::optional<std::string> text = host_.Read(path);
    if (!text) {
      if (is_first) first_.erase(first);
      return;
    }
    if (text->empty() && is_first) masks_.insert({owner, name});
    Parse(*text, path, &unit);
    unit.masked = masks_.contains({owner, name});
    if (unit.activates.empty() && TypeOf(name) != ".service")
      unit.activates = StrCat(name.substr(0, name.rfind('.')), unit.accepts ? "@" : "", ".service");
    units_.push_back(std::move(unit));
  }

  void Parse(std::string_view text, const std::string& path, UnitFile* unit) {
    bool told = false;
    ParseUnitFile(text, [&](const UnitLine& line) {
      if (line.section == "Install") {
        unit->has_install = true;
      } else if (IsExec(line.key)) {
        if (line.value.empty()) {
          for (Command& command : unit->commands) command.replaced |= command.directive == line.key;
        } else if (unit->commands.size() < kMaxCommands) {
          unit->commands.push_back(
              {std::string(line.key), Text(line.value), path, line.line, false});
        } else if (!told) {
          told = true;
          host_.Note("more than 1,000 commands in a unit", path);
        }
      } else if (StartsOthers(line.key)) {
        for (absl::string_view name : absl::StrSplit(ToAbsl(line.value), ' ', absl::SkipEmpty()))
          if (unit->starts.size() < kMaxDependencies) unit->starts.insert(Text(ToStd(name)));
      } else if (line.key == "User") {
        unit->user = Text(line.value);
      } else if (line.key == "Unit" || line.key == "Service") {
        unit->activates = Text(line.value);
      } else if (line.key == "Accept") {
        unit->accepts = line.value == "yes" || line.value == "true" || line.value == "1";
      } else if (IsTrigger(line) && unit->triggers.size() < 2048) {
        StrAppend(&unit->triggers, unit->triggers.empty() ? "" : "; ", line.key, "=",
                  Text(line.value));
      }
      return true;
    });
  }

  // Into the unit that they are for, in the order of their names; or, when that
  // isn't there (or is a whole type), as if it were one.
  void ReadDropIns(const std::string& owner, const std::string& name,
                   const std::map<std::string, std::string>& parts) {
    UnitFile* unit = Find(owner, name);
    if (unit == nullptr) {
      UnitFile only;
      only.name = name;
      only.path = parts.begin()->second;
      only.owner = owner;
      only.exists = false;
      units_.push_back(std::move(only));
      unit = &units_.back();
    }
    for (const auto& [part, path] : parts)
      if (const std::optional<std::string> text = host_.Read(path)) Parse(*text, path, unit);
  }

  // A user's drop-ins for a unit of all users are that user's alone.
  UnitFile* Find(const std::string& owner, const std::string& name) {
    const auto found = first_.find({owner, name});
    return found != first_.end() ? &units_[found->second] : nullptr;
  }

  // By any owner: what one user's manager starts is said of the unit.
  std::vector<const UnitFile*> FindAll(const std::string& name) const {
    std::vector<const UnitFile*> found;
    const auto [begin, end] = by_name_.equal_range(name);
    for (auto each = begin; each != end; ++each) found.push_back(&units_[each->second]);
    return found;
  }

  void FindStarted() {
    for (size_t i = 0; i < units_.size(); ++i) by_name_.emplace(units_[i].name, i);
    std::deque<std::string> queue;
    const auto start = [&](const std::string& name, const char* how) {
      if (started_.emplace(name, how).second) queue.push_back(name);
    };
    for (const auto& [of, names] : links_)
      for (const std::string& name : names) start(name, "enabled");
    for (const UnitFile& unit : units_)
      if (TypeOf(unit.name) == ".target" && !unit.overridden) start(unit.name, "linked");
    while (!queue.empty()) {
      const std::string name = std::move(queue.front());
      queue.pop_front();
      const auto alias = aliases_.find(name);
      if (alias != aliases_.end())
        for (const std::string& real : alias->second) start(real, "enabled");
      if (const std::string from = TemplateOf(name); from != name) start(from, "linked");
      for (const UnitFile* unit : FindAll(name)) {
        if (unit->overridden || unit->masked) continue;
        for (const std::string& other : unit->starts) start(other, "linked");
        const std::string_view type = TypeOf(name);
        if (type == ".timer" || type == ".socket" || type == ".path")
          start(unit->activates, "triggered");
      }
    }
  }

  std::string StateOf(const UnitFile& unit) const {
    if (unit.masked || masks_.contains({unit.owner, unit.name})) return "masked";
    if (unit.overridden) return "overridden";
    const auto started = started_.find(unit.name);
    if (started != started_.end()) return started->second;
    // What names no unit that is there is for several, or for one to come.
    if (!unit.exists) return "linked";
    return unit.has_install ? "disabled" : "static";
  }

  std::string UserOf(const UnitFile& unit, std::string_view command) const {
    if (of_users_) return unit.owner.empty() ? "*" : unit.owner;
    if (unit.user.empty() || HasFullPrivileges(command)) return "root";
    return unit.user;
  }

  void Add(const UnitFile& unit) {
    const std::string state = StateOf(unit);
    Finding finding;
    finding.kind = "systemd_unit";
    finding.name = unit.name;
    finding.path = unit.path;
    finding.state = state;
    finding.enabled = state == "enabled" || state == "linked" || state == "triggered";
    const std::string_view type = TypeOf(unit.name);
    if (unit.exists && (type == ".timer" || type == ".socket" || type == ".path")) {
      Finding trigger = finding;
      if (type == ".timer") trigger.kind = "systemd_timer";
      trigger.schedule = unit.triggers;
      trigger.activates = unit.activates;
      const UnitFile* service = nullptr;
      for (const std::string& name : {unit.activates, TemplateOf(unit.activates)})
        for (const UnitFile* each : FindAll(name))
          if (service == nullptr && !each->overridden) service = each;
      if (service != nullptr) {
        for (const Command& command : service->commands) {
          if (command.directive != "ExecStart" || command.replaced) continue;
          trigger.command = command.text;
          trigger.user = UserOf(*service, command.text);
          break;
        }
      }
      findings_.Add(std::move(trigger));
    }
    for (const Command& command : unit.commands) {
      Finding each = finding;
      each.path = command.path;
      each.line = command.line;
      each.directive = command.directive;
      each.command = command.text;
      each.user = UserOf(unit, command.text);
      if (command.replaced) {
        each.enabled = false;
        each.state = "replaced";
      }
      findings_.Add(std::move(each));
    }
  }

  Host& host_;
  Findings& findings_;
  const bool of_users_;
  std::vector<std::pair<dev_t, ino_t>> directories_;
  std::set<std::string> known_;
  std::vector<UnitFile> units_;
  // By owner and name: index of the file that has precedence.
  std::map<std::pair<std::string, std::string>, size_t> first_;
  std::set<std::pair<std::string, std::string>> masks_;
  // By owner and unit: files by their names, as the first directory has them.
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::string>> drop_ins_;
  std::map<std::string, std::set<std::string>> links_;
  std::map<std::string, std::set<std::string>> aliases_;
  std::multimap<std::string, size_t> by_name_;
  // What starts, and why.
  std::map<std::string, std::string> started_;
};

}  // namespace

void ReadSystemd(Host& host, Findings& findings) {
  UnitSet system(host, findings, /*of_users=*/false);
  for (const char* directory : kSystemDirectories) system.Know(directory);
  for (const char* directory : kSystemDirectories) system.ReadDirectory(directory, "");
  system.AddAll();
  UnitSet users(host, findings, /*of_users=*/true);
  for (const char* directory : kUserDirectories) users.Know(directory);
  for (const char* directory : kUserDirectories) users.ReadDirectory(directory, "");
  for (const Account& account : host.Accounts())
    for (const char* directory : kHomeDirectories)
      users.ReadDirectory(Join(account.home, directory), account.name);
  for (const std::string& uid : host.List("/run/user")) {
    const std::string home = Join("/run/user", uid);
    struct stat status;
    if (!host.Status(home, &status)) continue;
    for (const char* directory : kRuntimeDirectories)
      users.ReadDirectory(Join(home, directory), host.NameOf(status.st_uid));
  }
  users.AddAll();
}

void ReadSystemdGenerators(Host& host, Findings& findings) {
  struct Place {
    const char* name;
    const char* when;
  };
  // systemd.generator(7), systemd.environment-generator(7), systemd-shutdown(8),
  // systemd-sleep(8).
  constexpr Place kPlaces[] = {{"system-generators", "boot, daemon-reload"},
                               {"user-generators", "login"},
                               {"system-environment-generators", "boot"},
                               {"user-environment-generators", "login"},
                               {"system-shutdown", "shutdown"},
                               {"system-sleep", "sleep"}};
  std::vector<std::pair<dev_t, ino_t>> seen;
  for (const Place& place : kPlaces) {
    // One in an earlier directory takes the place of those of its name.
    std::set<std::string> names;
    for (const char* parent : {"/run/systemd", "/etc/systemd", "/usr/local/lib/systemd",
                               "/usr/lib/systemd", "/lib/systemd"}) {
      const std::string directory = Join(parent, place.name);
      if (!host.IsNewDirectory(directory, &seen)) continue;
      for (const std::string& name : host.List(directory)) {
        Finding finding;
        finding.kind = "systemd_generator";
        finding.name = name;
        finding.path = finding.command = Join(directory, name);
        finding.directive = place.name;
        finding.schedule = place.when;
        finding.user = std::string_view(place.name).starts_with("user") ? "*" : "root";
        const bool first = names.insert(name).second;
        if (!host.IsRegular(finding.path)) continue;
        finding.enabled = first && host.IsExecutable(finding.path);
        if (!finding.enabled) finding.state = first ? "not executable" : "overridden";
        findings.Add(std::move(finding));
      }
    }
  }
}

}  // namespace dragnet::persistence
