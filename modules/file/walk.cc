#include "modules/file/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "core/strings.h"
#include "core/unique_fd.h"
#include "modules/file/open.h"

namespace dragnet::file {
namespace {

constexpr size_t kChunkBytes = 64 * 1024;

// As the kernel writes it, linux_dirent64.
struct RawEntry {
  uint64_t d_ino;
  int64_t d_off;
  uint16_t d_reclen;
  uint8_t d_type;
  char d_name[];
};

bool IsDotOrDotDot(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

// What tells one directory from another.
struct Identity {
  uint32_t dev_major = 0;
  uint32_t dev_minor = 0;
  uint64_t inode = 0;

  bool operator==(const Identity&) const = default;
  bool SameDevice(const Identity& other) const {
    return dev_major == other.dev_major && dev_minor == other.dev_minor;
  }
};

// 0 or errno. Never triggers an automount.
int Identify(int dir_fd, const char* name, Identity* identity, FileType* type) {
  struct statx info;
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name == '\0' ? AT_EMPTY_PATH : 0);
  if (statx(dir_fd, name, flags, STATX_TYPE | STATX_INO, &info) != 0) return errno;
  *identity = {info.stx_dev_major, info.stx_dev_minor, info.stx_ino};
  *type = TypeOfMode(info.stx_mode);
  return 0;
}

// A directory between the root and where the walk is.
struct Level {
  // Not open on levels far above.
  UniqueFd fd;
  Identity identity;
  // How much of the walk's path is this directory's.
  size_t path_length = 0;
  // Names of subdirectories that are still to be entered, each with its NUL.
  std::string pending;
  size_t next_pending = 0;
  // Where reading goes on when `fd` has to be opened again.
  off64_t position = 0;
  bool exhausted = false;
};

class TreeWalk {
 public:
  TreeWalk(WalkVisitor& visitor, const WalkOptions& options)
      : visitor_(visitor), options_(options), chunk_(new char[kChunkBytes]) {}

  void Run(const std::string& root) {
    if (!VisitRoot(root)) return;
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.next_pending < level.pending.size()) {
        const std::string name(level.pending.c_str() + level.next_pending);
        level.next_pending += name.size() + 1;
        Descend(name);
      } else if (level.exhausted) {
        Ascend();
      } else if (!ReadChunk()) {
        return;
      }
    }
  }

 private:
  // True if the root is a directory that was entered.
  bool VisitRoot(const std::string& root) {
    WalkEntry entry = {AT_FDCWD, root.c_str(), {}, root, FileType::kUnknown, 0};
    const size_t slash = root.rfind('/');
    if (root.size() > 1 && slash != std::string::npos) {
      entry.directory = std::string_view(root).substr(0, slash == 0 ? 1 : slash);
      entry.name = std::string_view(root).substr(slash + 1);
    }
    Identity identity;
    if (const int error = Identify(AT_FDCWD, root.c_str(), &identity, &entry.type); error != 0) {
      NoteError(error, root);
      return false;
    }
    if (visitor_.Visit(entry) != WalkStep::kDescend) return false;
    UniqueFd fd = OpenForReading(AT_FDCWD, root.c_str(), O_DIRECTORY);
    if (!fd.valid()) {
      NoteError(errno, root);
      return false;
    }
    path_ = root;
    Push(std::move(fd), identity);
    return true;
  }

  // False to end the walk.
  bool ReadChunk() {
    Level& level = levels_.back();
    level.pending.clear();
    level.next_pending = 0;
    const ssize_t size = syscall(SYS_getdents64, level.fd.get(), chunk_.get(), kChunkBytes);
    if (size <= 0) {
      level.exhausted = true;
      if (size < 0) NoteError(errno, path_);
      return true;
    }
    const bool wide = levels_.size() <= options_.wide_levels;
    for (ssize_t at = 0; at < size;) {
      const auto* raw = reinterpret_cast<const RawEntry*>(chunk_.get() + at);
      at += raw->d_reclen;
      if (IsDotOrDotDot(raw->d_name)) continue;
      switch (VisitEntry(level, *raw)) {
        case WalkStep::kStop:
          return false;
        case WalkStep::kNext:
          break;
        case WalkStep::kDescend:
          level.pending.append(raw->d_name, strlen(raw->d_name) + 1);
          if (!wide && at < size) {
            // The rest of the chunk is read again after this subdirectory.
            if (lseek64(level.fd.get(), raw->d_off, SEEK_SET) >= 0) return true;
            // A file system that can't seek: then this level is held whole.
          }
          break;
      }
    }
    return true;
  }

  WalkStep VisitEntry(const Level& level, const RawEntry& raw) {
    WalkEntry entry = {level.fd.get(),
                       raw.d_name,
                       path_,
                       raw.d_name,
                       TypeOfDirent(raw.d_type),
                       static_cast<uint32_t>(levels_.size())};
    if (entry.type == FileType::kUnknown) {
      // Some file systems don't say the type with the name.
      Identity identity;
      if (const int error = Identify(entry.dir_fd, entry.at, &identity, &entry.type); error != 0) {
        NoteError(error, entry.Path());
        return WalkStep::kNext;
      }
      if (entry.type == FileType::kUnknown) return WalkStep::kNext;
    }
    return visitor_.Visit(entry);
  }

  void Descend(const std::string& name) {
    const size_t parent_length = path_.size();
    AppendToPath(name);
    if (!OpenChild(name.c_str())) path_.resize(parent_length);
  }

  // Pushes the level for path_, if it can be entered.
  bool OpenChild(const char* name) {
    const Level& parent = levels_.back();
    if (levels_.size() >= options_.max_levels) {
      visitor_.NotLookedAt(StrCat("more than ", options_.max_levels, " levels deep"), path_);
      return false;
    }
    Identity identity;
    FileType type;
    int error = Identify(parent.fd.get(), name, &identity, &type);
    if (error == 0 && type != FileType::kDirectory) return false;
    if (error == 0 && !identity.SameDevice(parent.identity) && !MayCross(parent, name))
      return false;
    UniqueFd fd;
    if (error == 0) {
      fd = OpenForReading(parent.fd.get(), name, O_DIRECTORY);
      if (!fd.valid()) error = errno;
    }
    if (error != 0) {
      NoteError(error, path_);
      return false;
    }
    Push(std::move(fd), identity);
    return true;
  }

  // Whether another file system that is mounted at `name` is one to search.
  bool MayCross(const Level& parent, const char* name) {
    // O_PATH, because opening for reading would trigger an automount.
    const UniqueFd fd(openat(parent.fd.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) {
      NoteError(errno, path_);
      return false;
    }
    switch (KindOfFileSystem(fd.get())) {
      case FileSystemKind::kOrdinary:
        return true;
      case FileSystemKind::kPseudo:
        return false;
      case FileSystemKind::kNetwork:
        visitor_.NotLookedAt("network file system, searched only if a path names it", path_);
        return false;
      case FileSystemKind::kAutomount:
        visitor_.NotLookedAt("automount point, mounted only if a path names it", path_);
        return false;
    }
    return false;
  }

  void Push(UniqueFd fd, const Identity& identity) {
    const uint32_t depth = static_cast<uint32_t>(levels_.size());
    Level level;
    level.fd = std::move(fd);
    level.identity = identity;
    level.path_length = path_.size();
    levels_.push_back(std::move(level));
    // The root stays open: from there a lost level is found again.
    if (levels_.size() > options_.open_levels + 1) {
      Level& far = levels_[levels_.size() - 1 - options_.open_levels];
      far.position = lseek64(far.fd.get(), 0, SEEK_CUR);
      far.fd.Reset();
    }
    visitor_.Enter(path_, depth);
  }

  void Ascend() {
    UniqueFd child = std::move(levels_.back().fd);
    levels_.pop_back();
    visitor_.Leave(static_cast<uint32_t>(levels_.size()));
    if (levels_.empty()) return;
    Level& level = levels_.back();
    path_.resize(level.path_length);
    if (level.fd.valid() || Reopen(level, child.get())) return;
    visitor_.NotLookedAt("moved while it was searched", path_);
    level.exhausted = true;
    level.next_pending = level.pending.size();
  }

  // Through the child's "..", or, if the child was moved elsewhere, from the root.
  bool Reopen(Level& level, int child) {
    if (child >= 0) {
      level.fd = OpenForReading(child, "..", O_DIRECTORY);
      if (IsAt(level)) return Resume(level);
    }
    UniqueFd at;
    int from = levels_.front().fd.get();
    for (size_t i = 1; i < levels_.size(); ++i) {
      const size_t begin = levels_[i - 1].path_length;
      std::string name = path_.substr(begin, levels_[i].path_length - begin);
      if (name.front() == '/') name.erase(0, 1);
      at = OpenForReading(from, name.c_str(), O_DIRECTORY);
      if (!at.valid()) return false;
      from = at.get();
    }
    level.fd = std::move(at);
    return IsAt(level) && Resume(level);
  }

  bool IsAt(const Level& level) const {
    Identity identity;
    FileType type;
    return level.fd.valid() && Identify(level.fd.get(), "", &identity, &type) == 0 &&
           identity == level.identity;
  }

  bool Resume(const Level& level) const {
    return lseek64(level.fd.get(), level.position, SEEK_SET) >= 0;
  }

  void AppendToPath(std::string_view name) {
    if (path_.back() != '/') path_ += '/';
    path_ += name;
  }

  void NoteError(int error, std::string_view path) {
    if (!IsVanished(error)) visitor_.NotLookedAt(ErrorWords(error), path);
  }

  WalkVisitor& visitor_;
  const WalkOptions options_;
  const std::unique_ptr<char[]> chunk_;
  std::vector<Level> levels_;
  // Of the last level.
  std::string path_;
};

}  // namespace

std::string WalkEntry::Path() const {
  if (directory.empty()) return std::string(name);
  return StrCat(directory, directory.back() == '/' ? "" : "/", name);
}

void WalkTree(const std::string& root, WalkVisitor& visitor, const WalkOptions& options) {
  TreeWalk(visitor, options).Run(root);
}

}  // namespace dragnet::file
