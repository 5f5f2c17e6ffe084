#include "modules/pkg/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::pkg {
namespace {

// As the kernel's: more links on one path than this are a loop.
constexpr int kMaxLinks = 40;

std::string Relative(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return path.empty() ? "." : std::string(path);
}

// The parts of `path`, the last one first.
void PushParts(std::string_view path, std::vector<std::string>* parts) {
  std::vector<std::string> found;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    if (end > 0 && path.substr(0, end) != ".") found.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  parts->insert(parts->end(), std::make_move_iterator(found.rbegin()),
                std::make_move_iterator(found.rend()));
}

bool LinkTarget(int dir_fd, const char* name, std::string* target) {
  char buffer[PATH_MAX];
  const ssize_t length = readlinkat(dir_fd, name, buffer, sizeof buffer);
  if (length < 0) return false;
  target->assign(buffer, static_cast<size_t>(length));
  return true;
}

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};

}  // namespace

absl::StatusOr<Root> Root::Open(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(StrCat("open root ", path), errno);
  return Root(path, std::move(fd));
}

UniqueFd Root::OpenAt(std::string_view path, int flags) const {
  flags |= O_CLOEXEC;
  const std::string relative = Relative(path);
  // This host's own links lead to where they lead for everyone.
  if (is_host()) return UniqueFd(openat(fd_.get(), relative.c_str(), flags));
  if (use_openat2_) {
    open_how how{};
    how.flags = static_cast<uint64_t>(flags);
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    UniqueFd fd(
        static_cast<int>(syscall(SYS_openat2, fd_.get(), relative.c_str(), &how, sizeof how)));
    if (fd.valid() || (errno != ENOSYS && errno != EPERM)) return fd;
  }
  return Resolve(path, flags);
}

UniqueFd Root::Resolve(std::string_view path, int flags) const {
  std::vector<std::string> parts;
  PushParts(path, &parts);
  // Where we are: the directories from the root down, so that .. never asks the
  // file system, where a directory may have been moved meanwhile.
  std::vector<UniqueFd> trail;
  const auto here = [&] { return trail.empty() ? fd_.get() : trail.back().get(); };
  if (parts.empty()) return UniqueFd(openat(fd_.get(), ".", flags));
  for (int links = 0; !parts.empty();) {
    const std::string part = std::move(parts.back());
    parts.pop_back();
    if (part == "..") {
      if (!trail.empty()) trail.pop_back();
      if (parts.empty()) return UniqueFd(openat(here(), ".", flags));
      continue;
    }
    const bool last = parts.empty();
    if (!last || !(flags & O_NOFOLLOW)) {
      std::string target;
      if (LinkTarget(here(), part.c_str(), &target)) {
        if (++links > kMaxLinks || target.size() + parts.size() > PATH_MAX) {
          errno = ELOOP;
          return {};
        }
        if (target.starts_with('/')) trail.clear();
        PushParts(target, &parts);
        if (parts.empty()) return UniqueFd(openat(here(), ".", flags));
        continue;
      }
      if (errno != EINVAL) return {};
    }
    const int part_flags = last ? flags : O_PATH | O_DIRECTORY | O_CLOEXEC;
    UniqueFd fd(openat(here(), part.c_str(), part_flags | O_NOFOLLOW));
    if (last || !fd.valid()) return fd;
    trail.push_back(std::move(fd));
  }
  errno = ENOENT;
  return {};
}

UniqueFd Root::OpenFile(std::string_view path, bool follow_last) const {
  const int follow = follow_last ? 0 : O_NOFOLLOW;
  // What it is first: to open a device or a pipe can be an act.
  const UniqueFd found = OpenAt(path, O_PATH | follow);
  struct stat status;
  if (!found.valid() || fstat(found.get(), &status) != 0) return {};
  if (!S_ISREG(status.st_mode)) {
    errno = EINVAL;
    return {};
  }
  UniqueFd fd = OpenAt(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | follow);
  struct stat opened;
  if (!fd.valid() || fstat(fd.get(), &opened) != 0) return {};
  if (!S_ISREG(opened.st_mode)) {
    errno = EINVAL;
    return {};
  }
  return fd;
}

UniqueFd Root::OpenParent(std::string_view path, std::string* name) const {
  const size_t slash = path.rfind('/');
  *name = slash == std::string_view::npos ? std::string(path) : std::string(path.substr(slash + 1));
  if (name->empty()) *name = ".";
  return OpenAt(slash == std::string_view::npos ? "/" : path.substr(0, slash),
                O_PATH | O_DIRECTORY);
}

bool Root::Status(std::string_view path, struct stat* status) const {
  if (is_host()) {
    return fstatat(fd_.get(), Relative(path).c_str(), status, AT_SYMLINK_NOFOLLOW) == 0;
  }
  const UniqueFd fd = OpenAt(path, O_PATH | O_NOFOLLOW);
  return fd.valid() && fstat(fd.get(), status) == 0;
}

bool Root::ReadLink(std::string_view path, std::string* target) const {
  if (is_host()) return LinkTarget(fd_.get(), Relative(path).c_str(), target);
  std::string name;
  const UniqueFd parent = OpenParent(path, &name);
  return parent.valid() && LinkTarget(parent.get(), name.c_str(), target);
}

bool ListDirectory(int fd, size_t max_names, std::vector<std::string>* names, bool* truncated) {
  *truncated = false;
  UniqueFd own(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own.valid()) return false;
  const std::unique_ptr<DIR, DirCloser> dir(fdopendir(own.get()));
  if (!dir) return false;
  own.Release();
  while (true) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) return errno == 0;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (names->size() == max_names) {
      *truncated = true;
      return true;
    }
    names->emplace_back(name);
  }
}

}  // namespace dragnet::pkg
