#include "scheduler/store/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::scheduler {

absl::StatusOr<UniqueFd> TakeStoreLock(const std::string& store) {
  const std::string lock_path = store + ".lock";
  UniqueFd lock(::open(lock_path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!lock.valid()) return ErrnoStatus(StrCat("open ", lock_path), errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return absl::UnavailableError(
        StrCat(store, ": another dragnet-scheduler runs on this store: stop it first"));
  return lock;
}

}  // namespace dragnet::scheduler
