#include "scheduler/server/listen_address.h"

#include <netdb.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <string>

#include "core/strings.h"
#include "core/unique_fd.h"

namespace dragnet::scheduler {

absl::Status CheckFree(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0)
    return absl::InvalidArgumentError(
        StrCat("listen = \"", address, "\": give host:port, e.g. 0.0.0.0:7443"));
  std::string host = address.substr(0, colon);
  const std::string port = address.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);

  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) {
    const std::string words = StrCat("listen = \"", address, "\": ", ::gai_strerror(error));
    // No name server yet, as while the host starts.
    return error == EAI_AGAIN ? absl::UnavailableError(words) : absl::InvalidArgumentError(words);
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  const UniqueFd socket(::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0));
  const int on = 1;
  // As gRPC does, so that connections of a scheduler that just ended don't count.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (!socket.valid() || ::bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::listen(socket.get(), 1) != 0)
    return absl::UnavailableError(StrCat("listen on ", address, ": ", std::strerror(errno)));
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
