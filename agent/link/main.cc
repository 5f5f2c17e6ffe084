// dragnet-link: the only process of the agent that speaks to the network.
// Started by dragnet-agent with a socket to it as descriptor 3; takes its whole
// configuration from there, locks itself in, and ends with the monitor.
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>

#include "agent/footprint/footprint.h"
#include "agent/ipc/frame.h"
#include "agent/link/link.h"
#include "agent/sandbox/lock_in.h"
#include "agent/sandbox/missing_walls.h"
#include "agent/sandbox/weakening.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "google/protobuf/stubs/logging.h"

namespace dragnet {
namespace {

constexpr int kMonitorFd = 3;
constexpr uint16_t kDnsPort = 53;

constexpr int kDone = 0;
constexpr int kBadUsage = 2;

void PrepareProcess() {
  // Again, should the monitor not have done it. If it is gone already, the
  // socket is at its end.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::signal(SIGPIPE, SIG_IGN);
  // A host's memory is worth more than this process's speed.
  KeepHeapSmall();
  google::protobuf::SetLogHandler(nullptr);
  Gateway::InitializeProcess();
}

absl::Status LockInForSchedulers(const ipc::LinkStart& start, bool allow_missing_walls) {
  sandbox::HostNetwork network;
  DRAGNET_ASSIGN_OR_RETURN(network.tcp_ports, PortsOf(start));
  network.tcp_ports.push_back(kDnsPort);

  sandbox::LockIn policy;
  // What resolving a name takes. The directories and not the files in them:
  // /etc/resolv.conf is replaced by a new file when the host changes networks,
  // and Landlock's rules hold the file that was there.
  for (const char* directory :
       {"/etc", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/connman"}) {
    policy.AllowReadBeneath(directory);
  }
  policy.Allow(sandbox::WritingBeneath{start.identity_directory()})
      .Allow(network)
      .AllowSyscalls(sandbox::SyscallList::kNetworkClient);
  if (allow_missing_walls) policy.Allow(sandbox::MissingWalls());
  return policy.Enter();
}

absl::StatusOr<ipc::LinkStart> ReadStart() {
  ipc::MonitorToLink message;
  DRAGNET_RETURN_IF_ERROR(ReadFrame(kMonitorFd, &message));
  if (!message.has_start()) return absl::InvalidArgumentError("the first message is not a start");
  DRAGNET_RETURN_IF_ERROR(ValidateLinkStart(message.start()));
  return std::move(*message.mutable_start());
}

absl::Status Run(bool allow_missing_walls) {
  PrepareProcess();
  absl::StatusOr<ipc::LinkStart> start = ReadStart();
  if (absl::IsOutOfRange(start.status())) return absl::OkStatus();
  if (!start.ok()) return start.status();
  DRAGNET_RETURN_IF_ERROR(LockInForSchedulers(*start, allow_missing_walls));
  return Link(MonitorSocket(UniqueFd(kMonitorFd)), *std::move(start)).Run();
}

}  // namespace
}  // namespace dragnet

int main(int argc, char** argv) {
  bool allow_missing_walls = false;
  for (int i = 1; i < argc; ++i) {
    if (::strcmp(argv[i], dragnet::sandbox::kAllowMissingWallsFlag) != 0) {
      ::fprintf(stderr,
                "dragnet: link: %s: unknown argument; this program is started by "
                "dragnet-agent\n",
                argv[i]);
      return dragnet::kBadUsage;
    }
    allow_missing_walls = true;
  }
  absl::Status status = dragnet::Run(allow_missing_walls);
  if (!status.ok()) {
    std::string words = dragnet::ForTerminal(dragnet::ToStd(status.message()));
    ::fprintf(stderr, "dragnet: link: %s\n", words.c_str());
  }
  // Without gRPC's own shutdown: there is nothing to save, and no one to wait for.
  ::_exit(status.ok() ? dragnet::kDone : dragnet::kBadUsage);
}
