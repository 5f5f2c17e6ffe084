#include "modules/netstat/processes.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/netstat/match.h"
#include "modules/netstat/proc_files.h"

namespace dragnet::netstat {
namespace {

// Bounds of memory, over all processes together.
constexpr size_t kMaxOwners = 2 * 1024 * 1024;
constexpr size_t kMaxTextBytes = 16 * 1024 * 1024;
constexpr size_t kMaxNamespaces = 4096;
// Of one process: what is matched, and what is kept for rows.
constexpr size_t kMaxCmdlineBytes = 64 * 1024;
constexpr size_t kKeptTextBytes = 1024;
constexpr size_t kMaxStatusBytes = 4096;
constexpr size_t kMaxCgroupBytes = 16 * 1024;

// Effective user, the second number of "Uid:" in /proc/PID/status.
std::optional<uint32_t> UidOfStatus(std::string_view status) {
  constexpr std::string_view kKey = "\nUid:\t";
  const size_t at = status.find(kKey);
  if (at == std::string_view::npos) return std::nullopt;
  status.remove_prefix(at + kKey.size());
  const std::vector<absl::string_view> numbers =
      absl::StrSplit(ToAbsl(status.substr(0, status.find('\n'))), '\t');
  return numbers.size() == 4 ? ParseDecimal(ToStd(numbers[1])) : std::nullopt;
}

// Arguments end with NUL each.
std::string CmdlineText(std::string text) {
  while (text.ends_with('\0')) text.pop_back();
  std::replace(text.begin(), text.end(), '\0', ' ');
  return ToValidUtf8(text);
}

}  // namespace

UniqueFd OpenNamespace(int directory, const char* path) {
  // O_PATH first: to open a device or pipe, to which a descriptor's link may lead
  // by now, can have effects.
  const UniqueFd place(::openat(directory, path, O_PATH | O_CLOEXEC));
  if (!place.valid()) return UniqueFd();
  struct statfs system;
  if (::fstatfs(place.get(), &system) != 0) return UniqueFd();
  if (system.f_type != NSFS_MAGIC) {
    errno = ENOENT;
    return UniqueFd();
  }
  const std::string again = StrCat("/proc/self/fd/", place.get());
  return UniqueFd(::open(again.c_str(), O_RDONLY | O_CLOEXEC));
}

std::span<const SocketOwner> ProcessTable::OwnersOf(uint32_t inode) const {
  if (inode == 0) return {};
  const auto begin = std::lower_bound(owners_.begin(), owners_.end(), SocketOwner{inode, 0});
  auto end = begin;
  while (end != owners_.end() && end->inode == inode) ++end;
  return {begin, end};
}

class ProcessScan {
 public:
  ProcessScan(const ScanOptions& options, const std::vector<Search>& searches,
              const UserNames& users, RunContext& context)
      : options_(options),
        searches_(searches),
        users_(users),
        context_(context),
        seen_namespaces_(options.known_namespaces) {}

  ProcessTable Run() {
    const UniqueFd proc = OpenDirectory(AT_FDCWD, options_.proc);
    if (!proc.valid()) {
      Note("processes", options_.proc);
      return std::move(table_);
    }
    std::vector<uint32_t> pids;
    if (!ForEachNumber(proc.get(), [&](uint32_t pid, const char*) { pids.push_back(pid); }))
      Note("processes", options_.proc);
    std::sort(pids.begin(), pids.end());
    for (uint32_t pid : pids) {
      if (context_.stopping()) break;
      ScanProcess(proc.get(), pid);
    }
    std::sort(table_.owners_.begin(), table_.owners_.end());
    // A process has several descriptors of one socket.
    table_.owners_.erase(std::unique(table_.owners_.begin(), table_.owners_.end()),
                         table_.owners_.end());
    return std::move(table_);
  }

 private:
  // The directory, while it is open, stands for this very process: a new one that
  // gets its number isn't reached through it.
  void ScanProcess(int proc, uint32_t pid) {
    const std::string name = StrCat(pid);
    const UniqueFd directory = OpenDirectory(proc, name.c_str());
    if (!directory.valid()) {
      Note("processes", StrCat("process ", pid));
      return;
    }
    if (options_.namespaces) ScanNamespaces(directory.get(), pid);
    const UniqueFd descriptors = OpenDirectory(directory.get(), "fd");
    if (!descriptors.valid()) {
      Note("descriptors of processes", StrCat("process ", pid));
      return;
    }
    ScanDescriptors(directory.get(), descriptors.get(), pid);
  }

  void ScanNamespaces(int directory, uint32_t pid) {
    AddNamespace(directory, "ns/net", pid);
    // setns(2) is a matter of each thread. A link for each thread, and . and ..
    struct stat task;
    if (::fstatat(directory, "task", &task, 0) != 0 || task.st_nlink <= 3) return;
    const UniqueFd tasks = OpenDirectory(directory, "task");
    if (!tasks.valid()) return;
    ForEachNumber(tasks.get(), [&](uint32_t, const char* thread) {
      AddNamespace(tasks.get(), StrCat(thread, "/ns/net").c_str(), pid);
    });
  }

  void AddNamespace(int directory, const char* path, uint32_t pid) {
    struct stat info;
    if (::fstatat(directory, path, &info, 0) != 0) {
      NoteOnce("network namespaces of processes", pid, &noted_namespaces_);
      return;
    }
    if (seen_namespaces_.contains(info.st_ino)) return;
    UniqueFd fd = OpenNamespace(directory, path);
    // It may be another one by now.
    if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
      NoteOnce("network namespaces of processes", pid, &noted_namespaces_);
      return;
    }
    if (table_.namespaces.size() >= kMaxNamespaces) {
      context_.NoteUnexamined("network namespaces beyond 4096", StrCat("process ", pid));
      return;
    }
    if (!seen_namespaces_.insert(info.st_ino).second) return;
    table_.namespaces.push_back({info.st_ino, std::move(fd), StrCat("process ", pid)});
  }

  void ScanDescriptors(int directory, int descriptors, uint32_t pid) {
    const size_t first = table_.owners_.size();
    const auto index = static_cast<uint32_t>(table_.processes.size());
    bool full = false;
    uint64_t examined = 0;
    const bool read = ForEachNumber(descriptors, [&](uint32_t, const char* name) {
      ++examined;
      // Longer ones are no socket.
      char text[64];
      const ssize_t size = ::readlinkat(descriptors, name, text, sizeof text);
      if (size < 0) {
        NoteOnce("descriptors of processes", pid, &noted_descriptors_);
        return;
      }
      const std::string_view link(text, static_cast<size_t>(size));
      if (options_.sockets) {
        const auto inode = InodeOfLink(link, "socket");
        if (inode && *inode <= UINT32_MAX) {
          full = full || table_.owners_.size() >= kMaxOwners;
          if (!full) table_.owners_.push_back({static_cast<uint32_t>(*inode), index});
        }
      }
      if (options_.namespaces && InodeOfLink(link, "net")) AddNamespace(descriptors, name, pid);
    });
    if (!read) NoteOnce("descriptors of processes", pid, &noted_descriptors_);
    if (full) {
      context_.NoteUnexamined("descriptors beyond 2 million: processes of sockets not told",
                              StrCat("process ", pid));
    }
    context_.AddExamined(examined, 0);
    if (table_.owners_.size() > first) table_.processes.push_back(ReadProcess(directory, pid));
  }

  Process ReadProcess(int directory, uint32_t pid) {
    Process process;
    process.pid = pid;
    std::string comm = ReadProcFile(directory, "comm", 64).value_or("");
    if (comm.ends_with('\n')) comm.pop_back();
    process.name = ToValidUtf8(comm);
    const std::string exe = ToValidUtf8(ReadProcLink(directory, "exe").value_or(""));
    const std::string cmdline =
        CmdlineText(ReadProcFile(directory, "cmdline", kMaxCmdlineBytes).value_or(""));
    process.uid = UidOfStatus(ReadProcFile(directory, "status", kMaxStatusBytes).value_or(""));
    process.container =
        ContainerOfCgroup(ReadProcFile(directory, "cgroup", kMaxCgroupBytes).value_or(""));

    const std::string user = process.uid ? users_.NameOf(*process.uid) : "";
    const ProcessView view = {pid,  process.name,     exe, cmdline, process.uid,
                              user, process.container};
    for (size_t i = 0; i < searches_.size(); ++i)
      process.holds[i] = ProcessHolds(searches_[i], view);

    process.exe = Shorten(exe, kKeptTextBytes);
    process.cmdline = Shorten(cmdline, kKeptTextBytes);
    text_bytes_ += process.exe.size() + process.cmdline.size();
    if (text_bytes_ > kMaxTextBytes) {
      // Filters have seen it; only rows lack it.
      process.exe.clear();
      process.cmdline.clear();
      process.exe.shrink_to_fit();
      process.cmdline.shrink_to_fit();
      context_.NoteUnexamined("executables and command lines beyond 16 MiB: not in rows",
                              StrCat("process ", pid));
    }
    return process;
  }

  // What errno says of `what`, unless that has gone.
  void Note(std::string_view what, std::string_view example) {
    const int error = errno;
    if (IsGone(error)) return;
    context_.NoteUnexamined(StrCat(what, ": ", std::strerror(error)), example);
  }

  // As Note, for a process that has many of them.
  void NoteOnce(std::string_view what, uint32_t pid, uint32_t* noted) {
    if (IsGone(errno) || *noted == pid) return;
    *noted = pid;
    Note(what, StrCat("process ", pid));
  }

  const ScanOptions& options_;
  const std::vector<Search>& searches_;
  const UserNames& users_;
  RunContext& context_;
  absl::flat_hash_set<uint64_t> seen_namespaces_;
  size_t text_bytes_ = 0;
  // The process for which it was noted last.
  uint32_t noted_descriptors_ = 0;
  uint32_t noted_namespaces_ = 0;
  ProcessTable table_;
};

ProcessTable ScanProcesses(const ScanOptions& options, const std::vector<Search>& searches,
                           const UserNames& users, RunContext& context) {
  return ProcessScan(options, searches, users, context).Run();
}

}  // namespace dragnet::netstat
