#include "scheduler/init/install.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <system_error>

#include "absl/strings/str_replace.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "scheduler/store/act_as_owner.h"

namespace dragnet::scheduler {
namespace {

// A store that holds one policy, one certificate and one token.
constexpr size_t kMaxFileBytes = size_t{16} << 20;
constexpr char kConfigName[] = "scheduler.toml";

struct File {
  std::string content;
  mode_t mode;
};
using Files = std::map<std::string, File>;

// What init has made just now, as root. Whoever may write above it could have put other
// things in its place since: links to what only root can read, a FIFO to hang on, keys of
// their own. So each step goes from a directory that is open already, follows no link,
// waits for nothing, and takes root's own alone.
absl::StatusOr<UniqueFd> OpenOwn(int directory, const std::string& name, const std::string& path,
                                 mode_t type) {
  UniqueFd fd(
      ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  const bool only_name = type == S_IFDIR || info.st_nlink == 1;
  if ((info.st_mode & S_IFMT) != type || info.st_uid != ::geteuid() || !only_name)
    return absl::FailedPreconditionError(
        StrCat(path, ": is not what was made here just now: who else may write above it?"));
  return fd;
}

absl::StatusOr<File> ReadOwn(int directory, const std::string& name, const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(const UniqueFd fd, OpenOwn(directory, name, path, S_IFREG));
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  if (info.st_size < 0 || static_cast<size_t>(info.st_size) > kMaxFileBytes)
    return absl::FailedPreconditionError(StrCat(path, ": larger than ", kMaxFileBytes, " bytes"));
  File file = {.content = std::string(static_cast<size_t>(info.st_size), '\0'),
               .mode = info.st_mode & 0777};
  if (::pread(fd.get(), file.content.data(), file.content.size(), 0) != info.st_size)
    return absl::InternalError(StrCat("read ", path, ": it changes"));
  return file;
}

absl::StatusOr<Files> ReadFiles(int directory, const std::string& path) {
  // closedir closes it.
  const int copy = ::fcntl(directory, F_DUPFD_CLOEXEC, 0);
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(copy < 0 ? nullptr : ::fdopendir(copy),
                                                    &::closedir);
  if (entries == nullptr) return ErrnoStatus(StrCat("list ", path), errno);
  Files files;
  errno = 0;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    DRAGNET_ASSIGN_OR_RETURN(files[name], ReadOwn(directory, name, StrCat(path, "/", name)));
    errno = 0;
  }
  if (errno != 0) return ErrnoStatus(StrCat("list ", path), errno);
  return files;
}

// As the owner, who could have put a link where root would write. What was written is
// taken back when something fails: a second try finds an empty directory.
absl::Status WriteFiles(const Files& files, const std::string& directory) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<ActAsOwner> owner, ActAsOwner::Of(directory));
  for (const auto& [name, file] : files) {
    const absl::Status status = WriteNewFile(StrCat(directory, "/", name), file.content, file.mode);
    if (status.ok()) continue;
    for (const auto& [written, unused] : files) {
      if (written == name) break;
      ::unlink(StrCat(directory, "/", written).c_str());
    }
    return Annotate(status, StrCat("install the scheduler", owner->words()));
  }
  return absl::OkStatus();
}

absl::Status TakeBack(const Files& files, const std::string& directory) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<ActAsOwner> owner, ActAsOwner::Of(directory));
  for (const auto& [name, unused] : files) ::unlink(StrCat(directory, "/", name).c_str());
  return absl::OkStatus();
}

absl::Status WriteConfig(const std::string& relative, const InstalledPlaces& places) {
  DRAGNET_RETURN_IF_ERROR(
      MakeDirectories(std::filesystem::path(places.config).parent_path(), 0755));
  const std::string config =
      absl::StrReplaceAll(relative, {{"\"scheduler/", StrCat("\"", places.state, "/")}});
  DRAGNET_RETURN_IF_ERROR(WriteNewFile(places.config, config, 0640));
  // Its exports may come to hold credentials: for root and the scheduler alone.
  struct stat state;
  if (::stat(places.state.c_str(), &state) != 0 ||
      ::chown(places.config.c_str(), 0, state.st_gid) != 0) {
    const absl::Status status = ErrnoStatus(StrCat("chown ", places.config), errno);
    ::unlink(places.config.c_str());
    return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckInstallable(const InstalledPlaces& places) {
  if (::geteuid() != 0) return absl::PermissionDeniedError("--install: needs root");
  std::error_code error;
  if (std::filesystem::exists(places.config, error)) {
    return absl::AlreadyExistsError(
        StrCat(places.config, ": exists: this host has a scheduler already; nothing was changed"));
  }
  if (!std::filesystem::is_directory(places.state, error)) {
    return absl::NotFoundError(
        StrCat(places.state, ": is not there: install the package dragnet-scheduler first"));
  }
  if (!std::filesystem::is_empty(places.state, error) || error) {
    return absl::AlreadyExistsError(
        StrCat(places.state,
               ": is not empty: it may hold another fleet's keys and results; move it away first. "
               "Nothing was changed"));
  }
  return absl::OkStatus();
}

absl::Status InstallScheduler(const std::string& directory, const InstalledPlaces& places) {
  // A slash at its end would have a link followed.
  std::string path = directory;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::string part = StrCat(path, "/scheduler");
  DRAGNET_ASSIGN_OR_RETURN(const UniqueFd fleet, OpenOwn(AT_FDCWD, path, path, S_IFDIR));
  DRAGNET_ASSIGN_OR_RETURN(const UniqueFd own, OpenOwn(fleet.get(), "scheduler", part, S_IFDIR));
  DRAGNET_ASSIGN_OR_RETURN(const Files files, ReadFiles(own.get(), part));
  DRAGNET_ASSIGN_OR_RETURN(const File config,
                           ReadOwn(fleet.get(), kConfigName, StrCat(path, "/", kConfigName)));
  DRAGNET_RETURN_IF_ERROR(WriteFiles(files, places.state));
  if (const absl::Status status = WriteConfig(config.content, places); !status.ok()) {
    // Or a second try would find a store that may be another fleet's.
    DRAGNET_RETURN_IF_ERROR(TakeBack(files, places.state));
    return status;
  }
  bool removed = true;
  for (const auto& [name, unused] : files)
    removed = ::unlinkat(own.get(), name.c_str(), 0) == 0 && removed;
  removed = ::unlinkat(fleet.get(), "scheduler", AT_REMOVEDIR) == 0 && removed;
  removed = ::unlinkat(fleet.get(), kConfigName, 0) == 0 && removed;
  if (!removed) {
    return absl::InternalError(StrCat(path,
                                      ": the scheduler is installed; remove what is left of its "
                                      "part there, it has the CA's key"));
  }
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
