// Root's commands on a directory of another user.
//
// The scheduler's user owns the directory of its store, so it can put a symbolic
// link where root is about to make, open, link or rename a file. As long as one of
// these lives, root acts as that user: it can't be led to what that user couldn't
// touch itself, and what it makes belongs to that user.
//
// For the whole process, so only for a command of one thread. Does nothing for
// who isn't root, and for a directory of root's.
#pragma once

#include <grp.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::scheduler {

class ActAsOwner {
 public:
  // NotFound when there is no such directory; PermissionDenied when root may not
  // become its owner.
  static absl::StatusOr<std::unique_ptr<ActAsOwner>> Of(const std::string& directory);
  // Root again.
  ~ActAsOwner();
  ActAsOwner(const ActAsOwner&) = delete;
  ActAsOwner& operator=(const ActAsOwner&) = delete;

  // " (as user 998, whom /var/lib/… belongs to)"; nothing if nothing was changed.
  const std::string& words() const { return words_; }

 private:
  ActAsOwner() = default;

  bool changed_ = false;
  gid_t group_ = 0;
  std::vector<gid_t> groups_;
  std::string words_;
};

}  // namespace dragnet::scheduler
