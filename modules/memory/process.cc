#include "modules/memory/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <system_error>

#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::memory {
namespace {

constexpr size_t kMaxStat = 16 * 1024;
constexpr size_t kMaxPasswd = 16 << 20;

// All that there is up to `max_bytes`. False with errno.
bool ReadAll(int fd, size_t max_bytes, std::string* content) {
  char buffer[16 * 1024];
  while (content->size() < max_bytes) {
    const ssize_t got = ::read(fd, buffer, std::min(sizeof(buffer), max_bytes - content->size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) break;
    content->append(buffer, static_cast<size_t>(got));
  }
  return true;
}

template <typename Number>
bool ParseNumber(std::string_view text, Number* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

// The text up to `separator`, which is taken off, too.
std::string_view Cut(std::string_view* text, char separator) {
  const size_t end = std::min(text->find(separator), text->size());
  const std::string_view part = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return part;
}

std::string DirectoryOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "" : std::string(path.substr(0, slash + 1));
}

}  // namespace

std::string ErrorWords(int error) { return std::generic_category().message(error); }

bool IsGone(int error) { return error == ENOENT || error == ESRCH; }

absl::StatusOr<std::vector<pid_t>> ListProcesses() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(kProc), ::closedir);
  if (!directory) return ErrnoStatus("open /proc", errno);
  std::vector<pid_t> pids;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    pid_t pid = 0;
    if (ParseNumber(std::string_view(entry->d_name), &pid)) pids.push_back(pid);
  }
  if (errno != 0) return ErrnoStatus("list /proc", errno);
  std::sort(pids.begin(), pids.end());
  return pids;
}

std::optional<Process> Process::Open(pid_t pid) {
  UniqueFd directory(::open(StrCat(kProc, "/", pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return std::nullopt;
  Process process(pid, std::move(directory));
  if (!process.ReadStat() || !process.ReadStatus()) return std::nullopt;
  return process;
}

UniqueFd Process::OpenFile(const char* name) const {
  return UniqueFd(::openat(directory_.get(), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
}

// pid (name) state parent … The name can hold anything but ends at the last ).
bool Process::ReadStat() {
  const UniqueFd fd = OpenFile("stat");
  std::string content;
  if (!fd.valid() || !ReadAll(fd.get(), kMaxStat, &content)) return false;
  const size_t open = content.find('('), close = content.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return false;
  name_ = content.substr(open + 1, close - open - 1);
  std::string_view rest = std::string_view(content).substr(std::min(close + 2, content.size()));
  for (int field = 3; field <= 22; ++field) {
    const std::string_view value = Cut(&rest, ' ');
    if (field == 4 && !ParseNumber(value, &parent_)) return false;
    if (field == 22) return ParseNumber(value, &start_ticks_);
  }
  return false;
}

bool Process::ReadStatus() {
  const UniqueFd fd = OpenFile("status");
  std::string content;
  if (!fd.valid() || !ReadAll(fd.get(), kMaxStat, &content)) return false;
  // A name with a newline is written with \n there, so a line is a line.
  const size_t line = content.find("\nUid:\t");
  if (line == std::string::npos) return false;
  std::string_view rest = std::string_view(content).substr(line + 6);
  // Real, effective, …
  Cut(&rest, '\t');
  return ParseNumber(Cut(&rest, '\t'), &uid_);
}

std::optional<std::string> Process::ReadExe() const {
  char path[PATH_MAX + 64];
  const ssize_t size = ::readlinkat(directory_.get(), "exe", path, sizeof(path));
  if (size < 0 && errno == ENOENT && IsAlive()) return "";
  if (size < 0) return std::nullopt;
  return std::string(path, static_cast<size_t>(size));
}

std::optional<std::string> Process::ReadCommandLine() const {
  const UniqueFd fd = OpenFile("cmdline");
  std::string content;
  if (!fd.valid() || !ReadAll(fd.get(), kMaxCommandLine, &content)) return std::nullopt;
  while (!content.empty() && content.back() == '\0') content.pop_back();
  std::replace(content.begin(), content.end(), '\0', ' ');
  return content;
}

std::optional<Maps> Process::ReadMaps() const {
  const UniqueFd fd = OpenFile("maps");
  if (!fd.valid()) return std::nullopt;
  std::optional<Maps> maps(std::in_place);
  char buffer[64 * 1024];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    maps->Feed(std::string_view(buffer, static_cast<size_t>(got)));
    if (!maps->incomplete().empty()) break;
  }
  maps->Finish();
  return maps;
}

bool Process::IsAlive() const {
  const UniqueFd fd = OpenFile("comm");
  char name[1];
  return fd.valid() && ::read(fd.get(), name, sizeof(name)) >= 0;
}

ExePath SplitExe(std::string_view link) {
  constexpr std::string_view kDeleted = " (deleted)";
  if (!link.ends_with(kDeleted)) return {std::string(link), false};
  link.remove_suffix(kDeleted.size());
  return {std::string(link), true};
}

Users Users::Read(const std::string& path) {
  Users users;
  const absl::StatusOr<std::string> content = ReadFile(path, kMaxPasswd);
  if (!content.ok()) return users;
  std::string_view rest = *content;
  while (!rest.empty()) {
    std::string_view line = Cut(&rest, '\n');
    const std::string_view name = Cut(&line, ':');
    Cut(&line, ':');
    uid_t uid = 0;
    if (name.empty() || !ParseNumber(Cut(&line, ':'), &uid)) continue;
    // The first line counts, as in getpwuid(3).
    users.names_.emplace(uid, name);
    users.uids_.emplace(name, uid);
  }
  return users;
}

std::string_view Users::NameOf(uid_t uid) const {
  const auto found = names_.find(uid);
  return found == names_.end() ? std::string_view() : found->second;
}

std::optional<uid_t> Users::Find(std::string_view name) const {
  const auto found = uids_.find(name);
  if (found != uids_.end()) return found->second;
  uid_t uid = 0;
  if (ParseNumber(name, &uid)) return uid;
  return std::nullopt;
}

int64_t BootTime() {
  const UniqueFd fd(::open(StrCat(kProc, "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  std::string content;
  if (!fd.valid() || !ReadAll(fd.get(), 4 << 20, &content)) return 0;
  const size_t line = content.find("\nbtime ");
  if (line == std::string::npos) return 0;
  std::string_view rest = std::string_view(content).substr(line + 7);
  int64_t seconds = 0;
  return ParseNumber(Cut(&rest, '\n'), &seconds) ? seconds : 0;
}

OwnProcesses::OwnProcesses() : self_(::getpid()), agent_(::getppid()) {
  const std::optional<Process> self = Process::Open(self_);
  if (self) program_directory_ = DirectoryOf(self->ReadExe().value_or(""));
}

bool OwnProcesses::Has(const Process& process) const {
  if (process.pid() == self_) return true;
  // Whoever takes over a worker whose agent has ended is not its agent.
  if (agent_ <= 1) return false;
  if (process.pid() == agent_) return true;
  if (process.parent() != agent_ || program_directory_.empty()) return false;
  return DirectoryOf(process.ReadExe().value_or("")) == program_directory_;
}

}  // namespace dragnet::memory
