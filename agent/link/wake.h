// Wakes an event loop that waits in poll(2) from another thread: an eventfd.
// Wake() is thread-safe; the rest belongs to the loop.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "core/unique_fd.h"

namespace dragnet {

class Wake {
 public:
  Wake() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  // Readable after Wake() until Clear().
  int fd() const { return fd_.get(); }

  void operator()() const {
    // Fails only when the counter is full: the loop will wake in any case.
    if (::eventfd_write(fd_.get(), 1) != 0) return;
  }
  void Clear() const {
    eventfd_t count;
    if (::eventfd_read(fd_.get(), &count) != 0) return;
  }

 private:
  UniqueFd fd_;
};

}  // namespace dragnet
