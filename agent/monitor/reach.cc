#include "agent/monitor/reach.h"

#include <sys/stat.h>

#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet {

absl::Status CheckReachable(const std::string& path, const sandbox::UserAndGroup& user) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string directory = path.substr(0, slash);
    struct stat info;
    if (::stat(directory.c_str(), &info) != 0)
      return ErrnoStatus(StrCat("stat ", directory), errno);
    const mode_t needed = info.st_uid == user.uid   ? S_IXUSR
                          : info.st_gid == user.gid ? S_IXGRP
                                                    : S_IXOTH;
    if ((info.st_mode & needed) == 0) {
      return absl::FailedPreconditionError(StrCat("user id ", user.uid, " can't reach ", path,
                                                  ": chmod o+x ", directory,
                                                  ", or choose another place"));
    }
  }
  return absl::OkStatus();
}

}  // namespace dragnet
