// Stands between a link and its scheduler: forwards, or swallows everything in
// silence as a dead network does, or breaks all connections. One thread of its
// own. Thread-safe.
#pragma once

#include <netinet/in.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "core/unique_fd.h"

namespace dragnet::testing {

class TcpProxy {
 public:
  // Listens on 127.0.0.1:port and connects to 127.0.0.1:target. It lives in the
  // network namespace of the thread that makes it.
  TcpProxy(int port, int target) : TcpProxy(port, "127.0.0.1", target) {}
  // Connects to host:target; `host` is an IPv4 address.
  TcpProxy(int port, const std::string& host, int target);
  ~TcpProxy();

  // While black-holed nothing is read or written, in either direction, and new
  // connections are taken by no one.
  void BlackHole();
  void Heal();
  // While held, nothing goes from the target to who connected; the other way it does.
  // In force when it returns.
  void HoldAnswers(bool hold);
  // Resets what is open now, with what is on its way. Done when it returns.
  void BreakConnections();
  // Bytes forwarded so far, both ways.
  uint64_t forwarded() const { return forwarded_; }

 private:
  void Run();
  void Wake() const;
  void WaitForTurn() const;

  const sockaddr_in target_;
  UniqueFd listener_;
  UniqueFd wake_;
  std::atomic<bool> black_hole_ = false;
  std::atomic<bool> hold_answers_ = false;
  std::atomic<bool> break_ = false;
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> turns_ = 0;
  std::atomic<uint64_t> forwarded_ = 0;
  std::jthread thread_;
};

}  // namespace dragnet::testing
