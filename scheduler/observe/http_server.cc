#include "scheduler/observe/http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/unique_fd.h"

namespace dragnet::scheduler {
namespace {

// Who scrapes comes once in a while. Further ones wait in the kernel's queue, as
// long as it is; who says nothing is cut off.
constexpr unsigned kMaxConnections = 16;
constexpr unsigned kSecondsOfSilence = 10;
// For a request's line and headers, and what is written to it.
constexpr size_t kConnectionBytes = 16 * 1024;
constexpr unsigned kThreads = 2;

struct Endpoint {
  sockaddr_storage address = {};
  socklen_t size = 0;
  std::string host;

  bool IsLoopback() const {
    if (address.ss_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
      return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
    }
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    return address.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
  }
};

absl::StatusOr<Endpoint> ParseEndpoint(const std::string& address) {
  const absl::Status wrong = absl::InvalidArgumentError(
      StrCat("\"", address, "\": give address:port, e.g. 127.0.0.1:7480"));
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return wrong;
  // getaddrinfo() takes 99999 for 34463, and nothing for 0.
  uint32_t port = 0;
  if (!absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) return wrong;
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints, &found) != 0)
    return wrong;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  Endpoint endpoint;
  std::memcpy(&endpoint.address, found->ai_addr, found->ai_addrlen);
  endpoint.size = found->ai_addrlen;
  endpoint.host = address.substr(0, colon);
  return endpoint;
}

absl::StatusOr<Endpoint> AllowedEndpoint(const std::string& address, bool allow_remote) {
  DRAGNET_ASSIGN_OR_RETURN(Endpoint endpoint, ParseEndpoint(address));
  if (!allow_remote && !endpoint.IsLoopback())
    return absl::InvalidArgumentError(
        StrCat("\"", address,
               "\" can be reached from other machines, and there is no encryption nor any question "
               "who asks: use a loopback address, or set metrics_allow_remote = true"));
  return endpoint;
}

absl::StatusOr<UniqueFd> ListenOn(const Endpoint& endpoint, const std::string& address) {
  UniqueFd socket(
      ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (!socket.valid() ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.size) !=
          0 ||
      ::listen(socket.get(), static_cast<int>(kMaxConnections)) != 0)
    return absl::UnavailableError(StrCat("listen on ", address, ": ", std::strerror(errno)));
  return socket;
}

int PortOf(int socket) {
  sockaddr_storage bound = {};
  socklen_t size = sizeof(bound);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  return ntohs(bound.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
}

class MicroHttpServer : public HttpServer {
 public:
  explicit MicroHttpServer(HttpHandler handler) : handler_(std::move(handler)) {}
  ~MicroHttpServer() override {
    if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
  }

  absl::Status Listen(const Endpoint& endpoint, const std::string& address) {
    DRAGNET_ASSIGN_OR_RETURN(UniqueFd socket, ListenOn(endpoint, address));
    address_ = StrCat(endpoint.host, ":", PortOf(socket.get()));
    // epoll, because select(2) can't name descriptors above 1024, of which a
    // scheduler with a fleet has thousands.
    daemon_ = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, nullptr, nullptr, &MicroHttpServer::OnRequest, this,
        MHD_OPTION_LISTEN_SOCKET, socket.get(), MHD_OPTION_CONNECTION_LIMIT, kMaxConnections,
        MHD_OPTION_CONNECTION_TIMEOUT, kSecondsOfSilence, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        kConnectionBytes, MHD_OPTION_THREAD_POOL_SIZE, kThreads, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_END);
    if (daemon_ == nullptr)
      return absl::UnavailableError(StrCat("listen on ", address, ": could not start"));
    // The daemon closes it.
    socket.Release();
    return absl::OkStatus();
  }

  const std::string& address() const override { return address_; }

 private:
  // Answers at once, as soon as the headers are there: a body is never read.
  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char*, const char*, size_t*, void**) {
    if (std::strcmp(method, MHD_HTTP_METHOD_GET) != 0)
      return Send(connection, {.status = 405, .body = "only GET\n"});
    return Send(connection, static_cast<MicroHttpServer*>(self)->handler_(url));
  }

  static MHD_Result Send(MHD_Connection* connection, const HttpAnswer& answer) {
    MHD_Response* response = MHD_create_response_from_buffer(
        answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
    if (response == nullptr) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", answer.content_type.c_str());
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    // No one keeps one of the few connections.
    MHD_add_response_header(response, "Connection", "close");
    if (answer.status == 405) MHD_add_response_header(response, "Allow", "GET");
    const MHD_Result queued =
        MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
    MHD_destroy_response(response);
    return queued;
  }

  const HttpHandler handler_;
  std::string address_;
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace

absl::Status CheckHttpAddress(const std::string& address, bool allow_remote) {
  return AllowedEndpoint(address, allow_remote).status();
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address,
                                                              bool allow_remote,
                                                              HttpHandler handler) {
  DRAGNET_ASSIGN_OR_RETURN(const Endpoint endpoint, AllowedEndpoint(address, allow_remote));
  auto server = std::make_unique<MicroHttpServer>(std::move(handler));
  DRAGNET_RETURN_IF_ERROR(server->Listen(endpoint, address));
  return server;
}

}  // namespace dragnet::scheduler
