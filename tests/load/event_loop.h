// epoll and timers for the calls and agents of one process. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "absl/time/time.h"
#include "core/unique_fd.h"

namespace dragnet::load {

class GrpcCall;

// Something that is woken at a time.
class Timed {
 public:
  virtual ~Timed() = default;
  virtual void OnDue() = 0;

 private:
  friend class EventLoop;
  absl::Time due_ = absl::InfiniteFuture();
};

class EventLoop {
 public:
  EventLoop();

  // Monotonic; read once a turn.
  absl::Time now() const { return now_; }
  // Reads it anew.
  absl::Time Now();
  // Wakes it then, once. An earlier time than the last one replaces it, a later
  // one doesn't: whoever is woken too early arms itself anew.
  void Arm(Timed& timed, absl::Time when);
  void Disarm(Timed& timed) { timed.due_ = absl::InfiniteFuture(); }

  // Runs before anything that was queued in a turn is written to a socket.
  void BeforeWrites(std::function<void()> function) { before_writes_ = std::move(function); }
  // One turn: waits for at most `longest`.
  void Turn(absl::Duration longest);

 private:
  friend class GrpcCall;
  struct Entry {
    absl::Time when;
    Timed* timed;
    bool operator<(const Entry& other) const { return when > other.when; }
  };

  void Add(GrpcCall& call, int fd, uint32_t events);
  void Change(GrpcCall& call, int fd, uint32_t events);
  void Drop(int fd);
  // Its Advance() is called at the end of the turn.
  void Queue(GrpcCall& call);
  void Remove(GrpcCall& call);
  void AdvanceQueued();
  void RunDue();

  UniqueFd epoll_;
  absl::Time now_;
  std::priority_queue<Entry> timers_;
  std::vector<GrpcCall*> queued_;
  std::vector<GrpcCall*> advancing_;
  std::function<void()> before_writes_;
};

}  // namespace dragnet::load
