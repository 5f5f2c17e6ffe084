// A small HTTP/1.1 server for those who look at the scheduler from outside:
// GET only, a few connections, nothing taken from a request but its path.
// libmicrohttpd does the protocol; http_server.cc is the only file that knows.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace dragnet::scheduler {

struct HttpAnswer {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// What is at `path`, which has no query. Called on threads of the server.
using HttpHandler = std::function<HttpAnswer(const std::string& path)>;

class HttpServer {
 public:
  // `address` is host:port with a numeric host, port 0 for any free one.
  // InvalidArgument for another form, and for one that is not on loopback unless
  // `allow_remote`; Unavailable, with the system's words, when it can't be
  // listened on.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address,
                                                           bool allow_remote, HttpHandler handler);
  // Ends all connections and waits for the handler.
  virtual ~HttpServer() = default;

  // host:port with the real port.
  virtual const std::string& address() const = 0;
};

// InvalidArgument as Start has it, without listening.
absl::Status CheckHttpAddress(const std::string& address, bool allow_remote);

}  // namespace dragnet::scheduler
