#include "scheduler/store/act_as_owner.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::scheduler {

absl::StatusOr<std::unique_ptr<ActAsOwner>> ActAsOwner::Of(const std::string& directory) {
  std::unique_ptr<ActAsOwner> act(new ActAsOwner);
  struct stat info = {};
  if (::stat(directory.c_str(), &info) != 0) return ErrnoStatus(StrCat("stat ", directory), errno);
  if (::geteuid() != 0 || info.st_uid == 0) return act;
  const int count = ::getgroups(0, nullptr);
  if (count < 0) return ErrnoStatus("getgroups", errno);
  act->groups_.resize(static_cast<size_t>(count));
  if (::getgroups(count, act->groups_.data()) < 0) return ErrnoStatus("getgroups", errno);
  act->group_ = ::getegid();
  // From here on the destructor takes back what was done.
  act->changed_ = true;
  act->words_ = StrCat(" (as user ", info.st_uid, ", whom ", directory, " belongs to)");
  // The user last: only root may change the others.
  if (::setgroups(1, &info.st_gid) != 0 || ::setegid(info.st_gid) != 0 ||
      ::seteuid(info.st_uid) != 0)
    return ErrnoStatus(StrCat("become user ", info.st_uid, ", whom ", directory, " belongs to"),
                       errno);
  return act;
}

ActAsOwner::~ActAsOwner() {
  if (!changed_) return;
  // Whoever can't be itself again must not go on as someone in between.
  if (::seteuid(0) != 0 || ::setegid(group_) != 0 ||
      ::setgroups(groups_.size(), groups_.data()) != 0)
    std::abort();
}

}  // namespace dragnet::scheduler
