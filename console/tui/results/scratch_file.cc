#include "console/tui/results/scratch_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "core/file_io.h"
#include "core/mutex.h"
#include "core/strings.h"
#include "core/unique_fd.h"

namespace dragnet::console::tui {
namespace {

constexpr mode_t kMode = 0600;

class UnlinkedFile : public ScratchFile {
 public:
  UnlinkedFile(UniqueFd fd, std::string directory)
      : fd_(std::move(fd)), directory_(std::move(directory)) {}

  absl::StatusOr<uint64_t> Append(std::string_view bytes) override {
    const WaitableMutex::Lock lock(mutex_);
    uint64_t at = end_;
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return ErrnoStatus(StrCat("write a temporary file in ", directory_), errno);
      at += static_cast<uint64_t>(written);
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    const uint64_t begin = end_;
    end_ = at;
    return begin;
  }

  absl::Status Read(uint64_t offset, size_t most, std::string* bytes) const override {
    bytes->resize(most);
    size_t taken = 0;
    while (taken < most) {
      const ssize_t count = ::pread(fd_.get(), bytes->data() + taken, most - taken,
                                    static_cast<off_t>(offset + taken));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) {
        bytes->clear();
        return ErrnoStatus(StrCat("read a temporary file in ", directory_), errno);
      }
      if (count == 0) break;
      taken += static_cast<size_t>(count);
    }
    bytes->resize(taken);
    return absl::OkStatus();
  }

 private:
  const UniqueFd fd_;
  const std::string directory_;
  WaitableMutex mutex_;
  // What lies behind it was written by a call that failed.
  uint64_t end_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ScratchFile>> NewScratchFile(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMode));
  // Some file systems have no files without a name: one is made and removed at once.
  if (!fd.valid() && (errno == EOPNOTSUPP || errno == EISDIR)) {
    std::string path = directory + "/dragnet-XXXXXX";
    fd.Reset(::mkostemp(path.data(), O_CLOEXEC));
    if (fd.valid() && ::unlink(path.c_str()) != 0)
      return ErrnoStatus(StrCat("remove ", path), errno);
  }
  if (!fd.valid()) {
    const absl::Status status = ErrnoStatus(StrCat("make a temporary file in ", directory), errno);
    return absl::Status(status.code(), StrCat(status.message(),
                                              " (set TMPDIR to a directory "
                                              "that can be written)"));
  }
  return std::make_unique<UnlinkedFile>(std::move(fd), directory);
}

std::string ScratchDirectory() {
  const char* const directory = std::getenv("TMPDIR");
  return directory == nullptr || *directory == '\0' ? "/tmp" : directory;
}

}  // namespace dragnet::console::tui
