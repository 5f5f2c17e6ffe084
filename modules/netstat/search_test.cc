#include "modules/netstat/search.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/strings.h"
#include "modules/netstat/match.h"

namespace dragnet::netstat {
namespace {

using Fill = std::function<void(v1::Search*)>;

absl::StatusOr<std::vector<Search>> Compile(const Fill& fill) {
  v1::NetstatParameters parameters;
  fill(parameters.add_searches());
  return CompileSearches(parameters);
}

Search Compiled(const Fill& fill) {
  auto searches = Compile(fill);
  EXPECT_TRUE(searches.ok()) << searches.status();
  return std::move(searches->front());
}

std::string Refusal(const Fill& fill) {
  const auto searches = Compile(fill);
  EXPECT_EQ(searches.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(ToStd(searches.status().message()));
}

Fact TcpSocket(std::string_view local, uint16_t port) {
  Fact fact;
  fact.protocol = Protocol::kTcp;
  fact.state = kListen;
  fact.local = IpAddress::Parse(local).value();
  fact.local_port = port;
  return fact;
}

TEST(SearchTest, BadValuesAreRefusedByFieldAndPosition) {
  EXPECT_TRUE(Refusal([](auto* s) {
                s->add_local("10.0.0.1");
                s->add_local("10.0.0.0/40");
              }).starts_with("local[1] '10.0.0.0/40' "));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_remote("!x"); }).starts_with("remote[0] '!x' "));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_local_ports("65536"); }).starts_with("local_ports[0]"));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_local_ports("9-1"); }).starts_with("local_ports[0]"));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_remote_ports("-1"); }).starts_with("remote_ports[0]"));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_states("LISTEN"); }).starts_with("states[0]"));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_states("stale"); }).starts_with("states[0]"));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_exes("foo("); }).starts_with("exes[0] 'foo(' "));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_processes(""); }).starts_with("processes[0]"));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_pids("0"); }).starts_with("pids[0]"));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_pids("1x"); }).starts_with("pids[0]"));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_users(""); }).starts_with("users[0]"));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_kinds("sockets"); }).starts_with("kinds[0]"));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_protocols("icmp"); }).starts_with("protocols[0]"));
  EXPECT_TRUE(Refusal([](auto* s) { s->set_label("a\nb"); }).starts_with("label"));
}

TEST(SearchTest, ContradictionsAreRefused) {
  EXPECT_TRUE(Refusal([](auto* s) { s->set_bound_udp(true); }).starts_with("bound_udp"));
  EXPECT_TRUE(Refusal([](auto* s) {
                s->set_listening(true);
                s->add_remote("10.0.0.1");
              }).starts_with("listening"));
  EXPECT_TRUE(Refusal([](auto* s) {
                s->set_listening(true);
                s->add_states("established");
              }).starts_with("states"));
  EXPECT_TRUE(Refusal([](auto* s) {
                s->add_kinds("route");
                s->add_pids("1");
              }).starts_with("processes"));
  EXPECT_TRUE(Refusal([](auto* s) {
                s->add_protocols("unix");
                s->add_local_ports("22");
              }).starts_with("local_ports"));
  EXPECT_TRUE(Refusal([](auto* s) {
                s->add_protocols("udp");
                s->set_listening(true);
              }).starts_with("listening"));
  EXPECT_TRUE(Refusal([](auto* s) { s->add_macs("^52:"); }).starts_with("macs"));
  EXPECT_TRUE(Refusal([](auto* s) {
                s->add_kinds("address");
                s->add_states("up");
              }).starts_with("states[0]"));
}

TEST(SearchTest, NumbersOfEverythingAreBounded) {
  EXPECT_FALSE(CompileSearches(v1::NetstatParameters()).ok());
  v1::NetstatParameters many;
  for (int i = 0; i <= kMaxSearches; ++i) many.add_searches();
  EXPECT_FALSE(CompileSearches(many).ok());
  EXPECT_TRUE(Refusal([](auto* s) {
                for (int i = 0; i <= kMaxPatterns; ++i) s->add_exes("x");
              }).starts_with("processes, exes"));
  EXPECT_TRUE(Refusal([](auto* s) {
                for (int i = 0; i <= kMaxValues; ++i) s->add_local("10.0.0.1");
              }).starts_with("local:"));
  EXPECT_TRUE(Refusal([](auto* s) {
                s->add_exes(std::string(kMaxPatternBytes + 1, 'x'));
              }).starts_with("exes[0]"));
}

TEST(SearchTest, SearchesAreNamedByPositionUnlessLabelled) {
  v1::NetstatParameters parameters;
  parameters.add_searches();
  parameters.add_searches()->set_label("mine");
  const auto searches = CompileSearches(parameters);
  ASSERT_TRUE(searches.ok());
  EXPECT_EQ((*searches)[0].label, "s1");
  EXPECT_EQ((*searches)[1].label, "mine");
}

TEST(MatchTest, AnyOfTheValuesButNoneThatIsRuledOut) {
  const Search search = Compiled([](auto* s) {
    s->add_local("10.0.0.0/8");
    s->add_local("192.0.2.1");
    s->add_local("!10.1.0.0/16");
    s->add_local_ports("20-30");
    s->add_local_ports("!25");
  });
  EXPECT_TRUE(FactHolds(search, TcpSocket("10.2.0.1", 22)));
  EXPECT_TRUE(FactHolds(search, TcpSocket("192.0.2.1", 30)));
  EXPECT_FALSE(FactHolds(search, TcpSocket("192.0.2.2", 22)));
  EXPECT_FALSE(FactHolds(search, TcpSocket("10.1.0.1", 22)));
  EXPECT_FALSE(FactHolds(search, TcpSocket("10.2.0.1", 25)));
  EXPECT_FALSE(FactHolds(search, TcpSocket("10.2.0.1", 31)));
}

TEST(MatchTest, WhatHasNoRemoteEndIsNotFoundByIt) {
  for (const char* network : {"0.0.0.0/0", "!10.0.0.0/8"}) {
    const Search search = Compiled([&](auto* s) { s->add_remote(network); });
    Fact fact = TcpSocket("127.0.0.1", 22);
    EXPECT_FALSE(FactHolds(search, fact)) << network;
    fact.remote = IpAddress::Parse("192.0.2.9").value();
    EXPECT_TRUE(FactHolds(search, fact)) << network;
  }
}

TEST(MatchTest, ListeningIsAStateAndNotAPort) {
  const Search search = Compiled([](auto* s) { s->set_listening(true); });
  Fact fact = TcpSocket("127.0.0.1", 22);
  EXPECT_TRUE(FactHolds(search, fact));
  fact.state = "established";
  EXPECT_FALSE(FactHolds(search, fact));

  Fact udp = TcpSocket("127.0.0.1", 53);
  udp.protocol = Protocol::kUdp;
  udp.state = kUnconnected;
  EXPECT_FALSE(FactHolds(search, udp));
  const Search with_udp = Compiled([](auto* s) {
    s->set_listening(true);
    s->set_bound_udp(true);
  });
  EXPECT_TRUE(FactHolds(with_udp, udp));
  udp.local_port = 0;
  EXPECT_FALSE(FactHolds(with_udp, udp));
  // A closed TCP socket is unconnected, too.
  Fact closed = TcpSocket("127.0.0.1", 22);
  closed.state = kUnconnected;
  EXPECT_FALSE(FactHolds(with_udp, closed));
}

TEST(MatchTest, ARouteIsFoundByGatewayAndByDestinationWithin) {
  const Search search = Compiled([](auto* s) {
    s->add_kinds("route");
    s->add_remote("10.0.0.0/8");
  });
  Fact route;
  route.kind = Kind::kRoute;
  route.remote = IpAddress::Parse("0.0.0.0").value();
  EXPECT_FALSE(FactHolds(search, route));
  route.gateway = IpAddress::Parse("10.0.0.1").value();
  EXPECT_TRUE(FactHolds(search, route));
  route.gateway = IpAddress();
  route.remote = IpAddress::Parse("10.5.0.0").value();
  route.remote_prefix = 16;
  EXPECT_TRUE(FactHolds(search, route));
}

TEST(MatchTest, ProcessFiltersMustAllHold) {
  const Search search = Compiled([](auto* s) {
    s->add_processes("^ssh");
    s->add_exes("!^/tmp/");
    s->add_users("root");
    s->add_pids("7");
    s->add_containers("abc");
  });
  const ProcessView process = {7, "sshd", "/usr/sbin/sshd", "sshd -D", 0, "root", "abcdef"};
  EXPECT_TRUE(ProcessHolds(search, process));
  const auto with = [&](auto change) {
    ProcessView other = process;
    change(other);
    return ProcessHolds(search, other);
  };
  EXPECT_FALSE(with([](auto& p) { p.pid = 8; }));
  EXPECT_FALSE(with([](auto& p) { p.name = "nsshd"; }));
  EXPECT_FALSE(with([](auto& p) { p.exe = "/tmp/sshd"; }));
  EXPECT_FALSE(with([](auto& p) { p.exe = ""; }));
  EXPECT_FALSE(with([](auto& p) { p.uid = std::nullopt; }));
  EXPECT_FALSE(with([](auto& p) { p.container = ""; }));
}

TEST(MatchTest, AUserIsAskedForByNameOrNumber) {
  const Search by_number = Compiled([](auto* s) { s->add_users("33"); });
  EXPECT_TRUE(UserHolds(by_number, 33, "www-data"));
  EXPECT_FALSE(UserHolds(by_number, 0, "root"));
  EXPECT_FALSE(UserHolds(by_number, std::nullopt, ""));
  EXPECT_TRUE(UserHolds(Compiled([](auto* s) { s->add_users("www-data"); }), 33, "www-data"));
  EXPECT_FALSE(UserHolds(Compiled([](auto* s) { s->add_users("!www-data"); }), 33, "www-data"));
}

TEST(MatchTest, HardwareAddressesHaveNoCase) {
  const Search search = Compiled([](auto* s) {
    s->add_kinds("interface");
    s->add_macs("^52:54:AB");
  });
  Fact fact;
  fact.kind = Kind::kInterface;
  fact.state = "up";
  EXPECT_FALSE(FactHolds(search, fact));
  fact.mac = "52:54:ab:00:00:01";
  EXPECT_TRUE(FactHolds(search, fact));
}

}  // namespace
}  // namespace dragnet::netstat
