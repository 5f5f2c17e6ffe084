// The network of some agents is cut, goes silent, and heals.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "core/strings.h"
#include "core/unique_fd.h"
#include "tests/faults/cable.h"
#include "tests/faults/fleet_faults.h"
#include "tests/faults/tcp_proxy.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

// Silence after which a scheduler with Setup::impatient gives an agent up.
constexpr absl::Duration kGivenUp = absl::Seconds(13);

uint32_t SomeAgents(const Round& round) { return std::min(round.options().agents / 2, 500U); }

// Some agents behind a proxy at `port`, and the others.
std::vector<SwarmPart> Parts(const Round& round, int port,
                             const std::string& other_scheduler = "") {
  const uint32_t some = SomeAgents(round);
  return {{.from = 0, .agents = some, .scheduler = StrCat("127.0.0.1:", port)},
          {.from = some, .agents = round.options().agents - some, .scheduler = other_scheduler}};
}

// The thread is in another network namespace as long as this lives.
class InNamespace {
 public:
  explicit InNamespace(const std::string& path)
      : back_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    const UniqueFd there(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    Need(back_.valid() && there.valid() && ::setns(there.get(), CLONE_NEWNET) == 0,
         "enter the network namespace", path);
  }
  ~InNamespace() { Need(::setns(back_.get(), CLONE_NEWNET) == 0, "leave the network namespace"); }
  InNamespace(const InNamespace&) = delete;
  InNamespace& operator=(const InNamespace&) = delete;

 private:
  const UniqueFd back_;
};

}  // namespace

void CutConnections(Round& round) {
  const int port = FreePort();
  round.Make({.parts = Parts(round, port)});
  const auto proxy = std::make_unique<TcpProxy>(port, round.fleet().port());
  round.Start();
  for (int i = 0; i < 3; ++i) round.Launch();
  for (int i = 0; i < 4; ++i) {
    round.WaitForChance(i * 0.2, i * 0.2 + 0.2);
    proxy->BreakConnections();
  }
  round.WaitForEnd();
  round.Check();
}

void BlackHole(Round& round) {
  const int port = FreePort();
  round.Make({.impatient = true, .parts = Parts(round, port)});
  const auto proxy = std::make_unique<TcpProxy>(port, round.fleet().port());
  round.Start();
  round.Launch();
  round.WaitForChance(0, 1);
  proxy->BlackHole();
  // Sent to agents that still count as connected.
  round.Launch();
  round.Wander(absl::ZeroDuration(), kGivenUp + absl::Seconds(3));
  round.Launch();
  proxy->Heal();
  round.WaitForEnd();
  round.Check();
}

std::string MissingCable() {
  if (!IsRoot()) return "only root can make network namespaces";
  const Cable cable;
  return cable.made() ? "" : "no network namespace or veth pair can be made here";
}

void PullCable(Round& round) {
  const Cable cable;
  Need(cable.made() && RunIp({"-n", cable.name(), "link", "set", "lo", "up"}),
       "make a network namespace");
  const int port = FreePort();
  const int other_port = FreePort();
  const auto enter = [path = cable.path()] {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ::setns(fd, CLONE_NEWNET) != 0) ::_exit(99);
  };
  std::vector<SwarmPart> parts = Parts(round, port, StrCat("127.0.0.1:", other_port));
  parts[0].before_exec = enter;
  round.Make({.host = cable.near_address(),
              .impatient = true,
              .parts = parts,
              .real_agents = 1,
              .agent = {.before_exec = enter}});
  // Simulated agents speak to loopback only: from there each side has a way.
  const TcpProxy near(other_port, cable.near_address(), round.fleet().port());
  std::unique_ptr<TcpProxy> far;
  {
    const InNamespace there(cable.path());
    far = std::make_unique<TcpProxy>(port, cable.near_address(), round.fleet().port());
  }
  round.Start();
  round.Launch();
  round.LaunchToRealAgents();
  round.WaitForChance(0, 1);
  cable.Pull();
  round.Launch();
  round.Wander(absl::ZeroDuration(), kGivenUp + absl::Seconds(3));
  cable.Plug();
  round.WaitForEnd();
  round.Check();
}

}  // namespace dragnet::testing
