#include "modules/netstat/namespaces.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_split.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/netstat/proc_files.h"

namespace dragnet::netstat {
namespace {

constexpr size_t kMaxMountinfoBytes = 16 * 1024 * 1024;
constexpr size_t kMaxMounted = 4096;

// mountinfo writes space, tab, newline and backslash as three octal digits.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// "blue" of "/run/netns/blue"; empty when it isn't in such a directory.
std::string NameOfPath(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || !path.substr(0, slash).ends_with("/netns")) return "";
  return ToValidUtf8(path.substr(slash + 1));
}

// Adds the namespaces that are mounted and not yet `found`; the names of all.
absl::flat_hash_map<uint64_t, std::string> AddMounted(uint64_t own,
                                                      std::vector<FoundNamespace>* found,
                                                      RunContext& context) {
  absl::flat_hash_map<uint64_t, std::string> names;
  const auto mountinfo = ReadProcFile(AT_FDCWD, "/proc/thread-self/mountinfo", kMaxMountinfoBytes);
  if (!mountinfo) {
    context.NoteUnexamined(StrCat("mounted network namespaces: ", std::strerror(errno)),
                           "/proc/thread-self/mountinfo");
    return names;
  }
  if (mountinfo->size() == kMaxMountinfoBytes) {
    context.NoteUnexamined("mounted network namespaces: mountinfo is longer than 16 MiB",
                           "/proc/thread-self/mountinfo");
  }
  absl::flat_hash_set<uint64_t> seen = {own};
  for (const FoundNamespace& each : *found) seen.insert(each.inode);
  for (const MountedNamespace& mounted : MountedNamespaces(*mountinfo)) {
    if (std::string name = NameOfPath(mounted.path); !name.empty())
      names.try_emplace(mounted.inode, std::move(name));
    if (seen.contains(mounted.inode)) continue;
    UniqueFd fd = OpenNamespace(AT_FDCWD, mounted.path.c_str());
    struct stat info = {};
    if (!fd.valid() || ::fstat(fd.get(), &info) != 0) {
      if (!IsGone(errno)) {
        context.NoteUnexamined(StrCat("mounted network namespaces: ", std::strerror(errno)),
                               mounted.path);
      }
      continue;
    }
    if (!seen.insert(info.st_ino).second) continue;
    found->push_back({info.st_ino, std::move(fd), mounted.path});
  }
  return names;
}

void OpenSockets(std::string_view where, NetworkNamespace* space, RunContext& context) {
  const auto open = [&](int protocol, std::optional<NetlinkSocket>* socket) {
    auto opened = NetlinkSocket::Open(protocol);
    if (opened.ok()) {
      *socket = *std::move(opened);
    } else {
      context.NoteUnexamined(StrCat("network namespaces: ", opened.status().message()), where);
    }
  };
  open(NETLINK_ROUTE, &space->route);
  open(NETLINK_SOCK_DIAG, &space->sock_diag);
  // They stay those of the namespace in which they were opened.
  space->raw_text.Reset(::open("/proc/thread-self/net/raw", O_RDONLY | O_CLOEXEC));
  space->raw6_text.Reset(::open("/proc/thread-self/net/raw6", O_RDONLY | O_CLOEXEC));
}

}  // namespace

absl::StatusOr<uint64_t> OwnNamespace() {
  struct stat info;
  if (::stat("/proc/thread-self/ns/net", &info) != 0)
    return ErrnoStatus("stat /proc/thread-self/ns/net", errno);
  return info.st_ino;
}

std::vector<MountedNamespace> MountedNamespaces(std::string_view mountinfo) {
  std::vector<MountedNamespace> mounted;
  for (absl::string_view line : absl::StrSplit(ToAbsl(mountinfo), '\n')) {
    // "ID PARENT DEVICE ROOT MOUNT-POINT …", for such a mount with root net:[INODE].
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(' ', 5));
    if (fields.size() != 6 || mounted.size() >= kMaxMounted) continue;
    if (const auto inode = InodeOfLink(ToStd(fields[3]), "net"))
      mounted.push_back({*inode, Unescape(ToStd(fields[4]))});
  }
  return mounted;
}

absl::StatusOr<std::vector<NetworkNamespace>> EnterNamespaces(std::vector<FoundNamespace> found,
                                                              bool only_host, RunContext& context) {
  DRAGNET_ASSIGN_OR_RETURN(const uint64_t own, OwnNamespace());
  std::vector<NetworkNamespace> spaces(1);
  spaces[0].inode = own;
  spaces[0].is_host = true;
  spaces[0].name = "host";
  OpenSockets("host", &spaces[0], context);
  if (only_host) return spaces;

  const auto names = AddMounted(own, &found, context);
  std::thread([&] {
    for (FoundNamespace& each : found) {
      const UniqueFd fd = std::move(each.fd);
      if (each.inode == own) continue;
      if (::setns(fd.get(), CLONE_NEWNET) != 0) {
        context.NoteUnexamined(StrCat("network namespaces: enter: ", std::strerror(errno)),
                               StrCat("net:[", each.inode, "] of ", each.where));
        continue;
      }
      NetworkNamespace space;
      space.inode = each.inode;
      const auto name = names.find(each.inode);
      space.name = name != names.end() ? name->second : StrCat("net:[", each.inode, "]");
      OpenSockets(space.name, &space, context);
      spaces.push_back(std::move(space));
    }
  }).join();
  return spaces;
}

absl::Status DropNamespacePrivilege() {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0)
    return ErrnoStatus("ask for this thread's capabilities", errno);
  constexpr uint32_t kBit = CAP_TO_MASK(CAP_SYS_ADMIN);
  auto& word = data[CAP_TO_INDEX(CAP_SYS_ADMIN)];
  if (((word.effective | word.permitted | word.inheritable) & kBit) == 0) return absl::OkStatus();
  word.effective &= ~kBit;
  word.permitted &= ~kBit;
  word.inheritable &= ~kBit;
  if (::syscall(SYS_capset, &header, data) != 0) return ErrnoStatus("give up CAP_SYS_ADMIN", errno);
  return absl::OkStatus();
}

}  // namespace dragnet::netstat
