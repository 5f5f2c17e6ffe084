#include "console/packs/pack_directory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "console/packs/pack_loader.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"

namespace dragnet::console {
namespace {

absl::StatusOr<std::string> RealPath(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> resolved(::realpath(path.c_str(), nullptr),
                                                          &::free);
  if (resolved == nullptr) return ErrnoStatus(StrCat("open ", path), errno);
  return std::string(resolved.get());
}

absl::StatusOr<std::string> ReadRegular(const std::string& path, const std::string& shown,
                                        size_t max_bytes) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(StrCat("open ", shown), errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(StrCat("stat ", shown), errno);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(StrCat(shown, ": not a regular file"));
  }
  std::string content;
  char buffer[65536];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got == 0) return content;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(StrCat("read ", shown), errno);
    content.append(buffer, static_cast<size_t>(got));
    if (content.size() > max_bytes) {
      return absl::InvalidArgumentError(StrCat(shown, ": larger than ", max_bytes >> 10, " KiB"));
    }
  }
}

}  // namespace

absl::StatusOr<std::string> ReadWithin(const std::string& directory, const std::string& name,
                                       size_t max_bytes) {
  const std::string shown = directory.empty() ? name : StrCat(directory, "/", name);
  DRAGNET_ASSIGN_OR_RETURN(std::string within, RealPath(directory.empty() ? "." : directory));
  DRAGNET_ASSIGN_OR_RETURN(const std::string path, RealPath(shown));
  if (within != "/") within.push_back('/');
  if (!path.starts_with(within)) {
    return absl::PermissionDeniedError(
        StrCat(shown, ": a link that leads out of the directory of the pack"));
  }
  return ReadRegular(path, shown, max_bytes);
}

std::optional<Pack> LoadPack(const std::string& path, const PackOptions& options,
                             std::map<std::string, bool>* set_used, Problems* problems) {
  const size_t slash = path.rfind('/');
  // Of a file in /, the directory is ""; with a dot it isn't taken for the current one.
  const std::string directory = slash == std::string::npos ? ""
                                : slash == 0               ? "/."
                                                           : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const PackFileSource source = [&](const std::string& file, size_t max_bytes) {
    return ReadWithin(directory, file, max_bytes);
  };
  return LoadPackFrom(source, directory, name, options, set_used, problems);
}

}  // namespace dragnet::console
