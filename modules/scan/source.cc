#include "modules/scan/source.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/strings.h"

namespace dragnet::scan {

size_t FileSource::Read(uint64_t offset, char* to, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = pread(fd_, to + done, size - done, static_cast<off_t>(offset + done));
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (n == 0) {
      break;
    } else if (errno != EINTR) {
      error_ = errno;
      break;
    }
  }
  return done;
}

absl::Status FileSource::status() const {
  if (error_ == 0) return absl::OkStatus();
  return absl::UnavailableError(StrCat("read: ", strerror(error_)));
}

size_t BufferSource::Read(uint64_t offset, char* to, size_t size) {
  if (offset >= bytes_.size()) return 0;
  const size_t n = std::min<size_t>(size, bytes_.size() - offset);
  std::copy_n(bytes_.data() + offset, n, to);
  return n;
}

const char* BufferSource::Direct(uint64_t offset, size_t size) const {
  if (offset > bytes_.size() || size > bytes_.size() - offset) return nullptr;
  return bytes_.data() + offset;
}

size_t MemorySource::Read(uint64_t offset, char* to, size_t size) {
  return std::min(size, read_(offset, to, size));
}

}  // namespace dragnet::scan
