#include "modules/pkg/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <memory>

#include "core/strings.h"
#include "modules/pkg/errno_words.h"
#include "modules/pkg/package.h"

namespace dragnet::pkg {
namespace {

constexpr size_t kMaxDepth = 64;

// statfs(2)'s f_type, of linux/magic.h where it has them.
constexpr uint32_t kNetwork[] = {NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC,
                                 SMB2_SUPER_MAGIC, AFS_SUPER_MAGIC,  CEPH_SUPER_MAGIC,
                                 V9FS_MAGIC,       CODA_SUPER_MAGIC, OCFS2_SUPER_MAGIC,
                                 0x0bd00bd0 /* lustre */};
constexpr uint32_t kPseudo[] = {PROC_SUPER_MAGIC,    SYSFS_MAGIC,        CGROUP_SUPER_MAGIC,
                                CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,      TRACEFS_MAGIC,
                                SECURITYFS_MAGIC,    DEVPTS_SUPER_MAGIC, BPF_FS_MAGIC,
                                AUTOFS_SUPER_MAGIC,  0x62656570 /* configfs */};

struct DirCloser {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Dir = std::unique_ptr<DIR, DirCloser>;

class TreeWalk {
 public:
  TreeWalk(const Root& root, RunContext& context,
           const std::function<TreeStep(const TreeEntry&)>& visit)
      : root_(root), context_(context), visit_(visit) {}

  bool Walk(UniqueFd fd, std::string path, size_t depth, dev_t parent_device) {
    struct stat status;
    if (fstat(fd.get(), &status) != 0) {
      context_.NoteUnexamined(ErrnoWords(errno), Shown(root_, path));
      return true;
    }
    if ((depth == 0 || status.st_dev != parent_device) && !MayEnter(fd.get(), path)) return true;
    if (depth > kMaxDepth) {
      context_.NoteUnexamined("directory deeper than 64 levels", Shown(root_, path));
      return true;
    }
    const Dir dir(fdopendir(fd.get()));
    if (!dir) {
      context_.NoteUnexamined(ErrnoWords(errno), Shown(root_, path));
      return true;
    }
    const int dir_fd = fd.Release();
    while (true) {
      errno = 0;
      const dirent* entry = readdir(dir.get());
      if (entry == nullptr) {
        if (errno != 0) context_.NoteUnexamined(ErrnoWords(errno), Shown(root_, path));
        return true;
      }
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (context_.stopping()) return false;
      const unsigned char type = TypeOf(dir_fd, entry);
      const TreeStep step = visit_({dir_fd, path, name, type});
      if (step == TreeStep::kStop) return false;
      if (step == TreeStep::kNext || type != DT_DIR) continue;
      UniqueFd child(openat(dir_fd, entry->d_name,
                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      std::string child_path = StrCat(path == "/" ? "" : path, "/", name);
      if (!child.valid()) {
        if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
          context_.NoteUnexamined(ErrnoWords(errno), Shown(root_, child_path));
        continue;
      }
      if (!Walk(std::move(child), std::move(child_path), depth + 1, status.st_dev)) return false;
    }
  }

 private:
  bool MayEnter(int fd, const std::string& path) {
    struct statfs info;
    if (fstatfs(fd, &info) != 0) return true;
    const auto type = static_cast<uint32_t>(info.f_type);
    if (std::find(std::begin(kPseudo), std::end(kPseudo), type) != std::end(kPseudo)) return false;
    if (std::find(std::begin(kNetwork), std::end(kNetwork), type) == std::end(kNetwork))
      return true;
    context_.NoteUnexamined("network file system", Shown(root_, path));
    return false;
  }

  static unsigned char TypeOf(int dir_fd, const dirent* entry) {
    if (entry->d_type != DT_UNKNOWN) return entry->d_type;
    struct stat status;
    if (fstatat(dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) return DT_LNK;
    return IFTODT(status.st_mode);
  }

  const Root& root_;
  RunContext& context_;
  const std::function<TreeStep(const TreeEntry&)>& visit_;
};

}  // namespace

bool WalkTree(const Root& root, const std::string& path, RunContext& context,
              const std::function<TreeStep(const TreeEntry&)>& visit) {
  UniqueFd fd = root.OpenAt(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
  if (!fd.valid()) {
    if (errno != ENOENT && errno != ENOTDIR)
      context.NoteUnexamined(ErrnoWords(errno), Shown(root, path));
    return true;
  }
  return TreeWalk(root, context, visit).Walk(std::move(fd), path, 0, 0);
}

}  // namespace dragnet::pkg
