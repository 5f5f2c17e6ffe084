#include "modules/persistence/host.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "modules/file/open.h"
#include "modules/persistence/finding.h"
#include "modules/pkg/errno_words.h"
#include "modules/pkg/package.h"

namespace dragnet::persistence {
namespace {

constexpr size_t kMaxNames = 20000;
constexpr size_t kMaxAccounts = 20000;
constexpr int kMaxLinks = 40;
constexpr size_t kMaxPath = 4095;

bool IsAbsent(int error) { return error == ENOENT || error == ENOTDIR; }

std::string_view Words(int error) {
  return error == EINVAL ? "not a regular file" : pkg::ErrnoWords(error);
}

}  // namespace

std::string Join(std::string_view directory, std::string_view name) {
  return StrCat(directory == "/" ? "" : directory, "/", name);
}

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) + 1 - begin);
}

std::string_view TakeWord(std::string_view* text) {
  *text = Trim(*text);
  const std::string_view word = text->substr(0, text->find_first_of(" \t"));
  *text = Trim(text->substr(word.size()));
  return word;
}

void Host::Note(std::string_view reason, std::string_view path) {
  context_.NoteUnexamined(reason, Text(pkg::Shown(root_, path)));
}

std::optional<std::string> Host::Read(const std::string& path, size_t max_bytes) {
  const UniqueFd fd = root_.OpenFile(path);
  if (!fd.valid()) {
    if (!IsAbsent(errno)) Note(Words(errno), path);
    return std::nullopt;
  }
  std::string content;
  // A byte more than is taken tells a larger file, whatever its size is said to be.
  while (content.size() <= max_bytes) {
    const size_t at = content.size();
    const size_t block = std::min<size_t>(max_bytes + 1 - at, 64 << 10);
    content.resize(at + block);
    const ssize_t count = read(fd.get(), content.data() + at, block);
    content.resize(at + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      Note(pkg::ErrnoWords(errno), path);
      return std::nullopt;
    }
    if (count == 0) break;
  }
  context_.AddExamined(1, content.size());
  if (content.size() > max_bytes) {
    Note("larger than 1 MiB: only its beginning was looked at", path);
    // Not half a line.
    content.resize(content.rfind('\n', max_bytes - 1) + 1);
  }
  return content;
}

std::vector<std::string> Host::List(const std::string& directory) {
  std::vector<std::string> names;
  // First what it is: a FIFO would keep one waiting, a device might act.
  const UniqueFd fd = root_.OpenAt(directory, O_PATH | O_DIRECTORY);
  bool truncated = false;
  if (!fd.valid() || !pkg::ListDirectory(fd.get(), kMaxNames, &names, &truncated)) {
    if (!IsAbsent(errno)) Note(pkg::ErrnoWords(errno), directory);
  }
  if (truncated) Note("more than 20,000 names in a directory", directory);
  std::sort(names.begin(), names.end());
  return names;
}

bool Host::Status(const std::string& path, struct stat* status) {
  const UniqueFd fd = root_.OpenAt(path, O_PATH);
  return fd.valid() && fstat(fd.get(), status) == 0;
}

bool Host::IsRegular(const std::string& path) {
  struct stat status;
  return Status(path, &status) && S_ISREG(status.st_mode);
}

bool Host::IsExecutable(const std::string& path) {
  struct stat status;
  return Status(path, &status) && S_ISREG(status.st_mode) && (status.st_mode & 0111) != 0;
}

std::string Host::RealPath(const std::string& path) {
  if (path.size() > kMaxPath) return path;
  std::vector<std::string> rest;
  const auto push = [&rest](std::string_view text) {
    std::vector<std::string> parts = absl::StrSplit(ToAbsl(text), '/', absl::SkipEmpty());
    rest.insert(rest.end(), std::make_move_iterator(parts.rbegin()),
                std::make_move_iterator(parts.rend()));
  };
  push(path);
  std::string real;
  int links = 0;
  while (!rest.empty()) {
    const std::string part = std::move(rest.back());
    rest.pop_back();
    if (part == ".") continue;
    if (part == "..") {
      real.resize(real.empty() ? 0 : real.rfind('/'));
      continue;
    }
    std::string next = StrCat(real, "/", part);
    // Directories are asked for once; what is at the end only comes once anyway.
    const auto known = real_directories_.find(next);
    std::string target;
    if (known != real_directories_.end()) {
      target = known->second;
    } else {
      if (!root_.ReadLink(next, &target)) target.clear();
      if (!rest.empty() && real_directories_.size() < kMaxNames) real_directories_[next] = target;
    }
    if (target.empty()) {
      real = std::move(next);
      continue;
    }
    if (++links > kMaxLinks || target.size() + real.size() > kMaxPath) return path;
    if (target.starts_with('/')) real.clear();
    push(target);
  }
  return real.empty() ? "/" : real;
}

bool Host::MayEnterHome(const std::string& home) {
  const UniqueFd fd = root_.OpenAt(home.empty() ? "/" : home, O_PATH | O_DIRECTORY);
  if (!fd.valid()) {
    if (!IsAbsent(errno)) Note(pkg::ErrnoWords(errno), home);
    return false;
  }
  switch (file::KindOfFileSystem(fd.get())) {
    case file::FileSystemKind::kOrdinary:
      return true;
    case file::FileSystemKind::kPseudo:
      return false;
    case file::FileSystemKind::kNetwork:
      Note("file system of another host", home);
      return false;
    case file::FileSystemKind::kAutomount:
      Note("not mounted", home);
      return false;
  }
  return false;
}

void Host::ReadPasswd() {
  accounts_.emplace();
  std::set<std::string> homes;
  const auto add = [&](std::string_view name, std::string_view home) {
    while (home.ends_with('/')) home.remove_suffix(1);
    if (home.size() > kMaxPath || home.find('\0') != std::string_view::npos) return;
    if (!homes.insert(std::string(home)).second || !MayEnterHome(std::string(home))) return;
    accounts_->push_back({Text(name), std::string(home)});
  };
  const std::optional<std::string> passwd = Read("/etc/passwd");
  size_t lines = 0;
  ForEachLine(passwd.value_or(""), [&](std::string_view line, uint32_t) {
    const std::vector<absl::string_view> fields = absl::StrSplit(ToAbsl(line), ':');
    uint32_t uid = 0;
    if (fields.size() != 7 || !absl::SimpleAtoi(fields[2], &uid)) return true;
    names_.emplace(uid, Text(ToStd(fields[0])));
    if (!fields[5].empty() && fields[5].front() == '/') add(ToStd(fields[0]), ToStd(fields[5]));
    if (++lines < kMaxAccounts) return true;
    Note("more than 20,000 accounts", "/etc/passwd");
    return false;
  });
  // Accounts of directory services are in no file; their homes mostly are here.
  for (const std::string& name : List("/home")) add(name, Join("/home", name));
  add("root", "/root");
}

const std::vector<Account>& Host::Accounts() {
  if (!accounts_) ReadPasswd();
  return *accounts_;
}

std::string Host::NameOf(uint32_t uid) {
  if (!accounts_) ReadPasswd();
  const auto found = names_.find(uid);
  return found != names_.end() ? found->second : StrCat(uid);
}

bool Host::IsNewDirectory(const std::string& path, std::vector<std::pair<dev_t, ino_t>>* seen) {
  struct stat status;
  if (!Status(path, &status)) return true;
  const std::pair<dev_t, ino_t> id(status.st_dev, status.st_ino);
  if (std::find(seen->begin(), seen->end(), id) != seen->end()) return false;
  seen->push_back(id);
  return true;
}

}  // namespace dragnet::persistence
