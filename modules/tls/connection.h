// A TCP connection that can't hold anyone up: every wait has a deadline. Not
// thread-safe; one owner.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "core/unique_fd.h"
#include "modules/ping/endpoint.h"

namespace dragnet::tls {

class Connection {
 public:
  // 0, or errno (ETIMEDOUT when nobody answers). Deadlines are of ping::MonotonicNow.
  int Open(const ping::Endpoint& endpoint, absl::Duration deadline);

  // 0, or errno.
  int Send(std::string_view bytes, absl::Duration deadline);

  // Bytes as they come, at most 16 KiB; none when the peer has closed.
  // 0, or errno: ETIMEDOUT, ECONNRESET, ….
  int Receive(absl::Duration deadline, std::string* bytes);

 private:
  UniqueFd fd_;
};

}  // namespace dragnet::tls
