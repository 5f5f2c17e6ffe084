#include "scheduler/blobs/blob_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "core/action.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kDigestBytes = 32;
constexpr std::string_view kPartialSuffix = ".part";
constexpr absl::Duration kGrace = absl::Hours(24);
// What a file counts for, however small: the console brings none below 16 KiB,
// and a million files of a byte each would be a full file system, too.
constexpr uint64_t kMinCost = 16 * 1024;

uint64_t Cost(uint64_t size) { return std::max(size, kMinCost); }

absl::Status SetUsedUntil(const std::string& path, absl::Time until) {
  const timespec times[2] = {{0, UTIME_OMIT}, absl::ToTimespec(until)};
  if (::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(StrCat("set the time of ", path), errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> SizeOfFile(int fd, const std::string& path) {
  struct stat info;
  if (::fstat(fd, &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  return static_cast<uint64_t>(info.st_size);
}

absl::StatusOr<std::string> ReadAt(int fd, const std::string& path, uint64_t offset, size_t size) {
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t count =
        ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(StrCat("read ", path), errno);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlobFiles>> BlobFiles::Open(const std::string& directory,
                                                           uint64_t max_bytes) {
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(directory, 0700));
  std::unique_ptr<BlobFiles> files(new BlobFiles(directory, max_bytes));
  absl::MutexLock lock(&files->mutex_);
  files->CountUsed();
  return files;
}

void BlobFiles::CountUsed() {
  used_ = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    struct stat info;
    if (::lstat(entry.path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      used_ += Cost(static_cast<uint64_t>(info.st_size));
    }
  }
}

void BlobFiles::Remove(const std::string& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0 || ::unlink(path.c_str()) != 0) return;
  used_ -= std::min(used_, Cost(static_cast<uint64_t>(info.st_size)));
}

std::string BlobFiles::PathOf(std::string_view sha256) const {
  return StrCat(directory_, "/", HexEncode(sha256));
}

bool BlobFiles::Has(std::string_view sha256) const {
  return sha256.size() == kDigestBytes && ::access(PathOf(sha256).c_str(), R_OK) == 0;
}

absl::StatusOr<uint64_t> BlobFiles::SizeOf(std::string_view sha256) const {
  struct stat info;
  if (sha256.size() != kDigestBytes || ::lstat(PathOf(sha256).c_str(), &info) != 0)
    return absl::NotFoundError(StrCat("no blob ", HexEncode(sha256)));
  return static_cast<uint64_t>(info.st_size);
}

absl::Status BlobFiles::PutPart(const std::string& caller, const v1::PutBlobPartRequest& part) {
  if (part.sha256().size() != kDigestBytes) return absl::InvalidArgumentError("sha256: 32 bytes");
  if (part.size() == 0 || part.size() > kMaxBlobBytes) {
    return absl::InvalidArgumentError(StrCat("size: 1 to ", kMaxBlobBytes, " bytes"));
  }
  if (part.data().empty() || part.data().size() > kMaxBlobPartBytes ||
      part.offset() > part.size() || part.data().size() > part.size() - part.offset()) {
    return absl::InvalidArgumentError(
        StrCat("data: 1 to ", kMaxBlobPartBytes, " bytes, within the blob's size"));
  }
  absl::MutexLock lock(&mutex_);
  if (Has(part.sha256())) return absl::OkStatus();
  // By caller, so that no one can spoil another one's upload. The name is made of
  // a digest: a caller's name may hold what a file's name may not.
  const std::string partial =
      StrCat(directory_, "/", HexEncode(Sha256(StrCat(caller, "\n", HexEncode(part.sha256())))),
             kPartialSuffix);
  const bool begins = part.offset() == 0;
  if (begins) Remove(partial);
  const UniqueFd file(::open(
      partial.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | (begins ? O_CREAT | O_EXCL : 0), 0600));
  if (!file.valid() && (begins || errno != ENOENT)) {
    return ErrnoStatus(StrCat("open ", partial), errno);
  }
  uint64_t have = 0;
  if (file.valid()) {
    DRAGNET_ASSIGN_OR_RETURN(have, SizeOfFile(file.get(), partial));
  }
  if (have != part.offset()) {
    return absl::FailedPreconditionError(
        StrCat("offset ", part.offset(), ": ", have, " bytes are here; begin again at 0"));
  }
  // For each part, not only the first: many may begin while there is room for one.
  const uint64_t more = Cost(have + part.data().size()) - (begins ? 0 : Cost(have));
  if (used_ + (begins ? Cost(part.size()) : more) > max_bytes_) {
    ::unlink(partial.c_str());
    if (!begins) used_ -= std::min(used_, Cost(have));
    return absl::ResourceExhaustedError(
        StrCat("the blobs that valid actions name take ", max_bytes_, " bytes already"));
  }
  used_ += more;
  if (::lseek(file.get(), static_cast<off_t>(have), SEEK_SET) < 0) {
    return ErrnoStatus(StrCat("seek ", partial), errno);
  }
  DRAGNET_RETURN_IF_ERROR(WriteAll(file.get(), part.data()));
  if (have + part.data().size() < part.size()) return absl::OkStatus();
  if (::fsync(file.get()) != 0) return ErrnoStatus(StrCat("sync ", partial), errno);
  DRAGNET_ASSIGN_OR_RETURN(const std::string content, ReadAt(file.get(), partial, 0, part.size()));
  if (Sha256(content) != part.sha256()) {
    Remove(partial);
    return absl::InvalidArgumentError("the content has another SHA-256");
  }
  if (::rename(partial.c_str(), PathOf(part.sha256()).c_str()) != 0) {
    return ErrnoStatus(StrCat("rename ", partial), errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> BlobFiles::ReadPart(std::string_view sha256, uint64_t offset) const {
  if (sha256.size() != kDigestBytes || offset > kMaxBlobBytes) return std::string();
  const std::string path = PathOf(sha256);
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid() && errno == ENOENT) return std::string();
  if (!file.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  return ReadAt(file.get(), path, offset, kMaxBlobPartBytes);
}

absl::Status BlobFiles::KeepUntil(std::string_view sha256, absl::Time until) {
  absl::MutexLock lock(&mutex_);
  const std::string path = PathOf(sha256);
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  if (absl::TimeFromTimespec(info.st_mtim) >= until) return absl::OkStatus();
  return SetUsedUntil(path, until);
}

void BlobFiles::RemoveUnused(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    struct stat info;
    if (::lstat(entry.path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    if (absl::TimeFromTimespec(info.st_mtim) + kGrace < now) ::unlink(entry.path().c_str());
  }
  CountUsed();
}

}  // namespace dragnet::scheduler
