// What a service tells the manager that started it (systemd; sd_notify(3)'s
// protocol): that it is ready, how it stands, that it ends, and, where the manager
// keeps a watchdog over it, that it still comes round.
//
// Where no manager asked for it (no NOTIFY_SOCKET), all of it does nothing.
//
// The environment is left as it is: after execve(2) into another version the
// successor, which has the same process id, finds the same variables.
//
// Made for a loop: nothing blocks. What the manager's queue had no room for is told
// in a later turn. Not thread-safe; one owner.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/unique_fd.h"

namespace dragnet {

class ServiceNotifier {
 public:
  // What a manager leaves in the environment: NOTIFY_SOCKET, WATCHDOG_USEC and
  // WATCHDOG_PID. Unset or empty: not asked for.
  struct Variables {
    std::string socket;
    std::string watchdog_microseconds;
    std::string watchdog_pid;
  };
  static Variables FromEnvironment();

  // Nobody there: everything does nothing.
  ServiceNotifier() = default;

  // Opens the socket at once, and keeps it: an abstract name ("@…") is known in the
  // network namespace where it was made only, and the caller may leave that. The
  // watchdog counts for the process `self` only.
  // InvalidArgument for a variable that can't be understood, else as connect(2) fails.
  static absl::StatusOr<ServiceNotifier> Open(const Variables& variables, pid_t self);

  // Open() with this process's environment. What goes wrong there is told in *problem
  // (one line), and then nobody is there: no reason for a service not to run.
  static ServiceNotifier OpenFromEnvironment(std::string* problem);

  bool is_open() const { return socket_.valid(); }
  bool has_watchdog() const { return watchdog_ < absl::InfiniteDuration(); }

  // Start-up is over.
  void SetReady();
  // One line for people, at most 512 bytes of it; made safe, so that it can be
  // nothing else than a status whoever it came from. Told at most once a second.
  void SetStatus(std::string_view text);

  // Each turn of the loop: tells what there is to tell. The watchdog hears of the
  // loop when half of its time has passed.
  void Advance();
  // When to turn again although nothing else happens, on SteadyNow's scale.
  absl::Time deadline() const;

  // Begins the watchdog's time anew at once: before what may take long, as execve(2)
  // into a version that has to start first.
  void KeepAlive();

  // The end was begun. Told at once, or never.
  void Stopping();

 private:
  // False: not now.
  bool Send(std::string_view state);
  bool has_news() const { return ready_wanted_ || status_ != told_status_; }

  std::string address_;  // a sockaddr_un, to connect anew; empty for an abstract name
  UniqueFd socket_;
  absl::Duration watchdog_ = absl::InfiniteDuration();
  absl::Time next_keep_alive_ = absl::InfiniteFuture();
  absl::Time next_news_ = absl::InfinitePast();
  bool ready_wanted_ = false;
  std::string status_;
  std::string told_status_;
};

}  // namespace dragnet
