// A disk that is soon full. Not thread-safe.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>

#include "core/strings.h"
#include "core/unique_fd.h"
#include "tests/harness/files.h"
#include "tests/harness/need.h"

namespace dragnet::testing {

// A file system of its own in memory. Only root can mount it.
class SmallDisk {
 public:
  SmallDisk(const std::string& path, int megabytes) : path_(path) {
    MakeDirectory(path_);
    const std::string options = StrCat("size=", megabytes, "m,mode=755");
    mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  const std::string& path() const { return path_; }

  void Fill() const {
    const UniqueFd file(::open(Ballast().c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    Need(file.valid(), "open", Ballast());
    const std::string block(4096, 'x');
    while (::write(file.get(), block.data(), block.size()) > 0) continue;
    Need(errno == ENOSPC, "fill the disk");
  }
  void MakeRoom() const { Need(::unlink(Ballast().c_str()) == 0, "unlink", Ballast()); }

 private:
  std::string Ballast() const { return path_ + "/ballast"; }

  std::string path_;
  bool mounted_ = false;
};

}  // namespace dragnet::testing
