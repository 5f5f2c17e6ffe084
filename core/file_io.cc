#include "core/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"

namespace dragnet {
namespace {

absl::StatusOr<UniqueFd> Open(const std::string& path, int flags, mode_t mode = 0) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode));
  if (!fd.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  return fd;
}

absl::StatusOr<std::string> ReadAll(const UniqueFd& fd, const std::string& path, size_t max_bytes) {
  std::string content;
  char buffer[16384];
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(StrCat("read ", path), errno);
    if (count == 0) return content;
    if (content.size() + static_cast<size_t>(count) > max_bytes) {
      return absl::InvalidArgumentError(
          StrCat("read ", path, ": larger than ", max_bytes, " bytes"));
    }
    content.append(buffer, static_cast<size_t>(count));
  }
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status SyncDirectory(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(UniqueFd fd, Open(path, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return ErrnoStatus(StrCat("fsync ", path), errno);
  return absl::OkStatus();
}

absl::Status WriteAndSync(const std::string& path, std::string_view content, mode_t mode) {
  DRAGNET_ASSIGN_OR_RETURN(UniqueFd fd, Open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
  // The mode given, whatever the umask.
  if (::fchmod(fd.get(), mode) != 0) return ErrnoStatus(StrCat("fchmod ", path), errno);
  DRAGNET_RETURN_IF_ERROR(Annotate(WriteAll(fd.get(), content), StrCat("write ", path)));
  if (::fsync(fd.get()) != 0) return ErrnoStatus(StrCat("fsync ", path), errno);
  return absl::OkStatus();
}

std::string TemporaryNameFor(const std::string& path) {
  return StrCat(path, ".new-", HexEncode(RandomBytes(8)));
}

}  // namespace

absl::Status ErrnoStatus(std::string_view what, int error_number) {
  return absl::Status(absl::ErrnoToStatusCode(error_number),
                      StrCat(what, ": ", ::strerror(error_number)));
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  DRAGNET_ASSIGN_OR_RETURN(UniqueFd fd, Open(path, O_RDONLY));
  return ReadAll(fd, path, max_bytes);
}

absl::StatusOr<std::string> ReadSecretFile(const std::string& path, size_t max_bytes) {
  // Non-blocking, so that a FIFO put in its place can't hold us up.
  DRAGNET_ASSIGN_OR_RETURN(UniqueFd fd, Open(path, O_RDONLY | O_NONBLOCK));
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(StrCat(path, ": not a regular file"));
  }
  if ((info.st_mode & 077) != 0) {
    return absl::PermissionDeniedError(
        StrCat(path, ": others than its owner can use this file (mode ",
               absl::Hex((info.st_mode >> 6) & 7), absl::Hex((info.st_mode >> 3) & 7),
               absl::Hex(info.st_mode & 7), "): chmod 600 ", path));
  }
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
    return absl::PermissionDeniedError(
        StrCat(path, ": belongs to user id ", info.st_uid, ", not to root or this user: chown it"));
  }
  return ReadAll(fd, path, max_bytes);
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view content, mode_t mode) {
  const std::string temporary = TemporaryNameFor(path);
  absl::Status status = WriteAndSync(temporary, content, mode);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(StrCat("rename to ", path), errno);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(DirectoryOf(path));
}

absl::Status WriteNewFile(const std::string& path, std::string_view content, mode_t mode) {
  const std::string temporary = TemporaryNameFor(path);
  absl::Status status = WriteAndSync(temporary, content, mode);
  // link(2), unlike rename(2), never replaces.
  if (status.ok() && ::link(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(StrCat("create ", path), errno);
  }
  ::unlink(temporary.c_str());
  if (!status.ok()) return status;
  return SyncDirectory(DirectoryOf(path));
}

namespace {

// The mode given, whatever the umask. Of the directory that was made just now, and not of
// what a link leads to that someone put in its place.
absl::Status SetDirectoryMode(const std::string& path, mode_t mode) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  if (::fchmod(fd.get(), mode) != 0) return ErrnoStatus(StrCat("chmod ", path), errno);
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeDirectories(const std::string& path, mode_t mode) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), mode) == 0) {
      DRAGNET_RETURN_IF_ERROR(SetDirectoryMode(part, mode));
    } else if (errno != EEXIST) {
      return ErrnoStatus(StrCat("mkdir ", part), errno);
    }
    if (end == std::string::npos) break;
  }
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  if (!S_ISDIR(info.st_mode)) return ErrnoStatus(StrCat("mkdir ", path), ENOTDIR);
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus("write", errno);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

}  // namespace dragnet
