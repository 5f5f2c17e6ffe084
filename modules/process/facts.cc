#include "modules/process/facts.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_split.h"
#include "core/strings.h"

namespace dragnet::process {
namespace {

// By number (capability.h).
constexpr std::string_view kCapabilityNames[] = {"chown",
                                                 "dac_override",
                                                 "dac_read_search",
                                                 "fowner",
                                                 "fsetid",
                                                 "kill",
                                                 "setgid",
                                                 "setuid",
                                                 "setpcap",
                                                 "linux_immutable",
                                                 "net_bind_service",
                                                 "net_broadcast",
                                                 "net_admin",
                                                 "net_raw",
                                                 "ipc_lock",
                                                 "ipc_owner",
                                                 "sys_module",
                                                 "sys_rawio",
                                                 "sys_chroot",
                                                 "sys_ptrace",
                                                 "sys_pacct",
                                                 "sys_admin",
                                                 "sys_boot",
                                                 "sys_nice",
                                                 "sys_resource",
                                                 "sys_time",
                                                 "sys_tty_config",
                                                 "mknod",
                                                 "lease",
                                                 "audit_write",
                                                 "audit_control",
                                                 "setfcap",
                                                 "mac_override",
                                                 "mac_admin",
                                                 "syslog",
                                                 "wake_alarm",
                                                 "block_suspend",
                                                 "audit_read",
                                                 "perfmon",
                                                 "bpf",
                                                 "checkpoint_restore"};

template <typename Number>
bool ParseNumber(std::string_view text, Number* number, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && end == text.data() + text.size();
}

// The value of a line "KEY:\tvalue"; names can't hold a newline there.
std::optional<std::string_view> Find(std::string_view text, std::string_view key) {
  const std::string line = StrCat("\n", key, ":");
  const size_t at = text.find(line);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + line.size());
  text = text.substr(0, text.find('\n'));
  const size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

template <typename Number>
bool FindNumber(std::string_view text, std::string_view key, Number* number, int base = 10) {
  const auto value = Find(text, key);
  return value && ParseNumber(value->substr(0, value->find_first_of(" \t")), number, base);
}

std::string_view StateWord(char letter) {
  switch (letter) {
    case 'R':
      return "running";
    case 'S':
      return "sleeping";
    case 'D':
      return "waiting";
    case 'T':
      return "stopped";
    case 't':
      return "traced";
    case 'Z':
      return "zombie";
    case 'I':
      return "idle";
    default:
      return "dead";
  }
}

std::string_view SeccompWord(uint32_t mode) {
  return mode == 0 ? "none" : mode == 1 ? "strict" : "filter";
}

}  // namespace

std::optional<Status> ParseStatus(std::string_view text) {
  Status status;
  const auto state = Find(text, "State");
  const auto uids = Find(text, "Uid");
  const auto gids = Find(text, "Gid");
  if (!state || state->empty() || !uids || !gids) return std::nullopt;
  status.state = StateWord(state->front());
  const std::vector<absl::string_view> uid = absl::StrSplit(ToAbsl(*uids), '\t');
  const std::vector<absl::string_view> gid = absl::StrSplit(ToAbsl(*gids), '\t');
  if (uid.size() != 4 || gid.size() != 4 || !ParseNumber(ToStd(uid[0]), &status.real_uid) ||
      !ParseNumber(ToStd(uid[1]), &status.uid) || !ParseNumber(ToStd(gid[1]), &status.gid) ||
      !FindNumber(text, "CapEff", &status.effective_capabilities, 16)) {
    return std::nullopt;
  }
  FindNumber(text, "TracerPid", &status.tracer);
  FindNumber(text, "Threads", &status.threads);
  // Kernel threads and zombies have none.
  uint64_t kibibytes = 0;
  if (FindNumber(text, "VmRSS", &kibibytes) && kibibytes < (uint64_t{1} << 53))
    status.rss_bytes = kibibytes * 1024;
  uint32_t flag = 0;
  status.no_new_privs = FindNumber(text, "NoNewPrivs", &flag) && flag != 0;
  // Kernels without it have no such line.
  if (FindNumber(text, "Seccomp", &flag)) status.seccomp = SeccompWord(flag);
  return status;
}

bool IsKernelThread(std::string_view stat) {
  constexpr uint32_t kKernelThread = 0x00200000;  // PF_KTHREAD, include/linux/sched.h
  const size_t close = stat.rfind(") ");
  if (close == std::string_view::npos) return false;
  const std::vector<absl::string_view> fields =
      absl::StrSplit(ToAbsl(stat.substr(close + 2)), absl::MaxSplits(' ', 7));
  // State is field 3 of proc(5), flags is 9.
  uint32_t flags = 0;
  return fields.size() > 6 && ParseNumber(ToStd(fields[6]), &flags) && (flags & kKernelThread) != 0;
}

std::string CapabilityText(uint64_t capabilities, int last) {
  if (last >= 0 && last < 63 && capabilities == (uint64_t{1} << (last + 1)) - 1) return "all";
  std::string text;
  for (size_t number = 0; number < 64; ++number) {
    if ((capabilities >> number & 1) == 0) continue;
    if (!text.empty()) text += ',';
    if (number < std::size(kCapabilityNames)) {
      StrAppend(&text, "cap_", kCapabilityNames[number]);
    } else {
      StrAppend(&text, "cap_", number);
    }
  }
  return text;
}

std::string CgroupPath(std::string_view text) {
  std::string path;
  for (absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    // HIERARCHY:CONTROLLERS:PATH
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    // A host that mounts both has the units in systemd's own.
    if (fields[1] == "name=systemd") return std::string(fields[2]);
    if (fields[0] == "0" && fields[1].empty()) path = std::string(fields[2]);
  }
  return path;
}

std::string UnitOfCgroup(std::string_view path) {
  std::string unit;
  for (absl::string_view part : absl::StrSplit(ToAbsl(path), '/')) {
    const std::string_view name = ToStd(part);
    if (name.ends_with(".service") || name.ends_with(".scope")) unit = name;
  }
  return unit;
}

}  // namespace dragnet::process
