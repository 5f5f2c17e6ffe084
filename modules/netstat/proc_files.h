// Reading /proc, where files have no size and directories change meanwhile.
// Stateless.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/unique_fd.h"

namespace dragnet::netstat {

// The first `max_bytes` of a file; nothing, with errno set, when it can't be read.
std::optional<std::string> ReadProcFile(int directory, const char* name, size_t max_bytes);

// The same of a file that is open, from where it stands.
std::optional<std::string> ReadToEnd(int fd, size_t max_bytes);

// A link's text, as it is; nothing, with errno set, when it can't be read. Longer
// ones than PATH_MAX don't exist.
std::optional<std::string> ReadProcLink(int directory, const char* name);

UniqueFd OpenDirectory(int directory, const char* name);

// The number that `text` is, with nothing around it.
std::optional<uint32_t> ParseDecimal(std::string_view text);

// The number in "socket:[123]", with `kind` "socket".
std::optional<uint64_t> InodeOfLink(std::string_view link, std::string_view kind);

// Calls `each` with the entries of a directory that are numbers. False, with
// errno set, when it can't be read to its end.
bool ForEachNumber(int directory, absl::FunctionRef<void(uint32_t number, const char* name)> each);

// Whether `error` says only that a process or descriptor has gone.
bool IsGone(int error);

// The container that a process is in, from its /proc/PID/cgroup: the 64 digits of
// an id that Docker, containerd, CRI-O and Podman use, or the name that LXC and
// systemd-nspawn use. Empty for none.
std::string ContainerOfCgroup(std::string_view cgroup);

}  // namespace dragnet::netstat
