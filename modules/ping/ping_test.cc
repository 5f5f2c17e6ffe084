#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "core/unique_fd.h"
#include "modules/module.h"
#include "modules/ping/endpoint.h"
#include "modules/ping/params.h"
#include "modules/ping/ping.pb.h"
#include "modules/run_context_fake.h"

namespace dragnet::ping {
namespace {

using testing::HasSubstr;

// A socket on loopback's free port.
class LocalSocket {
 public:
  explicit LocalSocket(int type, int family = AF_INET)
      : fd_(socket(family, type | SOCK_CLOEXEC, 0)) {
    sockaddr_storage address = {};
    address.ss_family = static_cast<sa_family_t>(family);
    socklen_t length = sizeof(sockaddr_in6);
    if (family == AF_INET) {
      reinterpret_cast<sockaddr_in&>(address).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      length = sizeof(sockaddr_in);
    } else {
      reinterpret_cast<sockaddr_in6&>(address).sin6_addr = in6addr_loopback;
    }
    ok_ = bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), length) == 0;
    length = sizeof address;
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
  }
  bool ok() const { return ok_; }
  void Listen() { EXPECT_EQ(listen(fd_.get(), 8), 0); }
  uint16_t port() const { return port_; }

 private:
  UniqueFd fd_;
  bool ok_ = false;
  uint16_t port_ = 0;
};

v1::PingParameters To(std::string_view destination, std::string_view protocol, uint32_t port) {
  v1::PingParameters parameters;
  parameters.add_destinations(std::string(destination));
  parameters.set_protocol(std::string(protocol));
  parameters.set_port(port);
  parameters.set_count(2);
  return parameters;
}

const Module& Ping() { return *FindModule("ping"); }

v1::PingRow RunOne(const v1::PingParameters& parameters) {
  FakeRunContext context;
  EXPECT_TRUE(Ping().Run(parameters, context).ok());
  const auto rows = context.RowsAs<v1::PingRow>();
  EXPECT_EQ(rows.size(), 1u);
  return rows.empty() ? v1::PingRow() : rows.front();
}

std::string Refusal(const v1::PingParameters& parameters) {
  return std::string(Ping().Validate(parameters).message());
}

TEST(PingTest, AListeningTcpPortIsReachable) {
  LocalSocket listener(SOCK_STREAM);
  listener.Listen();
  const v1::PingRow row = RunOne(To("127.0.0.1", "tcp", listener.port()));
  EXPECT_EQ(row.status(), "reachable") << row.error();
  EXPECT_EQ(row.address(), "127.0.0.1");
  EXPECT_EQ(row.sent(), 2u);
  EXPECT_EQ(row.answered(), 2u);
  ASSERT_EQ(row.probes_size(), 2);
  EXPECT_TRUE(row.probes(1).has_rtt_ms());
  EXPECT_LE(row.min_ms(), row.avg_ms());
  EXPECT_LE(row.avg_ms(), row.max_ms());
}

TEST(PingTest, AClosedTcpPortRefuses) {
  // Bound and not listening: nobody else can take the port meanwhile.
  LocalSocket closed(SOCK_STREAM);
  const v1::PingRow row = RunOne(To("127.0.0.1", "tcp", closed.port()));
  EXPECT_EQ(row.status(), "refused");
  EXPECT_EQ(row.error(), "Connection refused");
  EXPECT_EQ(row.answered(), 2u);
}

TEST(PingTest, AClosedUdpPortRefuses) {
  uint16_t port;
  {
    const LocalSocket gone(SOCK_DGRAM);
    port = gone.port();
  }
  EXPECT_EQ(RunOne(To("127.0.0.1", "udp", port)).status(), "refused");
}

TEST(PingTest, AUdpServiceThatDoesNotAnswerIsATimeout) {
  LocalSocket silent(SOCK_DGRAM);
  auto parameters = To("127.0.0.1", "udp", silent.port());
  parameters.set_timeout("10ms");
  const v1::PingRow row = RunOne(parameters);
  EXPECT_EQ(row.status(), "timeout");
  EXPECT_EQ(row.answered(), 0u);
  EXPECT_FALSE(row.has_avg_ms());
  EXPECT_FALSE(row.probes(0).has_rtt_ms());
}

TEST(PingTest, Ipv6IsProbedWhereThereIsAny) {
  LocalSocket listener(SOCK_STREAM, AF_INET6);
  if (!listener.ok()) GTEST_SKIP() << "no IPv6 loopback here";
  listener.Listen();
  const v1::PingRow row = RunOne(To("::1", "tcp", listener.port()));
  EXPECT_EQ(row.status(), "reachable") << row.error();
  EXPECT_EQ(row.address(), "::1");
}

TEST(PingTest, LoopbackAnswersIcmpOrItIsSaidThatItIsNotPermitted) {
  const v1::PingRow row = RunOne(To("127.0.0.1", "icmp", 0));
  if (row.status() == "not_permitted")
    GTEST_SKIP() << "no ICMP sockets for this user: " << row.error();
  EXPECT_EQ(row.status(), "reachable") << row.error();
  EXPECT_EQ(row.answered(), 2u);
}

TEST(PingTest, Ipv6LoopbackAnswersIcmp) {
  if (!LocalSocket(SOCK_STREAM, AF_INET6).ok()) GTEST_SKIP() << "no IPv6 loopback here";
  const v1::PingRow row = RunOne(To("::1", "icmp", 0));
  if (row.status() == "not_permitted")
    GTEST_SKIP() << "no ICMP sockets for this user: " << row.error();
  EXPECT_EQ(row.status(), "reachable") << row.error();
}

TEST(PingTest, ANameWithoutAddressOfTheFamilyIsARowThatSaysSo) {
  auto parameters = To("127.0.0.1", "tcp", 9);
  parameters.set_family("6");
  const v1::PingRow row = RunOne(parameters);
  EXPECT_EQ(row.status(), "name_not_found");
  EXPECT_EQ(row.sent(), 0u);
  EXPECT_EQ(row.address(), "");
}

TEST(PingTest, LocalhostIsLookedUp) {
  LocalSocket listener(SOCK_STREAM);
  listener.Listen();
  auto parameters = To("localhost", "tcp", listener.port());
  parameters.set_family("4");
  EXPECT_EQ(RunOne(parameters).status(), "reachable");
}

TEST(PingTest, NoProbeAfterTheRunWasStopped) {
  LocalSocket listener(SOCK_STREAM);
  listener.Listen();
  auto parameters = To("127.0.0.1", "tcp", listener.port());
  parameters.add_destinations("127.0.0.2");
  FakeRunContext context(1);
  EXPECT_TRUE(Ping().Run(parameters, context).ok());
  EXPECT_EQ(context.rows.size(), 1u);
}

TEST(PingParametersTest, WhatCannotRunIsRefusedByField) {
  EXPECT_THAT(Refusal({}), HasSubstr("destinations"));
  EXPECT_THAT(Refusal(To("a b", "tcp", 1)), HasSubstr("destinations[0] 'a b'"));
  EXPECT_THAT(Refusal(To("127.1", "tcp", 1)), HasSubstr("destinations[0] '127.1'"));
  EXPECT_THAT(Refusal(To("host", "sctp", 1)), HasSubstr("protocol 'sctp'"));
  EXPECT_THAT(Refusal(To("host", "tcp", 0)), HasSubstr("port 0"));
  EXPECT_THAT(Refusal(To("host", "udp", 65536)), HasSubstr("port 65536"));
  EXPECT_THAT(Refusal(To("host", "icmp", 7)), HasSubstr("port"));
  auto parameters = To("host", "tcp", 1);
  parameters.set_timeout("5");
  EXPECT_THAT(Refusal(parameters), HasSubstr("timeout: '5'"));
  parameters.set_timeout("2h");
  EXPECT_THAT(Refusal(parameters), HasSubstr("between"));
  parameters.set_timeout("");
  parameters.set_count(101);
  EXPECT_THAT(Refusal(parameters), HasSubstr("count 101"));
  parameters.set_count(1);
  parameters.set_family("5");
  EXPECT_THAT(Refusal(parameters), HasSubstr("family '5'"));
  EXPECT_EQ(Refusal(To("2001:db8::1", "", 0)), "");
}

TEST(EndpointTest, HostsAndPortsAreToldApart) {
  EXPECT_EQ(ParseHostAndPort("ntp.example.com", 123)->port, 123);
  EXPECT_EQ(ParseHostAndPort("ntp.example.com:1123", 123)->port, 1123);
  EXPECT_EQ(ParseHostAndPort("2001:db8::1", 123)->host, "2001:db8::1");
  EXPECT_EQ(ParseHostAndPort("[2001:db8::1]:9", 123)->port, 9);
  for (const char* bad :
       {"", "a:0", "a:65536", "a:", "[::1", "[a]:1", "[::1]1", "-a", "a..b", "0x7f.1"})
    EXPECT_FALSE(ParseHostAndPort(bad, 123).ok()) << bad;
}

}  // namespace
}  // namespace dragnet::ping
