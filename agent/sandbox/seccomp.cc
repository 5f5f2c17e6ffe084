#include "agent/sandbox/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include "agent/sandbox/syscalls.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::sandbox {
namespace {

// Makes an open(2) more than reading: access modes, O_CREAT, O_TRUNC, O_TMPFILE.
constexpr uint64_t kWritingFlags = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);

constexpr uint64_t kNamespaceFlags = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS |
                                     CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS;

constexpr uint64_t kSocketTypeMask = 0xf;  // SOCK_TYPE_MASK, include/linux/net.h

scmp_arg_cmp Equals(unsigned argument, uint64_t value) {
  return {.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}

scmp_arg_cmp HasBits(unsigned argument, uint64_t mask, uint64_t value) {
  return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

// More than libseccomp takes for a filter of ours: it goes through null pointers
// when memory ends while it generates one.
constexpr size_t kFilterMemory = 2 << 20;

// Only one thread runs yet, so what is free now is free then. By operator new,
// for the program's own handler of shortage.
bool HasFilterMemory() {
  void* memory = ::operator new(kFilterMemory, std::nothrow);
  ::operator delete(memory, std::nothrow);
  return memory != nullptr;
}

// An allow-list under construction. Errors are kept until Load, so that the
// policy below reads as a list.
class Filter {
 public:
  Filter() : context_(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), &::seccomp_release) {
    if (context_ == nullptr) error_ = -ENOMEM;
    // A balanced tree of system calls, not a list to go through for each one.
    Attribute(SCMP_FLTATR_CTL_OPTIMIZE, 2);
    Attribute(SCMP_FLTATR_CTL_TSYNC, 1);
    // Other architectures' and x32's system calls are other numbers.
    Attribute(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  }

  void Allow(std::span<const int> syscalls) {
    for (int syscall : syscalls) Rule(SCMP_ACT_ALLOW, syscall, {});
  }
  void Allow(int syscall, std::initializer_list<scmp_arg_cmp> conditions) {
    Rule(SCMP_ACT_ALLOW, syscall, conditions);
  }
  void Refuse(int syscall, int error) {
    Rule(SCMP_ACT_ERRNO(static_cast<uint32_t>(error)), syscall, {});
  }
  // Those of `syscalls` that weren't allowed.
  void Kill(std::span<const int> syscalls) {
    for (int syscall : syscalls) {
      if (std::find(allowed_.begin(), allowed_.end(), syscall) != allowed_.end()) continue;
      Rule(SCMP_ACT_KILL_PROCESS, syscall, {});
    }
  }

  absl::Status Load() {
    if (error_ == 0) error_ = ::seccomp_load(context_.get());
    if (error_ == 0) return absl::OkStatus();
    return ErrnoStatus(StrCat("system call filter", context_word_), -error_);
  }

 private:
  void Attribute(scmp_filter_attr attribute, uint32_t value) {
    if (error_ == 0) error_ = ::seccomp_attr_set(context_.get(), attribute, value);
  }

  void Rule(uint32_t action, int syscall, std::span<const scmp_arg_cmp> conditions) {
    // Negative: this architecture has no such call.
    if (error_ != 0 || syscall < 0) return;
    if (action == SCMP_ACT_ALLOW) allowed_.push_back(syscall);
    error_ = ::seccomp_rule_add_array(context_.get(), action, syscall,
                                      static_cast<unsigned>(conditions.size()), conditions.data());
    if (error_ != 0) context_word_ = StrCat(", rule for call ", syscall);
  }

  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  std::vector<int> allowed_;
  int error_ = 0;
  std::string context_word_;
};

void AllowReadAndCompute(Filter& filter) {
  filter.Allow(ReadAndComputeSyscalls());
  filter.Allow(SCMP_SYS(open), {HasBits(1, kWritingFlags, 0)});
  filter.Allow(SCMP_SYS(openat), {HasBits(2, kWritingFlags, 0)});
  filter.Allow(SCMP_SYS(mmap), {HasBits(2, PROT_EXEC, 0)});
  filter.Allow(SCMP_SYS(mprotect), {HasBits(2, PROT_EXEC, 0)});
  filter.Allow(SCMP_SYS(clone), {HasBits(0, CLONE_THREAD | kNamespaceFlags, CLONE_THREAD)});
  // Its flags are behind a pointer; glibc falls back to clone.
  filter.Refuse(SCMP_SYS(clone3), ENOSYS);
  filter.Allow(SCMP_SYS(tgkill), {Equals(0, static_cast<uint64_t>(::getpid()))});
  filter.Allow(SCMP_SYS(prctl), {Equals(0, PR_SET_NAME)});
  // Reading one's own limits; setting them would be argument 2.
  filter.Allow(SCMP_SYS(prlimit64), {Equals(0, 0), Equals(2, 0)});
  for (int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC}) {
    filter.Allow(SCMP_SYS(fcntl), {Equals(1, static_cast<uint64_t>(command))});
  }
}

void AllowSockets(Filter& filter) {
  // How much can be read: resolvers ask.
  filter.Allow(SCMP_SYS(ioctl), {Equals(1, FIONREAD)});
  for (uint64_t family : {AF_INET, AF_INET6}) {
    for (uint64_t type : {SOCK_STREAM, SOCK_DGRAM}) {
      filter.Allow(SCMP_SYS(socket), {Equals(0, family), HasBits(1, kSocketTypeMask, type)});
    }
  }
}

void AllowIcmp(Filter& filter) {
  for (auto [family, protocol] : {std::pair<uint64_t, uint64_t>{AF_INET, IPPROTO_ICMP},
                                  std::pair<uint64_t, uint64_t>{AF_INET6, IPPROTO_ICMPV6}}) {
    filter.Allow(SCMP_SYS(socket),
                 {Equals(0, family), HasBits(1, kSocketTypeMask, SOCK_RAW), Equals(2, protocol)});
  }
}

void AllowNetworkInspection(Filter& filter) {
  for (uint64_t type : {SOCK_RAW, SOCK_DGRAM}) {
    for (uint64_t protocol : {NETLINK_ROUTE, NETLINK_SOCK_DIAG}) {
      filter.Allow(SCMP_SYS(socket),
                   {Equals(0, AF_NETLINK), HasBits(1, kSocketTypeMask, type), Equals(2, protocol)});
    }
  }
  filter.Allow(SCMP_SYS(setns), {Equals(1, CLONE_NEWNET)});
  // Under no_new_privs and locked securebits it can only take away.
  filter.Allow(SCMP_SYS(capset), {});
  filter.Allow(SCMP_SYS(capget), {});
}

void AllowFirewallInspection(Filter& filter) {
  for (uint64_t type : {SOCK_RAW, SOCK_DGRAM}) {
    filter.Allow(SCMP_SYS(socket), {Equals(0, AF_NETLINK), HasBits(1, kSocketTypeMask, type),
                                    Equals(2, NETLINK_NETFILTER)});
  }
  // As above.
  filter.Allow(SCMP_SYS(capset), {});
  filter.Allow(SCMP_SYS(capget), {});
}

}  // namespace

absl::Status RestrictSyscalls(const SyscallPolicy& policy) {
  if (!HasFilterMemory()) return absl::ResourceExhaustedError("system call filter: no memory");
  Filter filter;
  AllowReadAndCompute(filter);
  if (policy.event_loop_and_files) filter.Allow(EventLoopAndFileSyscalls());
  if (policy.sockets || policy.inspect_networks || policy.inspect_firewall)
    filter.Allow(SocketSyscalls());
  if (policy.sockets) AllowSockets(filter);
  if (policy.icmp_sockets) AllowIcmp(filter);
  if (policy.inspect_networks) AllowNetworkInspection(filter);
  if (policy.inspect_firewall) AllowFirewallInspection(filter);
  if (policy.inspect_processes) filter.Allow(SCMP_SYS(process_vm_readv), {});
  if (policy.openat2) {
    filter.Allow(SCMP_SYS(openat2), {});
  } else {
    filter.Refuse(SCMP_SYS(openat2), ENOSYS);
  }
  filter.Kill(KilledSyscalls());
  return filter.Load();
}

}  // namespace dragnet::sandbox
