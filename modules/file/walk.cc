#include "modules/file/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
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

struct Node {
  DirectoryIdentity identity;
  FileType type = FileType::kUnknown;
  // Something is mounted here (Linux 5.8; false before).
  bool mounted = false;
};

// 0 or errno. Never triggers an automount.
int Identify(int dir_fd, const char* name, Node* node) {
  struct statx info;
  const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name == '\0' ? AT_EMPTY_PATH : 0);
  if (statx(dir_fd, name, flags, STATX_TYPE | STATX_INO, &info) != 0) return errno;
  node->identity = {info.stx_dev_major, info.stx_dev_minor, info.stx_ino};
  node->type = TypeOfMode(info.stx_mode);
  node->mounted = (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  return 0;
}

// Subdirectories that are still to be entered, in the order they were listed.
class Pending {
 public:
  void Add(uint64_t inode, const char* name) {
    entries_.append(reinterpret_cast<const char*>(&inode), sizeof inode);
    entries_.append(name, strlen(name) + 1);
  }
  bool empty() const { return next_ >= entries_.size(); }
  std::string Next(uint64_t* inode) {
    memcpy(inode, entries_.data() + next_, sizeof *inode);
    std::string name(entries_.c_str() + next_ + sizeof *inode);
    next_ += sizeof *inode + name.size() + 1;
    return name;
  }
  // Keeps the memory.
  void Clear() {
    entries_.clear();
    next_ = 0;
  }

 private:
  // Of each its inode and its name with the NUL.
  std::string entries_;
  size_t next_ = 0;
};

// In all of a walk's open branch; past that, what is lost is reported at once.
constexpr size_t kMaxLost = 4096;
// Queued directories are to take little memory, whatever their paths.
constexpr size_t kMaxPathHandedOver = 64 * 1024;

// What a directory listed and what was not found under its name.
struct LostEntries {
  std::vector<uint64_t> inodes;
  // What was found instead, and so was visited.
  std::vector<uint64_t> visited_instead;
  // By now the directory is being searched for them.
  bool second_look = false;

  bool WantsVisit(uint64_t inode) const {
    return Has(inodes, inode) && !Has(visited_instead, inode);
  }
  static bool Has(const std::vector<uint64_t>& list, uint64_t inode) {
    return std::find(list.begin(), list.end(), inode) != list.end();
  }
};

// A directory between the root and where the walk is.
struct Level {
  // Not open on levels far above.
  UniqueFd fd;
  DirectoryIdentity identity;
  // How much of the walk's path is this directory's.
  size_t path_length = 0;
  Pending pending;
  LostEntries lost;
  // Where reading goes on when `fd` has to be opened again.
  off64_t position = 0;
  bool exhausted = false;
};

class TreeWalk {
 public:
  TreeWalk(WalkVisitor& visitor, const WalkOptions& options)
      : visitor_(visitor), options_(options), chunk_(new char[kChunkBytes]) {}

  void Run(const std::string& root) {
    if (VisitRoot(root)) Walk();
  }

  void Run(OpenDirectory directory) {
    base_depth_ = directory.depth;
    path_ = std::move(directory.path);
    Push(std::move(directory.fd), directory.identity);
    Walk();
  }

 private:
  void Walk() {
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (!level.pending.empty()) {
        uint64_t inode;
        const std::string name = level.pending.Next(&inode);
        Descend(name, inode);
      } else if (level.exhausted && !level.lost.inodes.empty() && !level.lost.second_look) {
        if (!LookForTheLost()) return;
      } else if (level.exhausted) {
        Ascend();
      } else if (!ReadChunk()) {
        return;
      }
    }
  }

  // True if the root is a directory that was entered.
  bool VisitRoot(const std::string& root) {
    Node node;
    if (const int error = Identify(AT_FDCWD, root.c_str(), &node); error != 0) {
      if (error != ENOENT) NoteError(error, root);
      return false;
    }
    Sighting sighting(node.identity.inode);
    WalkEntry entry = {AT_FDCWD, root.c_str(), {}, root, node.type, 0, &sighting};
    const size_t slash = root.rfind('/');
    if (root.size() > 1 && slash != std::string::npos) {
      entry.directory = std::string_view(root).substr(0, slash == 0 ? 1 : slash);
      entry.name = std::string_view(root).substr(slash + 1);
    }
    const WalkStep step = visitor_.Visit(entry);
    // It was there just now, and there is no listing to look for it again.
    if (sighting.seen() == 0) visitor_.NotLookedAt(kReplaced, root);
    if (step != WalkStep::kDescend) return false;
    UniqueFd fd = OpenForReading(AT_FDCWD, root.c_str(), O_DIRECTORY);
    const int error = fd.valid() ? Identify(fd.get(), "", &node) : errno;
    if (error != 0) {
      NoteError(error == ENOENT ? ENOTDIR : error, root);
      return false;
    }
    path_ = root;
    Push(std::move(fd), node.identity);
    return true;
  }

  // False to end the walk.
  bool ReadChunk() {
    Level& level = levels_.back();
    level.pending.Clear();
    const ssize_t size = List(level);
    if (size <= 0) {
      level.exhausted = true;
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
          level.pending.Add(raw->d_ino, raw->d_name);
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

  // Fills the chunk. 0 at the end; what fails is reported.
  ssize_t List(const Level& level) {
    const ssize_t size = syscall(SYS_getdents64, level.fd.get(), chunk_.get(), kChunkBytes);
    // ENOENT: the directory was removed, with nothing left in it.
    if (size < 0 && errno != ENOENT) NoteError(errno, path_);
    return size;
  }

  // Visits what of the lost is listed under whatever name. False to end the walk.
  bool LookForTheLost() {
    Level& level = levels_.back();
    level.lost.second_look = true;
    level.pending.Clear();
    if (lseek64(level.fd.get(), 0, SEEK_SET) < 0) {
      NoteError(errno, path_);
      return true;
    }
    for (ssize_t size; (size = List(level)) > 0;) {
      for (ssize_t at = 0; at < size;) {
        const auto* raw = reinterpret_cast<const RawEntry*>(chunk_.get() + at);
        at += raw->d_reclen;
        if (IsDotOrDotDot(raw->d_name) || !level.lost.WantsVisit(raw->d_ino)) continue;
        const WalkStep step = VisitEntry(level, *raw);
        if (step == WalkStep::kStop) return false;
        if (step == WalkStep::kDescend) level.pending.Add(raw->d_ino, raw->d_name);
      }
    }
    return true;
  }

  // Where `inode` was listed, `found` was visited, or nothing (0).
  void Lose(Level& level, uint64_t inode, uint64_t found, const std::string& path) {
    if (level.lost.second_look || lost_count_ >= kMaxLost) {
      visitor_.NotLookedAt(kReplaced, path);
      return;
    }
    ++lost_count_;
    level.lost.inodes.push_back(inode);
    if (found != 0) level.lost.visited_instead.push_back(found);
  }

  // Whether `node`, found where another inode was listed, means that something
  // has changed: a mount point shows what is mounted, and some file systems
  // list numbers that mean nothing.
  static bool IsAnother(const Level& parent, const Node& node) {
    return !node.mounted && node.identity.SameDevice(parent.identity) &&
           HasStableInodes(parent.fd.get());
  }

  WalkStep VisitEntry(Level& level, const RawEntry& raw) {
    Sighting sighting(raw.d_ino);
    WalkEntry entry = {level.fd.get(),           raw.d_name, path_,    raw.d_name,
                       TypeOfDirent(raw.d_type), depth(),    &sighting};
    if (entry.type == FileType::kUnknown) {
      // Some file systems don't say the type with the name.
      Node node;
      if (const int error = Identify(entry.dir_fd, entry.at, &node); error != 0) {
        NoteEntryError(level, error, raw.d_ino, entry.Path());
        return WalkStep::kNext;
      }
      entry.type = node.type;
      if (entry.type == FileType::kUnknown) return WalkStep::kNext;
    }
    const WalkStep step = visitor_.Visit(entry);
    if (sighting.lost()) {
      Node node;
      const bool gone = sighting.seen() == 0 || Identify(entry.dir_fd, entry.at, &node) != 0;
      if (gone || IsAnother(level, node)) Lose(level, raw.d_ino, sighting.seen(), entry.Path());
    }
    return step;
  }

  void Descend(const std::string& name, uint64_t inode) {
    const size_t parent_length = path_.size();
    AppendToPath(name);
    if (!OpenChild(name.c_str(), inode)) path_.resize(parent_length);
  }

  // Pushes the level for path_, if it can be entered. `inode` is how it was listed.
  bool OpenChild(const char* name, uint64_t inode) {
    Level& parent = levels_.back();
    if (depth() >= options_.max_levels) {
      visitor_.NotLookedAt(StrCat("more than ", options_.max_levels, " levels deep"), path_);
      return false;
    }
    // First whether it may be opened, then what was.
    Node before;
    int error = Identify(parent.fd.get(), name, &before);
    if (error == 0 && before.type != FileType::kDirectory) error = ENOTDIR;
    if (error == 0 && !before.identity.SameDevice(parent.identity)) {
      bool may_cross = false;
      error = MayCross(parent, name, &may_cross);
      if (error == 0 && !may_cross) return false;
    }
    UniqueFd fd;
    Node node;
    if (error == 0) {
      fd = OpenForReading(parent.fd.get(), name, O_DIRECTORY);
      error = fd.valid() ? Identify(fd.get(), "", &node) : errno;
    }
    if (error == 0 && !node.identity.SameDevice(before.identity)) error = ENOTDIR;
    if (error != 0) {
      NoteEntryError(parent, error, inode, path_);
      return false;
    }
    if (node.identity.inode != inode && IsAnother(parent, node))
      Lose(parent, inode, node.identity.inode, path_);
    return PushOrHandOver(std::move(fd), node.identity);
  }

  // Whether another file system that is mounted at `name` is one to search. 0 or errno.
  int MayCross(const Level& parent, const char* name, bool* may_cross) {
    // O_PATH, because opening for reading would trigger an automount.
    const UniqueFd fd(openat(parent.fd.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return errno;
    const FileSystemKind kind = KindOfFileSystem(fd.get());
    switch (kind) {
      case FileSystemKind::kOrdinary:
      case FileSystemKind::kNetwork:
        *may_cross = visitor_.Cross(kind, path_);
        break;
      case FileSystemKind::kPseudo:
        break;
      case FileSystemKind::kAutomount:
        visitor_.NotLookedAt("automount point, mounted only if a path names it", path_);
        break;
    }
    return 0;
  }

  // Of the entries of the last level.
  uint32_t depth() const { return base_depth_ + static_cast<uint32_t>(levels_.size()); }

  // Pushes the level for path_, or hands it over; false if it did that.
  bool PushOrHandOver(UniqueFd fd, const DirectoryIdentity& identity) {
    if (visitor_.WouldHandOver() && path_.size() <= kMaxPathHandedOver) {
      OpenDirectory directory = {std::move(fd), identity, path_, depth()};
      if (visitor_.HandOver(directory)) return false;
      fd = std::move(directory.fd);
    }
    Push(std::move(fd), identity);
    return true;
  }

  void Push(UniqueFd fd, const DirectoryIdentity& identity) {
    const uint32_t depth = this->depth();
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
    lost_count_ -= levels_.back().lost.inodes.size();
    levels_.pop_back();
    visitor_.Leave(depth());
    if (levels_.empty()) return;
    Level& level = levels_.back();
    path_.resize(level.path_length);
    if (level.fd.valid() || Reopen(level, child.get())) return;
    visitor_.NotLookedAt("moved while it was searched", path_);
    level.exhausted = true;
    level.lost.second_look = true;
    level.pending.Clear();
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
    Node node;
    return level.fd.valid() && Identify(level.fd.get(), "", &node) == 0 &&
           node.identity == level.identity;
  }

  bool Resume(const Level& level) const {
    return lseek64(level.fd.get(), level.position, SEEK_SET) >= 0;
  }

  void AppendToPath(std::string_view name) {
    if (path_.back() != '/') path_ += '/';
    path_ += name;
  }

  void NoteError(int error, std::string_view path) {
    visitor_.NotLookedAt(IsReplaced(error) ? kReplaced : ErrorWords(error), path);
  }

  void NoteEntryError(Level& level, int error, uint64_t inode, const std::string& path) {
    if (error == ENOENT) return Lose(level, inode, /*found=*/0, path);
    NoteError(error, path);
  }

  WalkVisitor& visitor_;
  const WalkOptions options_;
  const std::unique_ptr<char[]> chunk_;
  // Of the directory where this walk begins, in the walk that it is part of.
  uint32_t base_depth_ = 0;
  std::vector<Level> levels_;
  // Of all levels.
  size_t lost_count_ = 0;
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

void WalkDirectory(OpenDirectory directory, WalkVisitor& visitor, const WalkOptions& options) {
  TreeWalk(visitor, options).Run(std::move(directory));
}

}  // namespace dragnet::file
