// The child that speaks to schedulers, kept alive, and the frames exchanged
// with it. Everything that comes from it is hostile: it stands in the network.
//
// Used by an event loop, like WorkerRun. Not thread-safe.
#pragma once

#include <poll.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/ipc/frame.h"
#include "agent/ipc/ipc.pb.h"
#include "agent/sandbox/spawn.h"

namespace dragnet {

struct LinkEnvironment {
  std::string program;  // absolute path of dragnet-link
  std::optional<sandbox::UserAndGroup> user;
  int host_network_fd = -1;  // -1: the monitor is in it
  bool allow_missing_walls = false;
};

class LinkProcess {
 public:
  // Bytes that wait for the link to read them; callers hold back above this.
  static constexpr size_t kOutputHighWater = 1024 * 1024;

  explicit LinkProcess(LinkEnvironment environment) : environment_(std::move(environment)) {}

  // Starts it if it doesn't run and its back-off has passed. `start` is its
  // first message. True when it was started now.
  bool EnsureRunning(const ipc::LinkStart& start);
  bool running() const { return socket_.valid(); }
  // Ends it, to be started again at once with another `start`.
  void Restart(std::string_view why);
  // Held: it is ended, and not started until it is let go, and then at once.
  void Hold(bool held);
  bool held() const { return held_; }

  void AddPollFds(std::vector<pollfd>* fds) const;
  // When to go on although no descriptor is ready, on SteadyNow's scale: the
  // next start, or at once when messages wait that were read already.
  absl::Time deadline() const;

  // Queues a message. Dropped when the link doesn't run.
  void Send(const ipc::MonitorToLink& message);
  bool has_room() const { return output_.size() < kOutputHighWater; }

  // Writes what is queued and reads what is there; `handle` gets each message.
  // A link that breaks the protocol or ends is killed and started anew later.
  // Bounded work, whatever the link writes.
  void Advance(const std::function<void(const ipc::LinkToMonitor&)>& handle);

 private:
  absl::Status Start();
  absl::Status Write();
  absl::Status Read(const std::function<void(const ipc::LinkToMonitor&)>& handle);
  absl::Status TakeMessages(const std::function<void(const ipc::LinkToMonitor&)>& handle,
                            int* messages);
  void LogItsWords();
  void Lose(const absl::Status& why);
  // How it ended, if it ran.
  std::string End();

  const LinkEnvironment environment_;
  sandbox::Child child_;
  UniqueFd socket_;
  UniqueFd stderr_;  // what it writes there, line by line into our log
  FrameDecoder decoder_;
  // The decoder may hold another whole message.
  bool maybe_more_ = false;
  std::string output_;
  absl::Time started_;
  absl::Time restart_time_ = absl::InfinitePast();
  absl::Duration back_off_;
  bool held_ = false;
};

}  // namespace dragnet
