#include "agent/monitor/link_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "agent/monitor/log.h"
#include "agent/sandbox/missing_walls.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/sanitizers.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"

namespace dragnet {
namespace {

constexpr int kSocketFd = 3;
// A link that writes without end must not keep the monitor from its workers,
// and each message may cost a commit.
constexpr int kMaxMessagesPerTurn = 32;
// What a link needs, and no more: its key and certificate, one thread per core
// and gRPC's own, for all links of its user on this host.
constexpr uint64_t kMaxFileBytes = 1 << 20;
constexpr uint64_t kMaxThreads = 4096;
[[maybe_unused]] constexpr uint64_t kMaxAddressSpace = uint64_t{4} << 30;
constexpr absl::Duration kMinBackOff = absl::Milliseconds(200);
constexpr absl::Duration kMaxBackOff = absl::Seconds(30);
// A link that ran this long was healthy.
constexpr absl::Duration kHealthyRun = absl::Minutes(1);

}  // namespace

bool LinkProcess::EnsureRunning(const ipc::LinkStart& start) {
  if (running() || held_ || SteadyNow() < restart_time_) return false;
  if (const absl::Status status = Start(); !status.ok()) {
    Lose(status);
    return false;
  }
  ipc::MonitorToLink message;
  *message.mutable_start() = start;
  Send(message);
  return true;
}

absl::Status LinkProcess::Start() {
  started_ = SteadyNow();
  auto pair = sandbox::NewSocketPair();
  if (!pair.ok()) return pair.status();
  sandbox::SpawnOptions options;
  options.program = environment_.program;
  if (environment_.allow_missing_walls) {
    options.arguments.push_back(sandbox::kAllowMissingWallsFlag);
  }
  // A pipe of its own: on the monitor's standard error it could forge the
  // monitor's lines, or change the descriptor that both share.
  DRAGNET_ASSIGN_OR_RETURN(sandbox::Pipe words, sandbox::NewPipe());
  options.fds = {{pair->second.get(), kSocketFd}, {words.write_end.get(), STDERR_FILENO}};
  options.user = environment_.user;
  if (environment_.host_network_fd >= 0) {
    options.network = sandbox::Network::kGiven;
    options.network_namespace_fd = environment_.host_network_fd;
  }
  options.limits.open_files = 256;
  options.limits.file_size_bytes = kMaxFileBytes;
#ifndef DRAGNET_ADDRESS_SANITIZER  // which maps terabytes
  options.limits.address_space_bytes = kMaxAddressSpace;
#endif
  if (environment_.user.has_value()) options.limits.processes = kMaxThreads;
  options.allow_missing_walls = environment_.allow_missing_walls;
  DRAGNET_ASSIGN_OR_RETURN(child_, sandbox::Spawn(options));
  socket_ = std::move(pair->first);
  if (::fcntl(socket_.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus("link socket", errno);
  stderr_ = std::move(words.read_end);
  if (::fcntl(stderr_.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus("link stderr", errno);
  decoder_ = FrameDecoder();
  maybe_more_ = false;
  output_.clear();
  return absl::OkStatus();
}

void LinkProcess::AddPollFds(std::vector<pollfd>* fds) const {
  if (!running()) return;
  const short events = output_.empty() ? POLLIN : POLLIN | POLLOUT;
  fds->push_back({socket_.get(), events, 0});
  if (stderr_.valid()) fds->push_back({stderr_.get(), POLLIN, 0});
}

absl::Time LinkProcess::deadline() const {
  if (!running()) return held_ ? absl::InfiniteFuture() : restart_time_;
  return maybe_more_ ? absl::InfinitePast() : absl::InfiniteFuture();
}

void LinkProcess::Send(const ipc::MonitorToLink& message) {
  if (!running()) return;
  const absl::StatusOr<std::string> frame = EncodeFrame(message);
  if (!frame.ok()) {
    LogWarning(StrCat("message to the link was dropped: ", frame.status().message()));
    return;
  }
  output_.append(*frame);
}

void LinkProcess::Advance(const std::function<void(const ipc::LinkToMonitor&)>& handle) {
  if (!running()) return;
  LogItsWords();
  absl::Status status = Write();
  if (status.ok()) status = Read(handle);
  if (!status.ok()) Lose(status);
}

absl::Status LinkProcess::Write() {
  size_t written = 0;
  while (written < output_.size()) {
    const ssize_t count =
        ::send(socket_.get(), output_.data() + written, output_.size() - written, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) return ErrnoStatus("write", errno);
    written += static_cast<size_t>(count);
  }
  output_.erase(0, written);
  if (output_.empty()) output_.shrink_to_fit();
  return absl::OkStatus();
}

absl::Status LinkProcess::Read(const std::function<void(const ipc::LinkToMonitor&)>& handle) {
  int messages = 0;
  DRAGNET_RETURN_IF_ERROR(TakeMessages(handle, &messages));
  char buffer[65536];
  while (!maybe_more_) {
    const ssize_t count = ::read(socket_.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return absl::OkStatus();
    if (count < 0) return ErrnoStatus("read", errno);
    if (count == 0) return absl::UnavailableError("it ended");
    decoder_.Append({buffer, static_cast<size_t>(count)});
    DRAGNET_RETURN_IF_ERROR(TakeMessages(handle, &messages));
  }
  return absl::OkStatus();
}

// Sets maybe_more_ when this turn's messages are used up.
absl::Status LinkProcess::TakeMessages(const std::function<void(const ipc::LinkToMonitor&)>& handle,
                                       int* messages) {
  maybe_more_ = false;
  while (true) {
    if (*messages >= kMaxMessagesPerTurn) {
      maybe_more_ = true;
      return absl::OkStatus();
    }
    DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> frame, decoder_.Next());
    if (!frame.has_value()) return absl::OkStatus();
    ++*messages;
    ipc::LinkToMonitor message;
    DRAGNET_RETURN_IF_ERROR(ParseStrict(*frame, kMaxFrameBytes, &message));
    handle(message);
  }
}

void LinkProcess::LogItsWords() {
  if (!stderr_.valid()) return;
  char buffer[2048];
  const ssize_t count = ::read(stderr_.get(), buffer, sizeof buffer);
  if (count > 0) {
    std::string_view words(buffer, static_cast<size_t>(count));
    while (!words.empty() && words.back() == '\n') words.remove_suffix(1);
    LogWarning(StrCat("dragnet-link says: ", words));
  } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
    stderr_.Reset();
  }
}

void LinkProcess::Restart(std::string_view why) {
  if (!running()) return;
  Lose(absl::UnavailableError(ToAbsl(why)));
  back_off_ = absl::ZeroDuration();
  restart_time_ = SteadyNow();
}

void LinkProcess::Hold(bool held) {
  if (held == held_) return;
  held_ = held;
  restart_time_ = absl::InfinitePast();
  if (held) End();
}

std::string LinkProcess::End() {
  LogItsWords();
  std::string how;
  if (child_.valid()) {
    child_.Signal(SIGKILL).IgnoreError();
    if (const auto exited = child_.Reap(); exited.ok()) how = exited->ToString();
  }
  socket_.Reset();
  stderr_.Reset();
  maybe_more_ = false;
  output_.clear();
  return how;
}

void LinkProcess::Lose(const absl::Status& why) {
  std::string how = std::string(why.message());
  if (const std::string end = End(); !end.empty()) how += StrCat(" (", end, ")");
  const bool was_healthy = SteadyNow() - started_ >= kHealthyRun;
  back_off_ = was_healthy ? kMinBackOff : std::clamp(back_off_ * 2, kMinBackOff, kMaxBackOff);
  restart_time_ = SteadyNow() + back_off_;
  LogWarning(
      StrCat("dragnet-link: ", how, "; starting it again in ", absl::FormatDuration(back_off_)));
}

}  // namespace dragnet
