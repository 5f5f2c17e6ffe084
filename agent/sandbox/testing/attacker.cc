// A hostile child, for tests: locks itself in as a policy says, then tries one
// attack, or tells about itself.
//
//   sandbox_attacker POLICY ATTACK [ARGUMENT]
//   sandbox_attacker report
//   sandbox_attacker spawn strict|degraded POLICY ATTACK [ARGUMENT]
//   sandbox_attacker orphan
//   sandbox_attacker as-lone-root ANY OF THESE
//
// POLICY: none, worker, worker-network, worker-processes, worker-networks, worker-firewall,
// worker-icmp, read=DIRECTORY, root=DIRECTORY, link=DIRECTORY,PORT. Ends with 0 if the attack
// succeeded, 1 if it was refused (its errno on standard error), 3 if the process could not be
// locked in.
#include <dirent.h>
#include <errno.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <iostream>
#include <thread>

#include "agent/sandbox/lock_in.h"
#include "agent/sandbox/spawn.h"
#include "agent/sandbox/testing/attacks.h"
#include "agent/sandbox/weakening.h"

namespace dragnet::sandbox {
namespace {

constexpr int kSucceeded = 0;
constexpr int kRefused = 1;
constexpr int kNotLockedIn = 3;
constexpr int kNoUserNamespace = 4;

absl::Status EnterPolicy(std::string_view policy) {
  if (policy == "none") return absl::OkStatus();
  if (policy == "worker") {
    return LockIn()
        .AllowReadBeneath("/")
        .DenyNetwork()
        .AllowSyscalls(SyscallList::kReadAndCompute)
        .Enter();
  }
  if (policy == "worker-network") {
    return LockIn()
        .AllowReadBeneath("/")
        .Allow(HostNetwork())
        .AllowSyscalls(SyscallList::kReadAndCompute)
        .Enter();
  }
  if (policy == "worker-processes" || policy == "worker-networks" || policy == "worker-icmp") {
    LockIn lock_in;
    lock_in.AllowReadBeneath("/").AllowSyscalls(SyscallList::kReadAndCompute);
    if (policy == "worker-icmp") {
      lock_in.Allow(HostNetwork()).Allow(IcmpSockets());
    } else {
      lock_in.DenyNetwork().Allow(ProcessInspection());
    }
    if (policy == "worker-networks") lock_in.Allow(NetworkInspection());
    return lock_in.Enter();
  }
  if (policy == "worker-firewall") {
    return LockIn()
        .AllowReadBeneath("/")
        .DenyNetwork()
        .Allow(FirewallInspection())
        .AllowSyscalls(SyscallList::kReadAndCompute)
        .Enter();
  }
  if (policy.substr(0, 5) == "read=") {
    return LockIn()
        .AllowReadBeneath(policy.substr(5))
        .DenyNetwork()
        .AllowSyscalls(SyscallList::kReadAndCompute)
        .Enter();
  }
  if (policy.substr(0, 5) == "root=") {
    return LockIn()
        .InRoot(policy.substr(5))
        .AllowReadBeneath("/")
        .DenyNetwork()
        .AllowSyscalls(SyscallList::kReadAndCompute)
        .Enter();
  }
  if (policy.substr(0, 5) == "link=") {
    std::string_view rest = policy.substr(5);
    size_t comma = rest.find(',');
    uint16_t port = 0;
    std::from_chars(rest.data() + comma + 1, rest.data() + rest.size(), port);
    return LockIn()
        .AllowReadBeneath("/etc/hosts")
        .Allow(WritingBeneath{std::string(rest.substr(0, comma))})
        .Allow(HostNetwork{{port}})
        .AllowSyscalls(SyscallList::kNetworkClient)
        .Enter();
  }
  if (policy == "silent-on-network") {
    return LockIn().AllowSyscalls(SyscallList::kReadAndCompute).Enter();
  }
  if (policy == "silent-on-syscalls") return LockIn().DenyNetwork().Enter();
  if (policy == "threaded") {
    absl::Status status;
    std::thread([&] {
      status = LockIn().DenyNetwork().AllowSyscalls(SyscallList::kReadAndCompute).Enter();
    }).join();
    return status;
  }
  return absl::InvalidArgumentError("no such policy");
}

int Try(std::string_view policy, std::string_view name, const std::string& argument) {
  if (absl::Status status = EnterPolicy(policy); !status.ok()) {
    std::cerr << status.ToString() << std::endl;
    return kNotLockedIn;
  }
  for (const Attack& attack : AllAttacks()) {
    if (attack.name != name) continue;
    int error = attack.run(argument);
    if (error != 0) std::cerr << ::strerrorname_np(error) << std::endl;
    return error == 0 ? kSucceeded : kRefused;
  }
  std::cerr << "no such attack" << std::endl;
  return kNotLockedIn;
}

// key=value lines on standard output.
int Report() {
  std::string descriptors;
  DIR* directory = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] == '.' || ::atoi(entry->d_name) == ::dirfd(directory)) continue;
    descriptors += std::string(" ") + entry->d_name;
  }
  ::closedir(directory);
  std::cout << "fds=" << descriptors << "\n";
  std::cout << "umask=" << std::oct << ::umask(0) << std::dec << "\n";
  std::cout << "securebits=" << ::prctl(PR_GET_SECUREBITS) << "\n";
  // Of another thread: each has its own, which it gets from its maker.
  std::thread([] {
    std::cout << "nice=" << ::getpriority(PRIO_PROCESS, 0) << "\n";
    const long io_priority = ::syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
    std::cout << "io_class=" << IOPRIO_PRIO_CLASS(io_priority) << "\n";
  }).join();
  std::cout << "session_leader=" << (::getsid(0) == ::getpid()) << "\n";
  int death_signal = 0;
  ::prctl(PR_GET_PDEATHSIG, &death_signal);
  std::cout << "death_signal=" << death_signal << "\n";
  struct stat network{};
  ::stat("/proc/self/ns/net", &network);
  std::cout << "network=" << network.st_ino << "\n";
  rlimit limit{};
  for (auto [name, resource] : {std::pair{"core", RLIMIT_CORE}, std::pair{"nofile", RLIMIT_NOFILE},
                                std::pair{"fsize", RLIMIT_FSIZE}, std::pair{"cpu", RLIMIT_CPU}}) {
    ::getrlimit(resource, &limit);
    std::cout << name << "=" << limit.rlim_cur << "/" << limit.rlim_max << "\n";
  }
  char directory_name[64];
  std::cout << "cwd=" << ::getcwd(directory_name, sizeof directory_name) << "\n";
  std::cout << "environment=";
  for (char** variable = environ; *variable != nullptr; ++variable) std::cout << *variable << ";";
  std::cout << "\n";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (size_t colon = line.find(":\t"); colon != std::string::npos) {
      std::cout << line.substr(0, colon) << "=" << line.substr(colon + 2) << "\n";
    }
  }
  return 0;
}

// The standard descriptors are the child's, too.
SpawnOptions Myself() {
  SpawnOptions options;
  options.program = "/proc/self/exe";
  options.fds = {{0, 0}, {1, 1}, {2, 2}};
  return options;
}

// As a monitor without privileges would: the walls of a worker.
int SpawnFromHere(bool degraded, std::vector<std::string> arguments) {
  SpawnOptions options = Myself();
  options.arguments = std::move(arguments);
  options.user = UserAndGroup{64511, 64511};
  options.network = Network::kEmpty;
  options.allow_missing_walls = degraded;
  absl::StatusOr<Child> child = Spawn(options);
  if (!child.ok()) {
    std::cerr << child.status().ToString() << std::endl;
    return kNotLockedIn;
  }
  for (const std::string& wall : child->missing_walls()) std::cout << "missing=" << wall << "\n";
  std::cout << std::flush;
  absl::StatusOr<ChildExit> exit = child->Reap();
  std::cerr << exit->ToString() << std::endl;
  return exit->status.value_or(kRefused);
}

// Leaves a child behind that waits forever and holds standard output open.
int LeaveAnOrphan() {
  SpawnOptions options = Myself();
  options.arguments = {"none", "wait-forever"};
  absl::StatusOr<Child> child = Spawn(options);
  std::cout << (child.ok() ? "started" : "failed") << std::endl;
  ::_exit(0);  // without the destructor that would kill it
}

bool WriteMap(const char* path, const std::string& text) {
  std::ofstream file(path);
  return static_cast<bool>(file << text << std::flush);
}

// Root of a user namespace in which there is nobody else.
bool BecomeLoneRoot() {
  const std::string uid = std::to_string(::geteuid());
  const std::string gid = std::to_string(::getegid());
  // The maps are root's otherwise, when this program can't be read by its user.
  ::prctl(PR_SET_DUMPABLE, 1);
  return ::unshare(CLONE_NEWUSER) == 0 && WriteMap("/proc/self/setgroups", "deny") &&
         WriteMap("/proc/self/uid_map", "0 " + uid + " 1") &&
         WriteMap("/proc/self/gid_map", "0 " + gid + " 1");
}

int Main(const std::vector<std::string>& arguments) {
  if (arguments.size() == 1 && arguments[0] == "report") return Report();
  if (arguments.size() == 1 && arguments[0] == "orphan") return LeaveAnOrphan();
  if (arguments.size() > 1 && arguments[0] == "as-lone-root") {
    if (!BecomeLoneRoot()) return kNoUserNamespace;
    return Main({arguments.begin() + 1, arguments.end()});
  }
  if (arguments.size() >= 3 && arguments[0] == "spawn") {
    return SpawnFromHere(arguments[1] == "degraded", {arguments.begin() + 2, arguments.end()});
  }
  if (arguments.size() < 2) return kNotLockedIn;
  return Try(arguments[0], arguments[1], arguments.size() > 2 ? arguments[2] : "");
}

}  // namespace
}  // namespace dragnet::sandbox

int main(int argc, char** argv) {
  return dragnet::sandbox::Main(std::vector<std::string>(argv + 1, argv + argc));
}
