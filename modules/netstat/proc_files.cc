#include "modules/netstat/proc_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::netstat {
namespace {

// As the kernel writes it for getdents64; glibc's readdir would make a name's
// length a matter of its own struct.
struct DirectoryEntry {
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
};
constexpr size_t kNameOffset = offsetof(DirectoryEntry, type) + 1;

bool IsLowerHex(char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); }

// The last run of exactly 64 hexadecimal digits.
std::string_view ContainerId(std::string_view path) {
  constexpr size_t kDigits = 64;
  std::string_view found;
  for (size_t begin = 0; begin < path.size();) {
    size_t end = begin;
    while (end < path.size() && IsLowerHex(path[end])) ++end;
    if (end - begin == kDigits) found = path.substr(begin, kDigits);
    begin = end + 1;
  }
  return found;
}

// "web" of "lxc.payload.web" and "machine-web.scope".
std::string_view ContainerName(std::string_view part) {
  for (std::string_view prefix : {"lxc.payload.", "machine-"}) {
    if (!part.starts_with(prefix)) continue;
    part.remove_prefix(prefix.size());
    if (part.ends_with(".scope")) part.remove_suffix(6);
    return part;
  }
  return {};
}

}  // namespace

std::optional<std::string> ReadProcFile(int directory, const char* name, size_t max_bytes) {
  const UniqueFd fd(::openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) return std::nullopt;
  return ReadToEnd(fd.get(), max_bytes);
}

std::optional<std::string> ReadToEnd(int fd, size_t max_bytes) {
  std::string text;
  char block[4096];
  while (text.size() < max_bytes) {
    const ssize_t size = ::read(fd, block, std::min(sizeof block, max_bytes - text.size()));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::nullopt;
    if (size == 0) break;
    text.append(block, static_cast<size_t>(size));
  }
  return text;
}

std::optional<std::string> ReadProcLink(int directory, const char* name) {
  char text[PATH_MAX];
  const ssize_t size = ::readlinkat(directory, name, text, sizeof text);
  if (size < 0) return std::nullopt;
  return std::string(text, static_cast<size_t>(size));
}

UniqueFd OpenDirectory(int directory, const char* name) {
  return UniqueFd(::openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::optional<uint32_t> ParseDecimal(std::string_view text) {
  uint32_t number = 0;
  if (text.empty() || !std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(ToAbsl(text), &number)) {
    return std::nullopt;
  }
  return number;
}

std::optional<uint64_t> InodeOfLink(std::string_view link, std::string_view kind) {
  if (!link.starts_with(kind)) return std::nullopt;
  link.remove_prefix(kind.size());
  if (!link.starts_with(":[") || !link.ends_with("]")) return std::nullopt;
  link = link.substr(2, link.size() - 3);
  uint64_t inode = 0;
  if (link.empty() || !std::all_of(link.begin(), link.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(ToAbsl(link), &inode)) {
    return std::nullopt;
  }
  return inode;
}

bool ForEachNumber(int directory, absl::FunctionRef<void(uint32_t, const char*)> each) {
  alignas(DirectoryEntry) char buffer[32 * 1024];
  for (;;) {
    const long size = ::syscall(SYS_getdents64, directory, buffer, sizeof buffer);
    if (size < 0) return false;
    if (size == 0) return true;
    for (long at = 0; at < size;) {
      DirectoryEntry entry;
      std::memcpy(&entry, buffer + at, kNameOffset);
      const char* name = buffer + at + kNameOffset;
      if (const auto number = ParseDecimal(name)) each(*number, name);
      at += entry.length;
    }
  }
}

bool IsGone(int error) { return error == ENOENT || error == ESRCH; }

std::string ContainerOfCgroup(std::string_view cgroup) {
  std::string_view name;
  for (absl::string_view line : absl::StrSplit(ToAbsl(cgroup), '\n')) {
    // "HIERARCHY:CONTROLLERS:PATH"
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    if (const std::string_view id = ContainerId(ToStd(fields[2])); !id.empty())
      return std::string(id);
    for (absl::string_view part : absl::StrSplit(fields[2], '/'))
      if (const auto found = ContainerName(ToStd(part)); !found.empty()) name = found;
  }
  return ToValidUtf8(Shorten(name, 256));
}

}  // namespace dragnet::netstat
