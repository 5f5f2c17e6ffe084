// Stands between a link and its scheduler: forwards, or swallows everything in
// silence as a dead network does, or breaks all connections. One thread of its
// own. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "core/unique_fd.h"

namespace dragnet::testing {

class TcpProxy {
 public:
  // Listens on 127.0.0.1:port and connects to 127.0.0.1:target.
  TcpProxy(int port, int target);
  ~TcpProxy();

  // While black-holed nothing is read or written, in either direction, and new
  // connections are taken by no one.
  void BlackHole();
  void Heal();
  // Resets what is open now.
  void BreakConnections();
  // Bytes forwarded so far, both ways.
  uint64_t forwarded() const { return forwarded_; }

 private:
  void Run();
  void Wake() const;

  const int target_;
  UniqueFd listener_;
  UniqueFd wake_;
  std::atomic<bool> black_hole_ = false;
  std::atomic<bool> break_ = false;
  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> forwarded_ = 0;
  std::jthread thread_;
};

}  // namespace dragnet::testing
