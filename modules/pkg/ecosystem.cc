#include "modules/pkg/ecosystem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>

#include "core/strings.h"
#include "modules/pkg/errno_words.h"
#include "modules/pkg/go_buildinfo.h"
#include "modules/pkg/line_reader.h"
#include "modules/pkg/package_json.h"
#include "modules/pkg/tree.h"

namespace dragnet::pkg {
namespace {

// A larger package.json isn't one.
constexpr size_t kMaxJson = 2 * 1024 * 1024;

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::string_view BaseName(std::string_view path) { return path.substr(path.rfind('/') + 1); }

class Finder {
 public:
  Finder(const EcosystemSearch& search, const Reading& reading)
      : search_(search), reading_(reading) {}

  TreeStep Visit(const TreeEntry& entry) {
    reading_.context.AddExamined(1, 0);
    bool more = true;
    if (search_.python) more = VisitPython(entry);
    if (more && search_.node && entry.name == "package.json") more = VisitNode(entry);
    if (more && search_.go && entry.type == DT_REG) more = VisitGo(entry);
    return more ? TreeStep::kDescend : TreeStep::kStop;
  }

 private:
  std::string PathOf(const TreeEntry& entry) const {
    return StrCat(entry.directory == "/" ? "" : entry.directory, "/", entry.name);
  }
  void Note(std::string_view reason, std::string_view path) {
    reading_.context.NoteUnexamined(reason, Shown(reading_.root, path));
  }

  // A regular file that a directory has; not valid when it is gone or can't be
  // read, which is noted.
  UniqueFd Open(int dir_fd, const std::string& name, std::string_view path) {
    UniqueFd fd(
        openat(dir_fd, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat status;
    if (!fd.valid()) {
      if (errno != ENOENT && errno != ELOOP && errno != ENOTDIR) Note(ErrnoWords(errno), path);
      return {};
    }
    if (fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
    return fd;
  }

  bool Give(std::string_view type, std::string_view name, std::string_view version,
            std::string_view location, std::string_view replaced_by = {}) {
    if (!reading_.may_want(name)) return true;
    package_.row.Clear();
    package_.row.set_name(Text(name));
    package_.row.set_version(Text(version));
    package_.row.set_type(std::string(type));
    package_.row.set_location(Text(location));
    if (!replaced_by.empty()) package_.row.set_replaced_by(Text(replaced_by));
    return reading_.sink(package_);
  }

  // NAME-VERSION.dist-info/METADATA, NAME.egg-info/PKG-INFO, or a file
  // NAME.egg-info.
  bool VisitPython(const TreeEntry& entry) {
    const bool dist = entry.name.ends_with(".dist-info");
    if (!dist && !entry.name.ends_with(".egg-info")) return true;
    std::string name(entry.name);
    if (entry.type == DT_DIR) {
      StrAppend(&name, dist ? "/METADATA" : "/PKG-INFO");
    } else if (entry.type != DT_REG || dist) {
      return true;
    }
    const std::string path = PathOf(entry);
    // The directory itself may have become a link: only where it is one no more.
    UniqueFd directory;
    int at = entry.dir_fd;
    if (entry.type == DT_DIR) {
      directory = UniqueFd(openat(at, std::string(entry.name).c_str(),
                                  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!directory.valid()) return true;
      at = directory.get();
      name = std::string(BaseName(name));
    }
    const UniqueFd fd = Open(at, name, path);
    if (!fd.valid()) return true;
    LineReader lines(fd.get());
    std::string package;
    std::string version;
    std::string_view line;
    // The headers end at the first empty line; each is on one line where it matters.
    while (lines.Next(&line) && !Trim(line).empty()) {
      if (line.starts_with("Name:")) package = std::string(Trim(line.substr(5)));
      if (line.starts_with("Version:")) version = std::string(Trim(line.substr(8)));
    }
    reading_.context.AddExamined(0, lines.bytes());
    if (lines.error() != 0) {
      Note(ErrnoWords(lines.error()), path);
    } else if (package.empty()) {
      Note("Python metadata without a name", path);
    } else {
      return Give("python", package, version, path);
    }
    return true;
  }

  // DIR/node_modules/NAME/package.json, or …/@SCOPE/NAME/package.json.
  bool VisitNode(const TreeEntry& entry) {
    if (entry.type != DT_REG) return true;
    std::string_view directory = entry.directory;
    directory = directory.substr(0, directory.rfind('/'));
    if (BaseName(directory).starts_with('@')) directory = directory.substr(0, directory.rfind('/'));
    if (BaseName(directory) != "node_modules") return true;
    const std::string path = PathOf(entry);
    const UniqueFd fd = Open(entry.dir_fd, std::string(entry.name), path);
    if (!fd.valid()) return true;
    std::string text;
    char buffer[16 * 1024];
    ssize_t count;
    while ((count = read(fd.get(), buffer, sizeof buffer)) > 0) {
      text.append(buffer, static_cast<size_t>(count));
      if (text.size() > kMaxJson) {
        Note("package.json over 2 MiB", path);
        return true;
      }
    }
    if (count < 0) {
      Note(ErrnoWords(errno), path);
      return true;
    }
    reading_.context.AddExamined(0, text.size());
    const std::optional<NodePackage> package = ParsePackageJson(text);
    if (!package) {
      Note("package.json that isn't JSON", path);
      return true;
    }
    // Without a name it only says how the files beside it are to be loaded.
    if (package->name.empty()) return true;
    return Give("node", package->name, package->version, entry.directory);
  }

  bool VisitGo(const TreeEntry& entry) {
    struct stat status;
    const std::string name(entry.name);
    if (fstatat(entry.dir_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return true;
    if ((status.st_mode & 0111) == 0 || status.st_size < 1024) return true;
    const std::string path = PathOf(entry);
    const UniqueFd fd = Open(entry.dir_fd, name, path);
    if (!fd.valid()) return true;
    const absl::StatusOr<GoBuildInfo> info = ReadGoBuildInfo(fd.get());
    if (!info.ok()) {
      if (!absl::IsNotFound(info.status())) Note(ToStd(info.status().message()), path);
      return true;
    }
    std::string_view go = info->go_version;
    if (go.starts_with("go")) go.remove_prefix(2);
    if (!Give("go", "stdlib", go, path)) return false;
    return std::all_of(info->modules.begin(), info->modules.end(), [&](const GoModule& module) {
      return Give("go", module.path, module.version, path, module.replaced_by);
    });
  }

  const EcosystemSearch& search_;
  const Reading& reading_;
  Package package_;
};

// Whether one of the paths covers `path`, which isn't the one at `self`.
bool IsCovered(const std::vector<std::string>& paths, size_t self) {
  const std::string& path = paths[self];
  return std::any_of(paths.begin(), paths.end(), [&](const std::string& other) {
    return &other != &path && path.starts_with(other) &&
           (other == "/" || path[other.size()] == '/');
  });
}

}  // namespace

bool SearchEcosystems(const EcosystemSearch& search, const Reading& reading) {
  Finder finder(search, reading);
  for (size_t i = 0; i < search.paths.size(); ++i) {
    if (IsCovered(search.paths, i)) continue;
    const bool more = WalkTree(reading.root, search.paths[i], reading.context,
                               [&](const TreeEntry& entry) { return finder.Visit(entry); });
    if (!more) return false;
  }
  return true;
}

}  // namespace dragnet::pkg
