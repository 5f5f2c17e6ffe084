// The link's end of the socket pair to the monitor. Not thread-safe.
#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/ipc/frame.h"
#include "agent/ipc/ipc.pb.h"
#include "core/unique_fd.h"

namespace dragnet {

class MonitorSocket {
 public:
  explicit MonitorSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }

  // Reads once; blocks if nothing is there. OutOfRange when the monitor is gone.
  absl::Status Read();

  // The next message of what was read; nothing when more must be read.
  // InvalidArgument when the monitor doesn't keep to the protocol.
  absl::StatusOr<std::optional<ipc::MonitorToLink>> Next();

  // Blocks until the monitor has taken it, which is how the monitor holds the
  // scheduler back. OutOfRange when it is gone.
  absl::Status Write(const ipc::LinkToMonitor& message);

 private:
  UniqueFd fd_;
  FrameDecoder decoder_;
};

}  // namespace dragnet
