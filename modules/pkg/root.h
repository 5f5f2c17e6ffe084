// A system to look at: / or a directory that holds an image or a container's
// files. Whoever made an image may have made its links: nothing outside of the
// root is reached through them. Paths are absolute, seen from the root.
// Thread-safe.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/unique_fd.h"

namespace dragnet::pkg {

class Root {
 public:
  // `path` is absolute. An error says why it can't be opened.
  static absl::StatusOr<Root> Open(const std::string& path);

  const std::string& path() const { return path_; }
  bool is_host() const { return path_ == "/"; }

  // openat(2) with `flags` and O_CLOEXEC; links are followed within the root,
  // with O_NOFOLLOW not at the path's end. On failure the descriptor is not valid
  // and errno tells why.
  UniqueFd OpenAt(std::string_view path, int flags) const;

  // A regular file for reading; never waits, never opens anything else (errno is
  // then EINVAL).
  UniqueFd OpenFile(std::string_view path, bool follow_last = true) const;

  // Of the path itself, not of what a link at its end leads to. False with errno.
  bool Status(std::string_view path, struct stat* status) const;

  // Target of a symbolic link. False with errno.
  bool ReadLink(std::string_view path, std::string* target) const;

  // For tests: as on kernels, or in sandboxes, without openat2(2).
  void DoWithoutOpenat2() { use_openat2_ = false; }

 private:
  Root(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  UniqueFd Resolve(std::string_view path, int flags) const;
  // The directory that a path's last part is in, and that part.
  UniqueFd OpenParent(std::string_view path, std::string* name) const;

  std::string path_;
  UniqueFd fd_;
  bool use_openat2_ = true;
};

// Names in an open directory, without . and ..; at most `max_names`.
// `*truncated` when there are more. False with errno.
bool ListDirectory(int fd, size_t max_names, std::vector<std::string>* names, bool* truncated);

}  // namespace dragnet::pkg
