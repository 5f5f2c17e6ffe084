// The module netstat against ss and ip of iproute2, on random sockets, addresses,
// neighbours and routes in a network namespace of the test's own, where nothing
// else happens: the lists must be equal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdio.h>

#include <functional>
#include <memory>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/strings.h"
#include "modules/netstat/netstat.pb.h"
#include "modules/netstat/run.h"
#include "modules/netstat/search.h"
#include "modules/netstat/test_sockets.h"
#include "modules/run_context_fake.h"
#include "nlohmann/json.hpp"

namespace dragnet::netstat {
namespace {

using Lines = std::multiset<std::string>;
using Random = std::mt19937;

std::string Output(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
  Check(pipe != nullptr, "popen");
  std::string text;
  char block[4096];
  while (const size_t size = ::fread(block, 1, sizeof block, pipe.get())) text.append(block, size);
  return text;
}

nlohmann::json Json(const std::string& command) {
  const std::string text = Output(command);
  return text.empty() ? nlohmann::json::array() : nlohmann::json::parse(text);
}

void Do(const std::string& command) { EXPECT_EQ(::system(command.c_str()), 0) << command; }

// Runs `test` in a new network namespace with lo up; false without the privilege.
bool InNewNamespace(const std::function<void()>& test) {
  bool entered = false;
  std::thread([&] {
    entered = ::unshare(CLONE_NEWNET) == 0;
    if (!entered) return;
    Do("ip link set lo up");
    test();
  }).join();
  return entered;
}

std::vector<v1::NetstatRow> Rows(const std::function<void(v1::Search*)>& fill) {
  v1::NetstatParameters parameters;
  v1::Search* search = parameters.add_searches();
  search->set_host_only(true);
  fill(search);
  const auto searches = CompileSearches(parameters);
  EXPECT_TRUE(searches.ok()) << searches.status();
  FakeRunContext context;
  const absl::Status status = RunSearches(*searches, {.drop_privilege = false}, context);
  EXPECT_TRUE(status.ok()) << status;
  return context.RowsAs<v1::NetstatRow>();
}

// As ss names them.
std::string SsState(std::string_view state) {
  if (state == "listen") return "LISTEN";
  if (state == "established") return "ESTAB";
  if (state == "unconnected") return "UNCONN";
  std::string upper(state);
  for (char& c : upper) c = static_cast<char>(::toupper(c));
  return upper;
}

Lines OfSs() {
  Lines lines;
  std::istringstream text(Output("ss -H -O -a -n -t -u -p"));
  const std::regex pid("pid=([0-9]+)");
  for (std::string line; std::getline(text, line);) {
    std::istringstream fields(line);
    std::string protocol, state, receive, send, local, peer, rest;
    fields >> protocol >> state >> receive >> send >> local >> peer;
    std::getline(fields, rest);
    std::set<std::string> pids;
    for (std::sregex_iterator it(rest.begin(), rest.end(), pid), end; it != end; ++it)
      pids.insert((*it)[1]);
    if (peer.ends_with(":*")) peer = "";
    std::string key = StrCat(protocol, " ", state, " ", receive, " ", send, " ", local, " ", peer);
    for (const std::string& each : pids) key += " " + each;
    lines.insert(key);
  }
  return lines;
}

Lines OfModule() {
  Lines lines;
  for (const auto& row : Rows([](auto* search) {
         for (const char* each : {"tcp", "tcp6", "udp", "udp6"}) search->add_protocols(each);
       })) {
    std::set<std::string> pids;
    if (row.pid() != 0) pids.insert(StrCat(row.pid()));
    for (uint32_t other : row.other_pids()) pids.insert(StrCat(other));
    std::string key =
        StrCat(row.protocol().substr(0, 3), " ", SsState(row.state()), " ", row.receive_queue(),
               " ", row.send_queue(), " ", row.local(), " ", row.remote());
    for (const std::string& each : pids) key += " " + each;
    lines.insert(key);
  }
  return lines;
}

// Adds one or two sockets of a random kind.
void AddSockets(Random& random, std::vector<UniqueFd>* sockets) {
  const bool v6 = random() % 2;
  const auto add = [&](const auto& name) {
    using Name = std::decay_t<decltype(name)>;
    switch (random() % 4) {
      case 0:
        sockets->push_back(Listener(name));
        break;
      case 1:
        sockets->push_back(BoundSocket(SOCK_DGRAM, name));
        break;
      case 2: {
        UniqueFd bound = BoundSocket(SOCK_DGRAM, name);
        sockets->push_back(ConnectedTo(SOCK_DGRAM, NameOf<Name>(bound.get())));
        sockets->push_back(std::move(bound));
        break;
      }
      case 3: {
        UniqueFd listener = Listener(name);
        UniqueFd client = ConnectedTo(SOCK_STREAM, NameOf<Name>(listener.get()));
        UniqueFd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        Check(server.valid(), "accept");
        const std::string bytes(random() % 64, 'x');
        Check(::send(client.get(), bytes.data(), bytes.size(), 0) >= 0, "send");
        // One side gone: time-wait, or close-wait and fin-wait-2.
        if (random() % 3 != 0) sockets->push_back(std::move(client));
        if (random() % 2) sockets->push_back(std::move(listener));
        sockets->push_back(std::move(server));
        break;
      }
    }
  };
  if (!v6) return add(LoopbackV4());
  add(LoopbackV6(random() % 2 ? "::1" : "::ffff:127.0.0.1"));
}

// Closing connections change their state by themselves, once an acknowledgement
// has come: only a list that ss gives before and after can be compared with.
void ExpectSameAsSs(int round) {
  constexpr int kMaxTries = 100;
  Lines before = OfSs();
  for (int i = 0; i < kMaxTries; ++i) {
    const Lines ours = OfModule();
    Lines after = OfSs();
    if (before == after) {
      EXPECT_GT(before.size(), 60u);
      EXPECT_THAT(ours, ::testing::ContainerEq(before)) << "round " << round;
      return;
    }
    before = std::move(after);
  }
  FAIL() << "the sockets never held still";
}

TEST(NetstatDifferentialTest, SocketsAndTheirProcessesAreThoseOfSs) {
  const bool entered = InNewNamespace([] {
    Random random(20260101);
    for (int round = 0; round < 5; ++round) {
      std::vector<UniqueFd> sockets;
      for (int i = 0; i < 60; ++i) AddSockets(random, &sockets);
      ExpectSameAsSs(round);
    }
  });
  if (!entered) GTEST_SKIP() << "a network namespace needs CAP_SYS_ADMIN";
}

TEST(NetstatDifferentialTest, UnixSocketsAreThoseOfSs) {
  const bool entered = InNewNamespace([] {
    std::vector<UniqueFd> sockets;
    for (int i = 0; i < 20; ++i) {
      sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = {}};
      std::snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "netstat-%d", i);
      sockets.push_back(i % 2 ? Listener(name) : BoundSocket(SOCK_DGRAM, name));
      if (i % 2) sockets.push_back(ConnectedTo(SOCK_STREAM, name));
    }
    // "u_str LISTEN 0 16 @name 123 * 0": by state, inode, and inode of the peer.
    Lines theirs, ours;
    std::istringstream text(Output("ss -H -O -a -n -x"));
    for (std::string line; std::getline(text, line);) {
      std::istringstream fields(line);
      std::string protocol, state, receive, send, local, inode, peer, peer_inode;
      fields >> protocol >> state >> receive >> send >> local >> inode >> peer >> peer_inode;
      theirs.insert(StrCat(state, " ", inode, " ", peer_inode));
    }
    for (const auto& row : Rows([](auto* search) { search->add_protocols("unix"); }))
      ours.insert(StrCat(SsState(row.state()), " ", row.inode(), " ", row.peer_inode()));
    EXPECT_GE(theirs.size(), 30u);
    EXPECT_THAT(ours, ::testing::ContainerEq(theirs));
  });
  if (!entered) GTEST_SKIP() << "a network namespace needs CAP_SYS_ADMIN";
}

// Addresses, neighbours and routes on a pair of virtual Ethernet interfaces.
void MakeNetwork(Random& random) {
  Do("ip link add v0 type veth peer name v1");
  Do("ip link set v0 address 52:54:00:12:34:56 up");
  Do("ip link set v1 up");
  const auto byte = [&] { return 1 + random() % 250; };
  for (int i = 0; i < 20; ++i) {
    Do(StrCat("ip addr replace 10.", i, ".", byte(), ".", byte(), "/", 16 + random() % 17,
              " dev v0"));
    Do(StrCat("ip -6 addr replace 2001:db8:", i, "::", byte(), "/", 64 + random() % 65,
              " dev v0 nodad"));
    Do(StrCat("ip neigh replace 10.200.", byte(), ".", byte(), " lladdr 52:54:00:00:00:",
              10 + random() % 90, " dev v0 nud ", i % 2 ? "permanent" : "stale"));
    Do(StrCat("ip neigh replace 2001:db8:ffff::", byte(),
              " lladdr 52:54:00:00:01:", 10 + random() % 90, " dev v0 nud permanent"));
    Do(StrCat("ip route replace 172.", 16 + i % 16, ".", byte(), ".0/24 dev v0 table ",
              100 + random() % 300));
  }
  Do("ip addr add 192.0.2.1/24 dev v0");
  Do("ip route add default via 192.0.2.254");
  Do("ip route add blackhole 198.51.100.0/24");
  Do("ip route add unreachable 198.18.0.0/15");
  Do("ip route add 203.0.113.0/24 nexthop via 192.0.2.253 nexthop via 192.0.2.252");
  Do("ip -6 addr add 2001:db8:a::1/64 dev v0 nodad");
  Do("ip -6 route add 2001:db8:b::/48 via 2001:db8:a::2");
  Do("ip route add 100.64.0.0/10 via inet6 2001:db8:a::2 dev v0");
}

std::string Text(const nlohmann::json& object, const char* key, std::string otherwise = "") {
  return object.value(key, otherwise);
}

Lines AddressesOfIp() {
  Lines lines;
  for (const auto& link : Json("ip -j addr show")) {
    for (const auto& address : link.value("addr_info", nlohmann::json::array())) {
      if (!address.contains("local")) continue;
      lines.insert(StrCat(Text(link, "ifname"), " ", Text(address, "local"), "/",
                          address.at("prefixlen").get<int>(), " ", Text(address, "family")));
    }
  }
  return lines;
}

Lines LinksOfIp() {
  Lines lines;
  for (const auto& link : Json("ip -j link show")) {
    bool up = false;
    for (const auto& flag : link.at("flags")) up = up || flag == "UP";
    const std::string mac = Text(link, "address");
    lines.insert(StrCat(Text(link, "ifname"), " ", Text(link, "link_type"), " ",
                        mac == "00:00:00:00:00:00" ? "" : mac, " ", up ? "up" : "down"));
  }
  return lines;
}

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(::tolower(c));
  return text;
}

Lines NeighboursOfIp() {
  Lines lines;
  for (const auto& neighbour : Json("ip -j neigh show nud all")) {
    const std::string mac = Text(neighbour, "lladdr");
    const auto states = neighbour.value("state", nlohmann::json::array());
    lines.insert(StrCat(Text(neighbour, "dst"), " ", Text(neighbour, "dev"), " ",
                        mac == "00:00:00:00:00:00" ? "" : mac, " ",
                        states.empty() ? "none" : Lower(states[0].get<std::string>())));
  }
  return lines;
}

// "default", an address alone or a network, always as a network.
std::string Destination(const std::string& text, bool v6) {
  if (text == "default") return v6 ? "::/0" : "0.0.0.0/0";
  if (text.find('/') != std::string::npos) return text;
  return text + (v6 ? "/128" : "/32");
}

std::string Table(const std::string& name) {
  if (name == "local") return "255";
  return name == "main" || name.empty() ? "254" : name;
}

Lines RoutesOfIp(bool v6) {
  Lines lines;
  for (const auto& route : Json(StrCat("ip -j ", v6 ? "-6" : "-4", " route show table all"))) {
    auto hops = route.value("nexthops", nlohmann::json::array());
    if (hops.empty()) hops.push_back(route);
    for (const auto& hop : hops) {
      std::string gateway = Text(hop, "gateway");
      if (hop.contains("via")) gateway = Text(hop.at("via"), "host");
      lines.insert(StrCat(Destination(Text(route, "dst"), v6),
                          gateway.empty() ? "" : " via " + gateway, " dev ", Text(hop, "dev"), " ",
                          Text(route, "type", "unicast"), " ", Table(Text(route, "table")), " ",
                          Text(route, "prefsrc")));
    }
  }
  return lines;
}

// The kernel gives v0 and v1 their link-local addresses when there is a carrier, and routes to
// them when nobody else turned out to have them (RFC 4862, 5.4), a second or two later: what is
// compared must not change meanwhile.
void WaitForLinkLocalAddresses() {
  const auto settled = [] {
    size_t routes = 0;
    for (const std::string& route : RoutesOfIp(true))
      if (route.starts_with("fe80::") && route.find(" local ") != std::string::npos) ++routes;
    return routes == 2;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!settled()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "no link-local addresses";
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

TEST(NetstatDifferentialTest, InterfacesAddressesNeighboursAndRoutesAreThoseOfIp) {
  const bool entered = InNewNamespace([] {
    Random random(7);
    MakeNetwork(random);
    WaitForLinkLocalAddresses();
    Lines links, addresses, neighbours, v4, v6;
    for (const auto& row : Rows([](auto* search) {
           for (const char* kind : {"interface", "address", "neighbour", "route"})
             search->add_kinds(kind);
         })) {
      if (row.kind() == "interface")
        links.insert(
            StrCat(row.interface(), " ", row.protocol(), " ", row.mac(), " ", row.state()));
      if (row.kind() == "address")
        addresses.insert(StrCat(row.interface(), " ", row.local(), " ", row.protocol()));
      if (row.kind() == "neighbour")
        neighbours.insert(
            StrCat(row.remote_address(), " ", row.interface(), " ", row.mac(), " ", row.state()));
      if (row.kind() == "route")
        (row.protocol() == "inet" ? v4 : v6)
            .insert(StrCat(row.remote(), " dev ", row.interface(), " ", row.state(), " ",
                           row.table(), " ", row.local()));
    }
    EXPECT_THAT(links, ::testing::ContainerEq(LinksOfIp()));
    EXPECT_THAT(addresses, ::testing::ContainerEq(AddressesOfIp()));
    EXPECT_THAT(neighbours, ::testing::ContainerEq(NeighboursOfIp()));
    EXPECT_GE(neighbours.size(), 30u);
    EXPECT_THAT(v4, ::testing::ContainerEq(RoutesOfIp(false)));
    EXPECT_THAT(v6, ::testing::ContainerEq(RoutesOfIp(true)));
    EXPECT_GE(v4.size(), 40u);
  });
  if (!entered) GTEST_SKIP() << "a network namespace needs CAP_SYS_ADMIN";
}

}  // namespace
}  // namespace dragnet::netstat
