#include "agent/link/monitor_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"

namespace dragnet {
namespace {

absl::Status Gone() { return absl::OutOfRangeError("the monitor is gone"); }

}  // namespace

absl::Status MonitorSocket::Read() {
  std::array<char, 16 * 1024> buffer;
  ssize_t got;
  do {
    got = ::read(fd_.get(), buffer.data(), buffer.size());
  } while (got < 0 && errno == EINTR);
  if (got == 0 || (got < 0 && errno == ECONNRESET)) return Gone();
  if (got < 0) return ErrnoStatus("read from the monitor", errno);
  decoder_.Append({buffer.data(), static_cast<size_t>(got)});
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ipc::MonitorToLink>> MonitorSocket::Next() {
  DRAGNET_ASSIGN_OR_RETURN(std::optional<std::string> bytes, decoder_.Next());
  if (!bytes.has_value()) return std::nullopt;
  ipc::MonitorToLink message;
  DRAGNET_RETURN_IF_ERROR(ParseStrict(*bytes, kMaxFrameBytes, &message));
  return message;
}

absl::Status MonitorSocket::Write(const ipc::LinkToMonitor& message) {
  DRAGNET_ASSIGN_OR_RETURN(std::string frame, EncodeFrame(message));
  std::string_view rest = frame;
  while (!rest.empty()) {
    ssize_t sent = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return Gone();
    if (sent < 0) return ErrnoStatus("write to the monitor", errno);
    rest.remove_prefix(static_cast<size_t>(sent));
  }
  return absl::OkStatus();
}

}  // namespace dragnet
