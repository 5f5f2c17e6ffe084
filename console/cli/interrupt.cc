#include "console/cli/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>

namespace dragnet::console {
namespace {

// Signal handlers have no object: these belong to the one that lives.
std::atomic<bool> raised_flag{false};
std::atomic<int> wake_fd{-1};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void OnSignal(int) {
  raised_flag.store(true);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(wake_fd.load(), &one, sizeof one);
}

}  // namespace

Interrupt::Interrupt() {
  raised_flag.store(false);
  wake_fd.store(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  struct sigaction action{};
  action.sa_handler = OnSignal;
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &previous_int_);
  ::sigaction(SIGTERM, &action, &previous_term_);
}

Interrupt::~Interrupt() {
  ::sigaction(SIGINT, &previous_int_, nullptr);
  ::sigaction(SIGTERM, &previous_term_, nullptr);
  ::close(wake_fd.exchange(-1));
}

bool Interrupt::raised() const { return raised_flag.load(); }

bool Interrupt::WaitFor(absl::Duration duration) const {
  pollfd item{wake_fd.load(), POLLIN, 0};
  ::poll(&item, 1, static_cast<int>(absl::ToInt64Milliseconds(duration)));
  return raised();
}

}  // namespace dragnet::console
