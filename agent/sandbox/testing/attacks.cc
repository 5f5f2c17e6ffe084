#include "agent/sandbox/testing/attacks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <system_error>
#include <thread>

#include "agent/sandbox/capabilities.h"

namespace dragnet::sandbox {
namespace {

int ErrnoUnless(bool success) { return success ? 0 : errno; }

int Open(const std::string& path, int flags) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
  return ErrnoUnless(fd >= 0);
}

// ---- files
int ReadFile(const std::string& path) { return Open(path, O_RDONLY); }
int ListDirectory(const std::string& path) {
  return Open(path.substr(0, path.rfind('/') + 1), O_RDONLY | O_DIRECTORY);
}
int WriteFile(const std::string& path) { return Open(path, O_WRONLY); }
int ReadWriteFile(const std::string& path) { return Open(path, O_RDWR); }
int TruncateOnOpen(const std::string& path) { return Open(path, O_RDONLY | O_TRUNC); }
int CreateFile(const std::string& path) { return Open(path + ".new", O_WRONLY | O_CREAT); }
int CreateUnnamedFile(const std::string& path) {
  return Open(path.substr(0, path.rfind('/')), O_WRONLY | O_TMPFILE);
}
int OpenAt2(const std::string& path, uint64_t flags) {
  open_how how{};
  how.flags = flags;
  long fd = ::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how);
  return ErrnoUnless(fd >= 0);
}
int WriteByOpenAt2(const std::string& path) { return OpenAt2(path, O_WRONLY); }
int TruncateByOpenAt2(const std::string& path) { return OpenAt2(path, O_RDONLY | O_TRUNC); }
int Truncate(const std::string& path) { return ErrnoUnless(::truncate(path.c_str(), 0) == 0); }
int Unlink(const std::string& path) { return ErrnoUnless(::unlink(path.c_str()) == 0); }
int Rename(const std::string& path) {
  return ErrnoUnless(::rename(path.c_str(), (path + ".renamed").c_str()) == 0);
}
int HardLink(const std::string& path) {
  return ErrnoUnless(::link(path.c_str(), (path + ".link").c_str()) == 0);
}
int SymbolicLink(const std::string& path) {
  return ErrnoUnless(::symlink("/etc/shadow", (path + ".symlink").c_str()) == 0);
}
int MakeDirectory(const std::string& path) {
  return ErrnoUnless(::mkdir((path + ".dir").c_str(), 0700) == 0);
}
int MakeDevice(const std::string& path) {
  return ErrnoUnless(::mknod((path + ".dev").c_str(), S_IFCHR | 0600, makedev(1, 1)) == 0);
}
int ChangeMode(const std::string& path) { return ErrnoUnless(::chmod(path.c_str(), 04777) == 0); }
int ChangeOwner(const std::string& path) { return ErrnoUnless(::chown(path.c_str(), 1, 1) == 0); }
int SetAttribute(const std::string& path) {
  timespec times[2] = {};
  return ErrnoUnless(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}
int OpenByHandle(const std::string& path) {
  alignas(file_handle) char buffer[sizeof(file_handle) + MAX_HANDLE_SZ] = {};
  auto* handle = reinterpret_cast<file_handle*>(buffer);
  handle->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  // When even this is refused, an arbitrary handle must do.
  ::name_to_handle_at(AT_FDCWD, path.c_str(), handle, &mount_id, 0);
  int root = ::open("/", O_RDONLY | O_DIRECTORY);
  return ErrnoUnless(::open_by_handle_at(root, handle, O_RDONLY) >= 0);
}

// ---- programs and processes
int Execute(const std::string&) {
  char name[] = "/bin/true";
  char* arguments[] = {name, nullptr};
  ::execve(name, arguments, nullptr);
  return errno;
}
int ExecuteAt(const std::string&) {
  char name[] = "/bin/true";
  char* arguments[] = {name, nullptr};
  ::syscall(SYS_execveat, AT_FDCWD, name, arguments, nullptr, 0);
  return errno;
}
int ReapedFork(long pid) {
  if (pid == 0) ::_exit(0);
  if (pid > 0) ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
  return ErrnoUnless(pid > 0);
}
int Fork(const std::string&) { return ReapedFork(::fork()); }
int RawFork(const std::string&) { return ReapedFork(::syscall(SYS_fork)); }
int CloneProcess(const std::string&) {
  return ReapedFork(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}
int CloneNewUser(const std::string&) {
  return ReapedFork(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}
int ForkBomb(const std::string&) {
  int started = 0;
  for (int i = 0; i < 64; ++i) {
    pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    if (pid > 0) ++started;
  }
  while (::wait(nullptr) > 0) {
  }
  return started > 0 ? 0 : EPERM;
}
int TraceParent(const std::string& pid) {
  return ErrnoUnless(::ptrace(PTRACE_ATTACH, ::atoi(pid.c_str()), nullptr, nullptr) == 0);
}
int KillParent(const std::string& pid) { return ErrnoUnless(::kill(::atoi(pid.c_str()), 0) == 0); }
int SignalParentThread(const std::string& pid) {
  int id = ::atoi(pid.c_str());
  return ErrnoUnless(::syscall(SYS_tgkill, id, id, 0) == 0);
}
int WriteParentMemory(const std::string& pid) { return Open("/proc/" + pid + "/mem", O_RDWR); }
int ReadParentMemory(const std::string& pid) { return Open("/proc/" + pid + "/mem", O_RDONLY); }
int ProcessVmWrite(const std::string& pid) {
  char byte = 0;
  iovec local{&byte, 1};
  iovec remote{&byte, 1};
  return ErrnoUnless(::process_vm_writev(::atoi(pid.c_str()), &local, 1, &remote, 1, 0) == 1);
}
int ProcessVmRead(const std::string& pid) {
  char byte = 0;
  iovec local{&byte, 1};
  // Something that surely is mapped there: the start of its stack's area isn't
  // known, so any answer but "denied" counts.
  iovec remote{&byte, 1};
  const ssize_t count = ::process_vm_readv(::atoi(pid.c_str()), &local, 1, &remote, 1, 0);
  return count == 1 || errno == EFAULT ? 0 : errno;
}

// ---- identity and privileges
int SetUid(const std::string&) { return ErrnoUnless(::syscall(SYS_setuid, 0) == 0); }
int SetResUid(const std::string&) { return ErrnoUnless(::syscall(SYS_setresuid, 0, 0, 0) == 0); }
int SetGroups(const std::string&) {
  gid_t root = 0;
  return ErrnoUnless(::syscall(SYS_setgroups, 1, &root) == 0);
}
int GainCapabilities(const std::string&) {
  CapabilitySets all{~CapabilityMask{0} >> 24, ~CapabilityMask{0} >> 24, 0};
  return ErrnoUnless(SetCapabilities(all) == 0);
}
int RaiseAmbient(const std::string&) {
  return ErrnoUnless(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) == 0);
}
int RaiseLimit(const std::string&) {
  rlimit limit{};
  ::getrlimit(RLIMIT_CORE, &limit);
  return ErrnoUnless(::prlimit(0, RLIMIT_CORE, &limit, nullptr) == 0);
}
int BecomeDumpable(const std::string&) {
  return ErrnoUnless(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

// ---- the kernel
int Mount(const std::string&) {
  return ErrnoUnless(::mount("none", "/mnt", "tmpfs", 0, nullptr) == 0);
}
int Unshare(const std::string&) { return ErrnoUnless(::unshare(CLONE_NEWUSER) == 0); }
int SetNamespace(const std::string&) {
  int fd = ::open("/proc/self/ns/uts", O_RDONLY);
  return ErrnoUnless(::setns(fd, 0) == 0);
}
template <int kType>
int SetOneNamespace(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY);
  if (fd < 0) return errno;
  return ErrnoUnless(::setns(fd, kType) == 0);
}
template <int kFamily, int kType, int kProtocol>
int SocketOf(const std::string&) {
  return ErrnoUnless(::socket(kFamily, kType, kProtocol) >= 0);
}
int ChangeRoot(const std::string&) { return ErrnoUnless(::chroot("/") == 0); }
template <long kCall>
int RawCall(const std::string&) {
  return ErrnoUnless(::syscall(kCall, 0, 0, 0, 0, 0, 0) >= 0);
}
int X32Call(const std::string&) { return ErrnoUnless(::syscall(0x40000000 + SYS_getpid) >= 0); }
int Compatibility32Call(const std::string&) {
#if defined(__x86_64__)
  long result = 20;  // getpid of i386
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  return result > 0 ? 0 : static_cast<int>(-result);
#else
  return ENOSYS;
#endif
}

// ---- memory that runs
int MapExecutable(const std::string&) {
  void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return ErrnoUnless(memory != MAP_FAILED);
}
int MakeExecutable(const std::string&) {
  void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno;
  return ErrnoUnless(::mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0);
}

// ---- network
template <int kFamily, int kType>
int Socket(const std::string&) {
  return ErrnoUnless(::socket(kFamily, kType, 0) >= 0);
}
int SocketPair(const std::string&) {
  int ends[2];
  return ErrnoUnless(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
}
sockaddr_in Loopback(const std::string& port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(::atoi(port.c_str())));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}
// A refused connection is one that was allowed to be tried.
int Connect(const std::string& port) {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  sockaddr_in address = Loopback(port);
  bool tried = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ||
               errno == ECONNREFUSED;
  return ErrnoUnless(tried);
}
int Listen(const std::string& port) {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0) return errno;
  sockaddr_in address = Loopback(port);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return errno;
  return ErrnoUnless(::listen(fd, 1) == 0);
}

// ---- what must go on working
int StartThread(const std::string&) {
  try {
    bool ran = false;
    std::thread thread([&] { ran = true; });
    thread.join();
    return ran ? 0 : ECHILD;
  } catch (const std::system_error& error) {
    return error.code().value();
  }
}
int AllocateMegabyte(const std::string&) {
  void* memory = ::malloc(1 << 20);
  ::free(memory);
  return memory != nullptr ? 0 : ENOMEM;
}
int Abort(const std::string&) { ::abort(); }

// ---- hogging
int AllocateGigabyte(const std::string&) {
  void* memory =
      ::mmap(nullptr, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return ErrnoUnless(memory != MAP_FAILED);
}
int BurnCpu(const std::string&) {
  for (;;) asm volatile("");
}
int WaitForever(const std::string&) {
  for (;;) ::pause();
}

constexpr Attack kAttacks[] = {
    {"read", ReadFile},
    {"list", ListDirectory},
    {"write", WriteFile},
    {"read-write", ReadWriteFile},
    {"truncate-on-open", TruncateOnOpen},
    {"create", CreateFile},
    {"create-unnamed", CreateUnnamedFile},
    {"write-by-openat2", WriteByOpenAt2},
    {"truncate-by-openat2", TruncateByOpenAt2},
    {"truncate", Truncate},
    {"unlink", Unlink},
    {"rename", Rename},
    {"hard-link", HardLink},
    {"symbolic-link", SymbolicLink},
    {"make-directory", MakeDirectory},
    {"make-device", MakeDevice},
    {"change-mode", ChangeMode},
    {"change-owner", ChangeOwner},
    {"set-times", SetAttribute},
    {"open-by-handle", OpenByHandle},
    {"execute", Execute},
    {"execute-at", ExecuteAt},
    {"fork", Fork},
    {"raw-fork", RawFork},
    {"clone-process", CloneProcess},
    {"clone-new-user", CloneNewUser},
    {"fork-bomb", ForkBomb},
    {"trace-parent", TraceParent},
    {"kill-parent", KillParent},
    {"signal-parent-thread", SignalParentThread},
    {"write-parent-memory", WriteParentMemory},
    {"read-parent-memory", ReadParentMemory},
    {"process-vm-write", ProcessVmWrite},
    {"process-vm-read", ProcessVmRead},
    {"setns-network", SetOneNamespace<CLONE_NEWNET>},
    {"setns-mount", SetOneNamespace<CLONE_NEWNS>},
    {"setns-any", SetOneNamespace<0>},
    {"socket-netlink-diag", SocketOf<AF_NETLINK, SOCK_DGRAM, NETLINK_SOCK_DIAG>},
    {"socket-netlink-audit", SocketOf<AF_NETLINK, SOCK_RAW, NETLINK_AUDIT>},
    {"socket-netlink-netfilter", SocketOf<AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER>},
    {"socket-icmp", SocketOf<AF_INET, SOCK_DGRAM, IPPROTO_ICMP>},
    {"socket-icmp-raw", SocketOf<AF_INET, SOCK_RAW, IPPROTO_ICMP>},
    {"socket-icmp6-raw", SocketOf<AF_INET6, SOCK_RAW, IPPROTO_ICMPV6>},
    {"socket-tcp-raw", SocketOf<AF_INET, SOCK_RAW, IPPROTO_TCP>},
    {"setuid", SetUid},
    {"setresuid", SetResUid},
    {"setgroups", SetGroups},
    {"gain-capabilities", GainCapabilities},
    {"raise-ambient", RaiseAmbient},
    {"raise-limit", RaiseLimit},
    {"become-dumpable", BecomeDumpable},
    {"mount", Mount},
    {"unshare", Unshare},
    {"setns", SetNamespace},
    {"chroot", ChangeRoot},
    {"bpf", RawCall<SYS_bpf>},
    {"keyctl", RawCall<SYS_keyctl>},
    {"userfaultfd", RawCall<SYS_userfaultfd>},
    {"io-uring", RawCall<SYS_io_uring_setup>},
    {"perf", RawCall<SYS_perf_event_open>},
    {"init-module", RawCall<SYS_init_module>},
    {"kexec", RawCall<SYS_kexec_load>},
    {"seccomp", RawCall<SYS_seccomp>},
    {"memfd", RawCall<SYS_memfd_create>},
    {"x32", X32Call},
    {"compatibility-32", Compatibility32Call},
    {"map-executable", MapExecutable},
    {"make-executable", MakeExecutable},
    {"socket-tcp", Socket<AF_INET, SOCK_STREAM>},
    {"socket-udp6", Socket<AF_INET6, SOCK_DGRAM>},
    {"socket-raw", Socket<AF_INET, SOCK_RAW>},
    {"socket-unix", Socket<AF_UNIX, SOCK_STREAM>},
    {"socket-netlink", Socket<AF_NETLINK, SOCK_RAW>},
    {"socket-packet", Socket<AF_PACKET, SOCK_RAW>},
    {"socketpair", SocketPair},
    {"connect", Connect},
    {"listen", Listen},
    {"start-thread", StartThread},
    {"allocate-megabyte", AllocateMegabyte},
    {"abort", Abort},
    {"allocate-gigabyte", AllocateGigabyte},
    {"burn-cpu", BurnCpu},
    {"wait-forever", WaitForever},
};

}  // namespace

std::span<const Attack> AllAttacks() { return kAttacks; }

}  // namespace dragnet::sandbox
