// An HTTP proxy that does CONNECT, or what a test tells it to do instead. A thread of its
// own for each connection. Thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/unique_fd.h"

namespace dragnet::testing {

class ConnectProxy {
 public:
  enum class Behaviour {
    kConnect,
    // Reads the request and says nothing.
    kHang,
    // Answers what isn't HTTP.
    kGarbage,
    // Closes the connection without an answer.
    kClose,
    // An answer of which the headers never end.
    kEndless,
    // "403 Forbidden".
    kRefuse,
    // "200" and then what isn't the scheduler: it speaks no TLS.
    kImpostor,
  };
  struct Options {
    Behaviour behaviour = Behaviour::kConnect;
    // The Proxy-Authorization that it wants, e.g. "Basic dTpw"; empty: none.
    std::string authorization = {};
    // 0: any port.
    int port = 0;
  };

  // Listens on 127.0.0.1.
  ConnectProxy() : ConnectProxy(Options()) {}
  explicit ConnectProxy(Options options);
  ~ConnectProxy();

  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  // Headers of every request that came, as they came.
  std::vector<std::string> requests() const;
  // How many connections were made to where they asked for.
  int tunnels() const;

 private:
  void Accept();
  void Serve(UniqueFd client);
  // Until both have ended, or this is.
  void Forward(int client, int server) const;
  // False when this ends.
  bool WaitFor(int fd) const;
  std::string ReadRequest(int client) const;

  const Options options_;
  UniqueFd listener_;
  UniqueFd stop_;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  int tunnels_ = 0;
  std::list<std::jthread> connections_;
  std::jthread acceptor_;
};

}  // namespace dragnet::testing
