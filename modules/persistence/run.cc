#include "modules/persistence/run.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/file/filters.h"
#include "modules/partial_text.h"
#include "modules/persistence/facts.h"
#include "modules/persistence/finding.h"
#include "modules/persistence/host.h"
#include "modules/persistence/owners.h"
#include "modules/persistence/readers.h"
#include "modules/pkg/root.h"

namespace dragnet::persistence {
namespace {

constexpr size_t kMaxPrograms = 8;
constexpr size_t kMaxPath = 4095;

struct Reader {
  void (*read)(Host&, Findings&);
  // Of what it finds; the second may be empty.
  std::string_view kinds[2];
};
constexpr Reader kReaders[] = {{ReadSystemd, {"systemd_unit", "systemd_timer"}},
                               {ReadSystemdGenerators, {"systemd_generator", ""}},
                               {ReadCron, {"cron", ""}},
                               {ReadAt, {"at", ""}},
                               {ReadInit, {"init", ""}},
                               {ReadPreload, {"ld_preload", ""}},
                               {ReadLoaderPath, {"ld_path", ""}},
                               {ReadKernelModules, {"kernel_module", ""}},
                               {ReadUdev, {"udev", ""}},
                               {ReadPam, {"pam", ""}},
                               {ReadShellProfiles, {"shell_profile", ""}},
                               {ReadSsh, {"ssh", ""}},
                               {ReadMotd, {"motd", ""}},
                               {ReadNetworkHooks, {"network_hook", ""}},
                               {ReadPackageHooks, {"package_hook", ""}},
                               {ReadAutostart, {"xdg_autostart", ""}}};

// The absolute paths that are written in a command, in quotes or not.
std::vector<std::string> PathsIn(std::string_view command) {
  std::vector<std::string> paths;
  constexpr std::string_view kEnds = " \t\r\n\"'`;|&<>(){}=,!@:+-";
  constexpr std::string_view kStops = " \t\r\n\"'`;|&<>(){},";
  for (size_t at = 0; at < command.size() && paths.size() < kMaxPrograms; ++at) {
    if (command[at] != '/') continue;
    // A path's own slashes aren't its beginning.
    if (at > 0 && kEnds.find(command[at - 1]) == std::string_view::npos) continue;
    const std::string_view rest = command.substr(at);
    std::string path(rest.substr(0, rest.find_first_of(kStops)));
    at += path.size();
    if (path.size() > 1 && path.size() <= kMaxPath &&
        std::find(paths.begin(), paths.end(), path) == paths.end())
      paths.push_back(std::move(path));
  }
  return paths;
}

class SearchRun {
 public:
  SearchRun(const Search& search, const pkg::Root& root, RunContext& context)
      : search_(search),
        root_(root),
        context_(context),
        host_(root, context),
        findings_(context),
        facts_(host_),
        owners_(host_) {}

  void Run() {
    for (const Reader& reader : kReaders)
      if (search_.Wants(reader.kinds[0]) || search_.Wants(reader.kinds[1]))
        reader.read(host_, findings_);
    std::vector<Finding>& all = findings_.all();
    std::erase_if(all, [&](const Finding& finding) { return !MayHold(finding); });
    for (Finding& finding : all) CollectPrograms(finding);
    FindOwners();
    for (const Finding& finding : all)
      if (context_.stopping() || !Emit(finding)) return;
  }

 private:
  // What needs neither the file nor its owner.
  bool MayHold(const Finding& finding) const {
    if (!search_.Wants(finding.kind) || (search_.enabled && !finding.enabled)) return false;
    if (search_.HoldsCommand(finding.command)) return true;
    // Behind its end there may be what is looked for.
    if (IsCut(finding.command))
      context_.NoteUnexamined("a command over 2 KiB, of which only the beginning is looked at",
                              Text(finding.path));
    return false;
  }

  // Keeps of what is run what is there.
  void CollectPrograms(Finding& finding) {
    for (std::string& path : PathsIn(finding.command)) {
      // What PAM's modules are given is as often a configuration as a program.
      if (finding.kind == "pam" && !host_.IsExecutable(path)) continue;
      if (path != finding.path) finding.programs.push_back(std::move(path));
    }
    std::vector<std::string> there;
    for (std::string& path : finding.programs) {
      struct stat status;
      const bool is_new = std::find(there.begin(), there.end(), path) == there.end();
      if (there.size() < kMaxPrograms && is_new && host_.Status(path, &status) &&
          (S_ISREG(status.st_mode) || finding.kind == "ld_path"))
        there.push_back(std::move(path));
    }
    finding.programs = std::move(there);
  }

  void FindOwners() {
    if (findings_.all().empty()) return;
    for (const Finding& finding : findings_.all()) {
      if (!finding.path.empty()) WantOwner(finding.path);
      for (const std::string& program : finding.programs) WantOwner(program);
    }
    owners_.Find(search_.verify);
    if (!owners_.has_packages())
      context_.NoteUnexamined("no database of packages: owners aren't known", root_.path());
  }

  void WantOwner(const std::string& path) {
    owners_.Want(host_.RealPath(path));
    // A packaged link belongs to the package, too.
    owners_.Want(path);
  }

  std::string_view PackageOf(const std::string& path) {
    const std::string_view package = owners_.PackageOf(host_.RealPath(path));
    if (!package.empty()) return package;
    // A link that somebody else's file stands behind is not the package's doing.
    return host_.RealPath(path) == path ? owners_.PackageOf(path) : std::string_view();
  }

  bool Emit(const Finding& finding) {
    v1::PersistenceRow row;
    SetWhat(finding, row);
    if (!SetFile(finding, row)) return true;
    SetPrograms(finding, row);
    if (search_.unowned && !(IsUnowned(finding, row) || row.unowned_programs_size() > 0))
      return true;
    if (search_.world_writable && !row.world_writable()) return true;
    if (search_.no_text) {
      // What is withheld is no empty text: a check that asks for it must not pass.
      for (std::string* text : {row.mutable_command(), row.mutable_schedule()})
        if (!text->empty()) *text = kWithheld;
      for (auto* list : {row.mutable_programs(), row.mutable_unowned_programs()}) {
        if (list->empty()) continue;
        list->Clear();
        *list->Add() = kWithheld;
      }
    }
    return context_.EmitRow(row);
  }

  void SetWhat(const Finding& finding, v1::PersistenceRow& row) {
    row.set_kind(std::string(finding.kind));
    row.set_name(finding.name);
    row.set_path(Text(finding.path));
    row.set_line(finding.line);
    row.set_directive(finding.directive);
    row.set_command(finding.command);
    row.set_user(finding.user);
    row.set_schedule(finding.schedule);
    row.set_enabled(finding.enabled);
    row.set_state(finding.state);
    row.set_activates(finding.activates);
    for (const std::string& taint : finding.taints) row.add_taints(taint);
    if (!root_.is_host()) row.set_root(Text(root_.path()));
  }

  // False when the file wasn't changed since the time that is asked for.
  bool SetFile(const Finding& finding, v1::PersistenceRow& row) {
    if (finding.path.empty()) return !search_.changed_since;
    const FileFacts& facts = facts_.Of(finding.path);
    row.set_package(std::string(PackageOf(finding.path)));
    if (search_.verify) row.set_altered(std::string(owners_.IsAltered(facts.real)));
    if (facts.real != finding.path) row.set_link(Text(facts.real));
    SetWritable(finding.path, facts, row);
    if (!facts.exists) return !search_.changed_since;
    row.set_sha256(facts.sha256);
    row.set_uid(facts.status.st_uid);
    row.set_gid(facts.status.st_gid);
    row.set_mode(file::ModeString(facts.status.st_mode));
    SetTime(facts.status.st_mtim, row.mutable_mtime());
    SetTime(facts.status.st_ctim, row.mutable_ctime());
    if (!finding.pattern.empty() && host_.IsRegular(finding.pattern))
      row.set_altered(facts_.Of(finding.pattern).sha256 == facts.sha256 ? "no" : "yes");
    return !search_.changed_since ||
           search_.changed_since->Holds(absl::TimeFromTimespec(facts.status.st_mtim), now_) ||
           search_.changed_since->Holds(absl::TimeFromTimespec(facts.status.st_ctim), now_);
  }

  void SetPrograms(const Finding& finding, v1::PersistenceRow& row) {
    for (const std::string& program : finding.programs) {
      const std::string real = host_.RealPath(program);
      if (finding.kind != "ld_path") {
        row.add_programs(Text(program));
        if (owners_.has_packages() && PackageOf(program).empty())
          row.add_unowned_programs(Text(program));
      }
      SetWritable(real, row);
    }
  }

  // A link that anybody can replace is as good as the file that it leads to.
  void SetWritable(const std::string& path, const FileFacts& facts, v1::PersistenceRow& row) {
    SetWritable(facts.real, row);
    if (facts.real == path) return;
    const std::string above = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
    SetWritable(host_.RealPath(above), row);
  }

  void SetWritable(const std::string& real, v1::PersistenceRow& row) {
    if (row.world_writable()) return;
    const std::string& writable = facts_.WritableBy(real);
    row.set_world_writable(!writable.empty());
    row.set_writable_path(Text(writable));
  }

  static void SetTime(const struct timespec& time, google::protobuf::Timestamp* into) {
    // Protobuf's timestamps are of the years 1 to 9999.
    into->set_seconds(std::clamp<int64_t>(time.tv_sec, -62135596800, 253402300799));
    into->set_nanos(static_cast<int32_t>(time.tv_nsec));
  }

  bool IsUnowned(const Finding& finding, const v1::PersistenceRow& row) const {
    // In a container the kernel's modules are the host's: noted, not suspected.
    if (finding.path.empty() && finding.state != "loaded") return false;
    return row.package().empty();
  }

  const Search& search_;
  const pkg::Root& root_;
  RunContext& context_;
  Host host_;
  Findings findings_;
  Facts facts_;
  Owners owners_;
  const absl::Time now_ = absl::Now();
};

}  // namespace

absl::Status RunSearch(const Search& search, RunContext& context) {
  DRAGNET_ASSIGN_OR_RETURN(const pkg::Root root, pkg::Root::Open(search.root));
  SearchRun(search, root, context).Run();
  return absl::OkStatus();
}

}  // namespace dragnet::persistence
