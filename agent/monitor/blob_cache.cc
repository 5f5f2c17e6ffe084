#include "agent/monitor/blob_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/action.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

struct CachedFile {
  std::string path;
  uint64_t size = 0;
  timespec used{};
};

// Oldest use first.
absl::StatusOr<std::vector<CachedFile>> ListFiles(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory.c_str()), &::closedir);
  if (listing == nullptr) return ErrnoStatus(StrCat("open ", directory), errno);
  std::vector<CachedFile> files;
  while (const dirent* entry = ::readdir(listing.get())) {
    if (entry->d_name[0] == '.') continue;
    CachedFile file{.path = StrCat(directory, "/", std::string(entry->d_name))};
    struct stat info;
    if (::lstat(file.path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    file.size = static_cast<uint64_t>(info.st_size);
    file.used = info.st_mtim;
    files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(), [](const CachedFile& a, const CachedFile& b) {
    return std::pair(a.used.tv_sec, a.used.tv_nsec) < std::pair(b.used.tv_sec, b.used.tv_nsec);
  });
  return files;
}

std::string Name(std::string_view sha256) { return HexEncode(sha256); }

}  // namespace

absl::StatusOr<BlobCache> BlobCache::Open(const std::string& directory, uint64_t max_bytes) {
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(directory, 0700));
  BlobCache cache(directory, max_bytes);
  ::unlink(cache.PartialPath().c_str());
  return cache;
}

std::string BlobCache::PathOf(std::string_view sha256) const {
  return StrCat(directory_, "/", Name(sha256));
}

absl::StatusOr<UniqueFd> BlobCache::Find(const v1::Blob& blob) const {
  const std::string path = PathOf(blob.sha256());
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid()) return ErrnoStatus(StrCat("open ", path), errno);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  // The digest is checked by who reads it; another size can't have it.
  if (static_cast<uint64_t>(info.st_size) != blob.size()) {
    return absl::NotFoundError(StrCat("blob ", Name(blob.sha256()), ": has ", info.st_size,
                                      " bytes, the action says ", blob.size()));
  }
  return file;
}

void BlobCache::NoteUse(const v1::Blob& blob) {
  const timespec now[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  ::utimensat(AT_FDCWD, PathOf(blob.sha256()).c_str(), now, AT_SYMLINK_NOFOLLOW);
}

void BlobCache::StartFetch(const v1::Blob& blob) {
  if (fetch_.has_value()) return;
  fetch_ = Fetch{.blob = blob, .file = UniqueFd()};
}

std::optional<v1::BlobRequest> BlobCache::NextRequest() const {
  if (!fetch_.has_value()) return std::nullopt;
  v1::BlobRequest request;
  request.set_sha256(fetch_->blob.sha256());
  request.set_offset(fetch_->received);
  return request;
}

void BlobCache::CancelFetch() {
  fetch_.reset();
  ::unlink(PartialPath().c_str());
}

absl::Status BlobCache::AddPart(const v1::BlobPart& part) {
  if (!fetch_.has_value() || part.sha256() != fetch_->blob.sha256() ||
      part.offset() != fetch_->received) {
    return absl::OkStatus();
  }
  const std::string name = Name(part.sha256());
  absl::Status status;
  if (part.data().empty()) {
    status = absl::NotFoundError(StrCat("blob ", name, ": the scheduler doesn't have it"));
  } else if (part.data().size() > fetch_->blob.size() - fetch_->received) {
    status = absl::DataLossError(StrCat("blob ", name, ": longer than the action says"));
  } else if (fetch_->received == 0) {
    status = MakeRoom(fetch_->blob.size());
    if (status.ok()) {
      fetch_->file = UniqueFd(
          ::open(PartialPath().c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
      if (!fetch_->file.valid()) status = ErrnoStatus(StrCat("open ", PartialPath()), errno);
    }
  }
  if (status.ok()) status = WriteAll(fetch_->file.get(), part.data());
  if (status.ok()) fetch_->received += part.data().size();
  if (status.ok() && fetch_->received < fetch_->blob.size()) return status;
  if (status.ok()) status = Complete();
  CancelFetch();
  return status;
}

absl::Status BlobCache::Complete() {
  const v1::Blob& blob = fetch_->blob;
  std::string content(blob.size(), '\0');
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t count = ::pread(fetch_->file.get(), content.data() + done, content.size() - done,
                                  static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return ErrnoStatus(StrCat("read ", PartialPath()), count < 0 ? errno : EIO);
    done += static_cast<size_t>(count);
  }
  if (Sha256(content) != blob.sha256()) {
    return absl::DataLossError(
        StrCat("blob ", Name(blob.sha256()), ": what the scheduler sent has another SHA-256"));
  }
  if (::fsync(fetch_->file.get()) != 0) return ErrnoStatus(StrCat("sync ", PartialPath()), errno);
  const std::string path = PathOf(blob.sha256());
  if (::rename(PartialPath().c_str(), path.c_str()) != 0) {
    return ErrnoStatus(StrCat("rename ", PartialPath(), " to ", path), errno);
  }
  return absl::OkStatus();
}

absl::Status BlobCache::MakeRoom(uint64_t bytes) {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<CachedFile> files, ListFiles(directory_));
  uint64_t total = bytes;
  for (const CachedFile& file : files) total += file.size;
  for (const CachedFile& file : files) {
    if (total <= max_bytes_) break;
    // A worker that has it open keeps it.
    if (::unlink(file.path.c_str()) != 0 && errno != ENOENT) {
      return ErrnoStatus(StrCat("remove ", file.path), errno);
    }
    total -= file.size;
  }
  return absl::OkStatus();
}

}  // namespace dragnet
