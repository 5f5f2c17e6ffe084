// The module on this host: sockets and namespaces that the test makes are found
// as what they are.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <future>
#include <map>
#include <thread>
#include <vector>

#include "core/strings.h"
#include "modules/netstat/namespaces.h"
#include "modules/netstat/netstat.pb.h"
#include "modules/netstat/run.h"
#include "modules/netstat/search.h"
#include "modules/netstat/test_sockets.h"
#include "modules/run_context_fake.h"

namespace dragnet::netstat {
namespace {

using Rows = std::vector<v1::NetstatRow>;
using Fill = std::function<void(v1::Search*)>;

Rows RowsOf(const v1::NetstatParameters& parameters, FakeRunContext* context) {
  const auto searches = CompileSearches(parameters);
  EXPECT_TRUE(searches.ok()) << searches.status();
  if (!searches.ok()) return {};
  const absl::Status status = RunSearches(*searches, {.drop_privilege = false}, *context);
  EXPECT_TRUE(status.ok()) << status;
  return context->RowsAs<v1::NetstatRow>();
}

Rows Find(const Fill& fill) {
  v1::NetstatParameters parameters;
  fill(parameters.add_searches());
  FakeRunContext context;
  return RowsOf(parameters, &context);
}

Rows OfInode(const Rows& rows, uint64_t inode) {
  Rows found;
  for (const auto& row : rows)
    if (row.inode() == inode) found.push_back(row);
  return found;
}

// The one row of a socket of this test.
v1::NetstatRow Only(const Rows& rows, int fd) {
  const Rows found = OfInode(rows, InodeOf(fd));
  EXPECT_EQ(found.size(), 1u);
  return found.empty() ? v1::NetstatRow() : found.front();
}

bool Finds(const Fill& fill, int fd) { return !OfInode(Find(fill), InodeOf(fd)).empty(); }

// A thread in a new network namespace, as long as this lives; false from
// `entered` without the privilege.
class OtherNamespace {
 public:
  OtherNamespace()
      : thread_([this] {
          const bool entered = ::unshare(CLONE_NEWNET) == 0;
          if (entered) {
            RaiseLoopback();
            listener_ = Listener(LoopbackV4());
            inode_ = OwnNamespace().value_or(0);
          }
          ready_.set_value(entered);
          done_.get_future().wait();
        }),
        entered_(ready_.get_future().get()) {}
  ~OtherNamespace() {
    done_.set_value();
    thread_.join();
  }

  bool entered() const { return entered_; }
  int listener() const { return listener_.get(); }
  uint64_t inode() const { return inode_; }

 private:
  static void RaiseLoopback() {
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request = {};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    Check(::ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0, "raise lo");
  }

  UniqueFd listener_;
  uint64_t inode_ = 0;
  std::promise<bool> ready_;
  std::promise<void> done_;
  std::thread thread_;
  const bool entered_;
};

TEST(NetstatTest, AListenerIsFoundWithItsProcess) {
  const UniqueFd listener = Listener(LoopbackV4());
  const v1::NetstatRow row = Only(Find([](auto* s) { s->set_listening(true); }), listener.get());
  EXPECT_EQ(row.kind(), "socket");
  EXPECT_EQ(row.protocol(), "tcp");
  EXPECT_EQ(row.local(), StrCat("127.0.0.1:", PortOf(listener.get())));
  EXPECT_EQ(row.remote(), "");
  EXPECT_EQ(row.state(), "listen");
  EXPECT_EQ(row.pid(), static_cast<uint32_t>(::getpid()));
  EXPECT_EQ(row.process(), "module_netstat_");
  EXPECT_TRUE(row.exe().ends_with("module_netstat_test")) << row.exe();
  EXPECT_EQ(row.namespace_(), "host");
  EXPECT_EQ(row.namespace_inode(), OwnNamespace().value());
  EXPECT_EQ(row.socket_uid(), ::getuid());
  EXPECT_FALSE(row.user().empty());
  EXPECT_EQ(row.search(), "s1");
}

TEST(NetstatTest, AClientOnAPortIsNoListenerOfIt) {
  const UniqueFd listener = Listener(LoopbackV4());
  const UniqueFd client = ConnectedTo(SOCK_STREAM, NameOf<sockaddr_in>(listener.get()));
  const auto listening = [&](int fd) {
    return Finds(
        [&](auto* s) {
          s->set_listening(true);
          s->set_bound_udp(true);
          s->add_local_ports(StrCat(PortOf(fd)));
        },
        fd);
  };
  EXPECT_TRUE(listening(listener.get()));
  EXPECT_FALSE(listening(client.get()));
}

TEST(NetstatTest, AConnectionIsFoundByItsRemoteEndAndAListenerIsNot) {
  const UniqueFd listener = Listener(LoopbackV4());
  const UniqueFd client = ConnectedTo(SOCK_STREAM, NameOf<sockaddr_in>(listener.get()));
  const Rows rows = Find([](auto* s) { s->add_remote("0.0.0.0/0"); });
  EXPECT_TRUE(OfInode(rows, InodeOf(listener.get())).empty());
  const v1::NetstatRow row = Only(rows, client.get());
  EXPECT_EQ(row.state(), "established");
  EXPECT_EQ(row.remote(), StrCat("127.0.0.1:", PortOf(listener.get())));
  EXPECT_EQ(row.local_port(), PortOf(client.get()));
  EXPECT_EQ(row.remote_port(), PortOf(listener.get()));
}

TEST(NetstatTest, AnIpv4PeerOfAnIpv6SocketIsFoundAsIpv4) {
  const UniqueFd listener = Listener(LoopbackV4());
  sockaddr_in6 mapped = LoopbackV6("::ffff:127.0.0.1");
  mapped.sin6_port = htons(PortOf(listener.get()));
  const UniqueFd client = ConnectedTo(SOCK_STREAM, mapped);
  const v1::NetstatRow row =
      Only(Find([](auto* s) { s->add_remote("127.0.0.0/8"); }), client.get());
  EXPECT_EQ(row.protocol(), "tcp6");
  EXPECT_EQ(row.remote(), StrCat("[::ffff:127.0.0.1]:", PortOf(listener.get())));
  EXPECT_FALSE(Finds([](auto* s) { s->add_remote("::/0"); }, client.get()));
}

TEST(NetstatTest, UdpIsListeningOnlyWhenAskedForAndNotConnected) {
  const UniqueFd bound = BoundSocket(SOCK_DGRAM, LoopbackV4());
  const UniqueFd connected = ConnectedTo(SOCK_DGRAM, NameOf<sockaddr_in>(bound.get()));
  const auto with_udp = [](auto* s) {
    s->set_listening(true);
    s->set_bound_udp(true);
  };
  EXPECT_FALSE(Finds([](auto* s) { s->set_listening(true); }, bound.get()));
  EXPECT_TRUE(Finds(with_udp, bound.get()));
  EXPECT_FALSE(Finds(with_udp, connected.get()));
  EXPECT_EQ(Only(Find([](auto* s) { s->add_protocols("udp"); }), connected.get()).state(),
            "established");
}

TEST(NetstatTest, UnixSocketsAreFoundByBothKindsOfNames) {
  char directory[] = "/tmp/netstat_test.XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = {}};
  std::snprintf(path.sun_path, sizeof path.sun_path, "%s/s", directory);
  const UniqueFd named = Listener(path);
  const UniqueFd client = ConnectedTo(SOCK_STREAM, path);
  sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = {}};
  std::snprintf(abstract.sun_path + 1, sizeof abstract.sun_path - 1, "%s", directory);
  const UniqueFd hidden = BoundSocket(SOCK_DGRAM, abstract);
  ::unlink(path.sun_path);
  ::rmdir(directory);

  const Rows rows = Find([](auto* s) { s->add_protocols("unix"); });
  EXPECT_EQ(Only(rows, named.get()).local(), path.sun_path);
  EXPECT_EQ(Only(rows, named.get()).state(), "listen");
  EXPECT_EQ(Only(rows, named.get()).type(), "stream");
  EXPECT_EQ(Only(rows, client.get()).state(), "established");
  EXPECT_TRUE(Only(rows, hidden.get()).local().starts_with(StrCat("@", directory)));
  EXPECT_EQ(Only(rows, hidden.get()).pid(), static_cast<uint32_t>(::getpid()));
}

TEST(NetstatTest, RawSocketsAreFound) {
  const UniqueFd raw(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
  if (!raw.valid() && errno == EPERM) GTEST_SKIP() << "raw sockets need CAP_NET_RAW";
  const UniqueFd raw6(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6));
  const Rows rows = Find([](auto* s) {
    s->add_protocols("raw");
    s->add_protocols("raw6");
  });
  EXPECT_EQ(Only(rows, raw.get()).protocol(), "raw");
  EXPECT_EQ(Only(rows, raw.get()).type(), "1");
  EXPECT_EQ(Only(rows, raw.get()).pid(), static_cast<uint32_t>(::getpid()));
  EXPECT_EQ(Only(rows, raw6.get()).protocol(), "raw6");
  EXPECT_EQ(Only(rows, raw6.get()).type(), "58");
}

TEST(NetstatTest, PacketSocketsAreFound) {
  const UniqueFd packet(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(3)));
  if (!packet.valid() && errno == EPERM) GTEST_SKIP() << "packet sockets need CAP_NET_RAW";
  const auto row = Only(Find([](auto* s) { s->add_protocols("packet"); }), packet.get());
  EXPECT_EQ(row.pid(), static_cast<uint32_t>(::getpid()));
  EXPECT_EQ(row.type(), "3");
}

TEST(NetstatTest, FiltersOnTheProcessDecide) {
  const UniqueFd listener = Listener(LoopbackV4());
  const int fd = listener.get();
  EXPECT_TRUE(Finds([](auto* s) { s->add_pids(StrCat(::getpid())); }, fd));
  EXPECT_FALSE(Finds([](auto* s) { s->add_pids(StrCat("!", ::getpid())); }, fd));
  EXPECT_FALSE(Finds([](auto* s) { s->add_pids("1"); }, fd));
  EXPECT_TRUE(Finds([](auto* s) { s->add_exes("/module_netstat_test$"); }, fd));
  EXPECT_FALSE(Finds([](auto* s) { s->add_exes("^/nowhere/"); }, fd));
  EXPECT_TRUE(Finds([](auto* s) { s->add_processes("^module_netstat"); }, fd));
  EXPECT_TRUE(Finds([](auto* s) { s->add_cmdlines("module_netstat_test"); }, fd));
  EXPECT_TRUE(Finds([](auto* s) { s->add_users(StrCat(::geteuid())); }, fd));
  EXPECT_FALSE(Finds([](auto* s) { s->add_users(StrCat(::geteuid() + 1)); }, fd));
}

TEST(NetstatTest, ASocketOfTwoProcessesIsOneRowThatNamesBoth) {
  const UniqueFd listener = Listener(LoopbackV4());
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // Lives until the parent closes its end.
    write_end.Reset();
    char byte;
    ::_exit(::read(read_end.get(), &byte, 1) == 0 ? 0 : 1);
  }
  const auto row = Only(Find([](auto* s) { s->set_listening(true); }), listener.get());
  const auto of_child = Only(Find([&](auto* s) { s->add_pids(StrCat(child)); }), listener.get());
  write_end.Reset();
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);

  EXPECT_EQ(row.pid(), static_cast<uint32_t>(std::min(::getpid(), child)));
  ASSERT_EQ(row.other_pids_size(), 1);
  EXPECT_EQ(row.other_pids(0), static_cast<uint32_t>(std::max(::getpid(), child)));
  EXPECT_EQ(of_child.pid(), static_cast<uint32_t>(child));
}

TEST(NetstatTest, TwoSearchesGiveTwoRowsAndALimitEndsOne) {
  const UniqueFd first = Listener(LoopbackV4());
  const UniqueFd second = Listener(LoopbackV4());
  v1::NetstatParameters parameters;
  auto* all = parameters.add_searches();
  all->set_label("all");
  all->set_listening(true);
  auto* one = parameters.add_searches();
  one->set_label("one");
  one->set_listening(true);
  one->set_match_limit(1);
  FakeRunContext context;
  const Rows rows = RowsOf(parameters, &context);
  const auto count = [&](std::string_view label) {
    return std::count_if(rows.begin(), rows.end(),
                         [&](const auto& row) { return row.search() == label; });
  };
  EXPECT_GE(count("all"), 2);
  EXPECT_EQ(count("one"), 1);
  ASSERT_EQ(context.limits_hit.size(), 1u);
  EXPECT_NE(context.limits_hit[0].find("one"), std::string::npos);
}

TEST(NetstatTest, TheRunEndsWhenTheReaderIsGone) {
  const UniqueFd first = Listener(LoopbackV4());
  const UniqueFd second = Listener(LoopbackV4());
  v1::NetstatParameters parameters;
  parameters.add_searches();
  FakeRunContext context(/*stop_at_row=*/1);
  EXPECT_EQ(RowsOf(parameters, &context).size(), 1u);
}

TEST(NetstatTest, LoopbackIsAnInterfaceWithAnAddressAndRoutes) {
  const Rows rows = Find([](auto* s) {
    for (const char* kind : {"interface", "address", "route"}) s->add_kinds(kind);
    s->add_interfaces("^lo$");
    s->set_host_only(true);
  });
  const auto has = [&](auto holds) { return std::any_of(rows.begin(), rows.end(), holds); };
  EXPECT_TRUE(has([](const auto& row) {
    return row.kind() == "interface" && row.protocol() == "loopback" && row.mac().empty();
  }));
  EXPECT_TRUE(has([](const auto& row) {
    return row.kind() == "address" && row.local() == "127.0.0.1/8" && row.protocol() == "inet";
  }));
  EXPECT_TRUE(has([](const auto& row) {
    return row.kind() == "route" && row.remote() == "127.0.0.1/32" && row.state() == "local";
  }));
}

TEST(NetstatTest, ANamespaceInWhichOnlyAThreadStandsIsFoundOnce) {
  const OtherNamespace other;
  if (!other.entered()) GTEST_SKIP() << "a network namespace needs CAP_SYS_ADMIN";
  const Rows rows = Find([](auto* s) {
    s->add_kinds("socket");
    s->add_kinds("address");
  });
  const v1::NetstatRow row = Only(rows, other.listener());
  EXPECT_EQ(row.namespace_inode(), other.inode());
  EXPECT_EQ(row.namespace_(), StrCat("net:[", other.inode(), "]"));
  EXPECT_EQ(row.pid(), static_cast<uint32_t>(::getpid()));
  EXPECT_EQ(std::count_if(rows.begin(), rows.end(),
                          [&](const auto& each) {
                            return each.namespace_inode() == other.inode() &&
                                   each.local() == "127.0.0.1/8";
                          }),
            1);
  EXPECT_FALSE(Finds([](auto* s) { s->set_host_only(true); }, other.listener()));
}

TEST(NetstatTest, ANamespaceThatOnlyADescriptorHoldsIsFound) {
  UniqueFd held, listener;
  bool entered = false;
  std::thread([&] {
    entered = ::unshare(CLONE_NEWNET) == 0;
    if (!entered) return;
    held = OpenNamespace(AT_FDCWD, "/proc/thread-self/ns/net");
    listener = Listener([] {
      sockaddr_in any = LoopbackV4();
      any.sin_addr.s_addr = htonl(INADDR_ANY);
      return any;
    }());
  }).join();
  if (!entered) GTEST_SKIP() << "a network namespace needs CAP_SYS_ADMIN";
  ASSERT_TRUE(held.valid());
  const auto row = Only(Find([](auto* s) { s->set_listening(true); }), listener.get());
  EXPECT_EQ(row.namespace_inode(), InodeOf(held.get()));
}

TEST(NetstatTest, AMountedNamespaceHasItsName) {
  char directory[] = "/tmp/netstat_test.XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string parent = StrCat(directory, "/netns"), path = StrCat(parent, "/blue");
  Rows rows;
  bool entered = false;
  // In mounts of its own, which end with the thread.
  std::thread([&] {
    if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) return;
    entered = true;
    const auto home = OpenNamespace(AT_FDCWD, "/proc/self/ns/net");
    Check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
    Check(::mkdir(parent.c_str(), 0700) == 0, "mkdir");
    Check(::close(::open(path.c_str(), O_CREAT | O_CLOEXEC, 0600)) == 0, "create");
    Check(::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) == 0,
          "mount");
    Check(::setns(home.get(), CLONE_NEWNET) == 0, "setns");
    rows = Find([](auto* s) { s->add_kinds("interface"); });
  }).join();
  ::unlink(path.c_str());
  ::rmdir(parent.c_str());
  ::rmdir(directory);
  if (!entered) GTEST_SKIP() << "a network namespace needs CAP_SYS_ADMIN";
  EXPECT_EQ(std::count_if(rows.begin(), rows.end(),
                          [](const auto& row) { return row.namespace_() == "blue"; }),
            1);
}

TEST(DropNamespacePrivilegeTest, NoNamespaceCanBeEnteredAfterIt) {
  // On a thread: it is the thread that loses it.
  std::thread([] {
    EXPECT_TRUE(DropNamespacePrivilege().ok());
    const UniqueFd own = OpenNamespace(AT_FDCWD, "/proc/thread-self/ns/net");
    ASSERT_TRUE(own.valid());
    EXPECT_EQ(::setns(own.get(), CLONE_NEWNET), -1);
    EXPECT_EQ(errno, EPERM);
    EXPECT_EQ(::unshare(CLONE_NEWNET), -1);
    // Again, with nothing to give up.
    EXPECT_TRUE(DropNamespacePrivilege().ok());
  }).join();
}

TEST(NetstatTest, WithoutPrivilegeSocketsAreListedAndTheRestIsReported) {
  const UniqueFd listener = Listener(LoopbackV4());
  const OtherNamespace other;
  v1::NetstatParameters parameters;
  parameters.add_searches();
  FakeRunContext context;
  Rows rows;
  std::thread([&] {
    __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
    Check(::syscall(SYS_capset, &header, none) == 0, "capset");
    rows = RowsOf(parameters, &context);
  }).join();
  EXPECT_EQ(OfInode(rows, InodeOf(listener.get())).size(), 1u);
  if (!other.entered()) GTEST_SKIP() << "a network namespace needs CAP_SYS_ADMIN";
  // Its sockets can't be seen, and that is said. Which step fails depends on
  // whether this process may look at itself.
  EXPECT_TRUE(OfInode(rows, InodeOf(other.listener())).empty());
  EXPECT_TRUE(std::any_of(
      context.unexamined.begin(), context.unexamined.end(),
      [](const auto& each) { return each.first.find("network namespaces") != std::string::npos; }));
}

TEST(ScanProcessesTest, AMissingProcIsNotedNotFatal) {
  ScanOptions options;
  options.proc = "/proc/self/status";
  FakeRunContext context;
  const ProcessTable table = ScanProcesses(options, {}, UserNames(), context);
  EXPECT_TRUE(table.processes.empty());
  EXPECT_FALSE(context.unexamined.empty());
}

}  // namespace
}  // namespace dragnet::netstat
