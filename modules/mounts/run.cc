#include "modules/mounts/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/file/open.h"
#include "modules/mounts/tables.h"
#include "modules/netstat/proc_files.h"
#include "modules/partial_text.h"

namespace dragnet::mounts {
namespace {

constexpr int kMaxPaths = 256;
constexpr int kMaxTypes = 64;
constexpr size_t kMaxMountinfoBytes = 16 * 1024 * 1024;
constexpr size_t kMaxFstabBytes = 1024 * 1024;
constexpr int kMaxOptions = 128;
constexpr size_t kMaxTextBytes = 1024;
constexpr size_t kMaxPathBytes = 8192;

std::string RowText(std::string_view bytes, size_t max_bytes = kMaxTextBytes) {
  return Shorten(ToValidUtf8(bytes.substr(0, max_bytes + 16)), max_bytes);
}

// What shows the kernel's state.
bool IsKernels(const std::string& fs_type) {
  static const std::set<std::string, std::less<>> kTypes = {
      "autofs",     "binder",     "binfmt_misc", "bpf",      "cgroup",   "cgroup2", "configfs",
      "cpuset",     "debugfs",    "devpts",      "devtmpfs", "efivarfs", "fusectl", "hugetlbfs",
      "mqueue",     "nfsd",       "nsfs",        "pipefs",   "proc",     "pstore",  "resctrl",
      "rpc_pipefs", "securityfs", "selinuxfs",   "smackfs",  "sockfs",   "sysfs",   "tracefs"};
  return kTypes.contains(fs_type);
}

bool Has(const std::vector<std::string>& options, std::string_view option) {
  return std::find(options.begin(), options.end(), option) != options.end();
}

void Add(const std::vector<std::string>& options,
         google::protobuf::RepeatedPtrField<std::string>* to) {
  for (const std::string& option : options) {
    std::string text = RowText(option);
    if (to->size() > kMaxOptions || std::find(to->begin(), to->end(), text) != to->end()) continue;
    if (to->size() == kMaxOptions) text = kWithheld;
    to->Add(std::move(text));
  }
}

// Where a path of this host leads; the path itself if it isn't there.
std::string Resolve(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  char target[PATH_MAX];
  const ssize_t size =
      fd.valid() ? ::readlink(StrCat("/proc/self/fd/", fd.get()).c_str(), target, sizeof target)
                 : -1;
  if (size <= 0 || target[0] != '/') return path;
  return std::string(target, static_cast<size_t>(size));
}

bool IsBeneath(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

class Tables {
 public:
  Tables(const Places& places, RunContext& context) : places_(places), context_(context) {}

  // False when there are no mounts to tell about.
  bool Read() {
    ReadFstab();
    return ReadMounts();
  }

  void Report(const Search& search) const {
    const auto is_wanted = [&](const std::string& fs_type) {
      if (!search.fs_types.empty() && !search.fs_types.contains(fs_type)) return false;
      return !search.no_kernel || !IsKernels(fs_type);
    };
    if (!search.paths.empty()) {
      for (const std::string& path : search.paths) {
        const Mount* mount = HolderOf(Resolve(path));
        if (mount == nullptr) {
          context_.NoteUnexamined("paths that no mount holds", path);
        } else if (is_wanted(mount->fs_type) && !context_.EmitRow(RowOf(*mount, &path))) {
          return;
        }
      }
      return;
    }
    for (const Mount& mount : mounts_) {
      if (by_point_.at(mount.mount_point) != &mount || !is_wanted(mount.fs_type)) continue;
      if (!context_.EmitRow(RowOf(mount, nullptr))) return;
    }
    for (const FstabEntry& entry : fstab_) {
      // Swap and the like have no mount point.
      if (!entry.mount_point.starts_with('/') || by_point_.contains(entry.mount_point)) continue;
      if (is_wanted(entry.fs_type) && !context_.EmitRow(RowOf(entry))) return;
    }
  }

 private:
  std::optional<std::string> ReadWhole(const char* path, size_t max_bytes) {
    auto text = netstat::ReadProcFile(AT_FDCWD, path, max_bytes);
    if (!text) return text;
    if (text->size() == max_bytes) context_.NoteUnexamined("files that are too long", path);
    context_.AddExamined(0, text->size());
    return text;
  }

  bool ReadMounts() {
    const auto text = ReadWhole(places_.mountinfo, kMaxMountinfoBytes);
    if (!text) {
      context_.NoteUnexamined(StrCat("mounts of process 1: ", file::ErrorWords(errno)),
                              places_.mountinfo);
      return false;
    }
    for (absl::string_view line : absl::StrSplit(ToAbsl(*text), '\n', absl::SkipEmpty())) {
      if (auto mount = ParseMountinfoLine(ToStd(line))) {
        mounts_.push_back(*std::move(mount));
      } else {
        context_.NoteUnexamined("lines that can't be understood", places_.mountinfo);
      }
    }
    context_.AddExamined(mounts_.size(), 0);
    // The last one lies on top.
    for (const Mount& mount : mounts_) by_point_[mount.mount_point] = &mount;
    if (mounts_.empty())
      context_.NoteUnexamined("mounts of process 1: none are told", places_.mountinfo);
    return !mounts_.empty();
  }

  void ReadFstab() {
    const auto text = ReadWhole(places_.fstab, kMaxFstabBytes);
    if (!text) {
      if (errno != ENOENT)
        context_.NoteUnexamined(StrCat("fstab: ", file::ErrorWords(errno)), places_.fstab);
      return;
    }
    uint32_t number = 0;
    for (absl::string_view line : absl::StrSplit(ToAbsl(*text), '\n')) {
      ++number;
      const size_t begin = line.find_first_not_of(" \t\r");
      if (begin == absl::string_view::npos || line[begin] == '#') continue;
      if (auto entry = ParseFstabLine(ToStd(line))) {
        fstab_.push_back(*std::move(entry));
      } else {
        context_.NoteUnexamined("lines that can't be understood",
                                StrCat(places_.fstab, ":", number));
      }
    }
  }

  // The mount that a path is on.
  const Mount* HolderOf(std::string_view path) const {
    const Mount* holder = nullptr;
    for (const auto& [point, mount] : by_point_) {
      if (!IsBeneath(path, point)) continue;
      if (holder == nullptr || point.size() > holder->mount_point.size()) holder = mount;
    }
    return holder;
  }

  void SetFstab(const std::string& mount_point, v1::MountsRow* row) const {
    for (const FstabEntry& entry : fstab_) {
      if (entry.mount_point != mount_point) continue;
      row->set_in_fstab(true);
      Add(entry.options, row->mutable_fstab_options());
    }
  }

  v1::MountsRow RowOf(const Mount& mount, const std::string* path) const {
    v1::MountsRow row;
    row.set_path(RowText(path != nullptr ? *path : mount.mount_point, kMaxPathBytes));
    row.set_mount_point(RowText(mount.mount_point, kMaxPathBytes));
    row.set_is_separate(path == nullptr || Resolve(*path) == mount.mount_point);
    row.set_mounted(true);
    row.set_device(RowText(mount.device));
    row.set_fs_type(RowText(mount.fs_type));
    Add(mount.options, row.mutable_options());
    Add(mount.super_options, row.mutable_options());
    row.set_read_only(Has(mount.options, "ro") || Has(mount.super_options, "ro"));
    row.set_nodev(Has(mount.options, "nodev"));
    row.set_nosuid(Has(mount.options, "nosuid"));
    row.set_noexec(Has(mount.options, "noexec"));
    row.set_root(RowText(mount.root, kMaxPathBytes));
    row.set_device_number(RowText(mount.device_number));
    Add(mount.propagation, row.mutable_propagation());
    SetFstab(mount.mount_point, &row);
    return row;
  }

  v1::MountsRow RowOf(const FstabEntry& entry) const {
    v1::MountsRow row;
    row.set_path(RowText(entry.mount_point, kMaxPathBytes));
    row.set_mount_point(row.path());
    row.set_is_separate(true);
    row.set_device(RowText(entry.device));
    row.set_fs_type(RowText(entry.fs_type));
    row.set_read_only(Has(entry.options, "ro"));
    // mount(8): user and users imply the three, owner and group two of them,
    // unless they are taken back.
    const bool users = Has(entry.options, "user") || Has(entry.options, "users");
    const bool owner = users || Has(entry.options, "owner") || Has(entry.options, "group");
    row.set_nodev(Has(entry.options, "nodev") || (owner && !Has(entry.options, "dev")));
    row.set_nosuid(Has(entry.options, "nosuid") || (owner && !Has(entry.options, "suid")));
    row.set_noexec(Has(entry.options, "noexec") || (users && !Has(entry.options, "exec")));
    SetFstab(entry.mount_point, &row);
    return row;
  }

  const Places& places_;
  RunContext& context_;
  std::vector<Mount> mounts_;
  std::map<std::string, const Mount*> by_point_;
  std::vector<FstabEntry> fstab_;
};

}  // namespace

absl::StatusOr<Search> CompileSearch(const v1::MountsParameters& parameters) {
  if (parameters.paths_size() > kMaxPaths)
    return absl::InvalidArgumentError(StrCat("paths: at most ", kMaxPaths));
  if (parameters.fs_types_size() > kMaxTypes)
    return absl::InvalidArgumentError(StrCat("fs_types: at most ", kMaxTypes));
  Search search;
  for (std::string path : parameters.paths()) {
    if (!path.starts_with('/') || path.size() >= PATH_MAX || path.find('\0') != std::string::npos)
      return absl::InvalidArgumentError(StrCat("paths: '", path, "' is not an absolute path"));
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    search.paths.push_back(std::move(path));
  }
  search.fs_types.insert(parameters.fs_types().begin(), parameters.fs_types().end());
  search.no_kernel = parameters.no_kernel();
  return search;
}

void RunSearch(const Search& search, const Places& places, RunContext& context) {
  Tables tables(places, context);
  if (tables.Read()) tables.Report(search);
}

}  // namespace dragnet::mounts
