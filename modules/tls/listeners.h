// TCP sockets that listen, from /proc/net/tcp and /proc/net/tcp6 (proc(5)).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "modules/ping/endpoint.h"

namespace dragnet::tls {

struct Listener {
  // As it is bound: 0.0.0.0 and :: are all addresses.
  ping::Endpoint bound;
  // Where this host reaches it: loopback for all addresses.
  ping::Endpoint reachable;
  uint16_t port = 0;
};

struct Listeners {
  // By address and port, each once.
  std::vector<Listener> found;
  // What could not be read, in words: "/proc/self/net/tcp: Permission denied".
  std::vector<std::string> unread;
};

// Of the network namespace that the calling thread is in.
Listeners FindListeners();

// The listeners in a file of that form; lines of other forms are passed over.
void ParseListeners(std::string_view text, bool is_v6, std::vector<Listener>* listeners);

}  // namespace dragnet::tls
