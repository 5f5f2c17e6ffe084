#include "modules/netstat/netlink.h"

#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "modules/netstat/raw_sockets.h"
#include "modules/netstat/rtnetlink.h"
#include "modules/netstat/sock_diag.h"

namespace dragnet::netstat {
namespace {

template <typename T>
std::string Bytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string Attribute(uint16_t type, std::string_view value) {
  nlattr header = {};
  header.nla_len = static_cast<uint16_t>(sizeof header + value.size());
  header.nla_type = type;
  std::string text = Bytes(header) + std::string(value);
  text.resize((text.size() + 3) & ~size_t{3});
  return text;
}

NetlinkMessage Message(uint16_t type, const std::string& payload) {
  return {.type = type, .flags = 0, .sequence = 1, .payload = payload};
}

std::string LengthOnly(uint32_t length) {
  nlmsghdr header = {};
  header.nlmsg_len = length;
  return Bytes(header);
}

TEST(TakeMessageTest, TakesMessagesInOrderAndSkipsPadding) {
  nlmsghdr first = {}, second = {};
  first.nlmsg_len = sizeof first + 1;
  first.nlmsg_type = 20;
  second.nlmsg_len = sizeof second;
  second.nlmsg_type = 21;
  const std::string bytes = Bytes(first) + std::string("x\0\0\0", 4) + Bytes(second);
  std::string_view datagram = bytes;
  auto message = TakeMessage(&datagram);
  ASSERT_TRUE(message.ok() && message->has_value());
  EXPECT_EQ((*message)->type, 20);
  EXPECT_EQ((*message)->payload, "x");
  message = TakeMessage(&datagram);
  ASSERT_TRUE(message.ok() && message->has_value());
  EXPECT_EQ((*message)->type, 21);
  message = TakeMessage(&datagram);
  EXPECT_TRUE(message.ok() && !message->has_value());
}

TEST(TakeMessageTest, ImpossibleLengthsAreRefused) {
  for (uint32_t length : {0u, 15u, 17u, 0x7fffffffu, 0xffffffffu, 0xfffffffdu}) {
    const std::string bytes = LengthOnly(length);
    std::string_view datagram = bytes;
    EXPECT_FALSE(TakeMessage(&datagram).ok()) << length;
  }
  std::string_view stub = "abc";
  EXPECT_FALSE(TakeMessage(&stub).ok());
}

TEST(ForEachAttributeTest, ImpossibleLengthsAreRefused) {
  const auto parses = [](std::string_view bytes) {
    return ForEachAttribute(bytes, [](uint16_t, std::string_view) {}).ok();
  };
  EXPECT_TRUE(parses(""));
  EXPECT_TRUE(parses(Attribute(1, "abc") + Attribute(2, "")));
  EXPECT_FALSE(parses("abc"));
  EXPECT_FALSE(parses(std::string("\0\0\1\0", 4)));
  EXPECT_FALSE(parses(std::string("\3\0\1\0", 4)));
  EXPECT_FALSE(parses(std::string("\5\0\1\0", 4)));
}

TEST(ParseSocketTest, ShortOrForeignMessagesAreRefused) {
  inet_diag_msg message = {};
  message.idiag_family = AF_INET;
  message.idiag_state = 10;
  const std::string bytes = Bytes(message);
  EXPECT_TRUE(ParseSocket(Protocol::kTcp, Message(SOCK_DIAG_BY_FAMILY, bytes)).ok());
  EXPECT_FALSE(ParseSocket(Protocol::kTcp6, Message(SOCK_DIAG_BY_FAMILY, bytes)).ok());
  EXPECT_FALSE(ParseSocket(Protocol::kTcp, Message(RTM_NEWLINK, bytes)).ok());
  EXPECT_FALSE(ParseSocket(Protocol::kUnix, Message(SOCK_DIAG_BY_FAMILY, bytes)).ok());
  EXPECT_FALSE(ParseSocket(Protocol::kPacket, Message(SOCK_DIAG_BY_FAMILY, bytes)).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::string cut = bytes.substr(0, size);
    EXPECT_FALSE(ParseSocket(Protocol::kTcp, Message(SOCK_DIAG_BY_FAMILY, cut)).ok()) << size;
  }
  for (uint8_t state : {0, 14, 255}) {
    message.idiag_state = state;
    EXPECT_FALSE(ParseSocket(Protocol::kTcp, Message(SOCK_DIAG_BY_FAMILY, Bytes(message))).ok());
  }
}

TEST(ParseSocketTest, UnixNamesAreMadeFitToShow) {
  unix_diag_msg message = {};
  message.udiag_family = AF_UNIX;
  message.udiag_type = SOCK_STREAM;
  message.udiag_state = 10;
  const auto path = [&](std::string_view name) {
    const std::string bytes = Bytes(message) + Attribute(UNIX_DIAG_NAME, name);
    const auto fact = ParseSocket(Protocol::kUnix, Message(SOCK_DIAG_BY_FAMILY, bytes));
    return fact.ok() ? fact->path : "refused";
  };
  EXPECT_EQ(path("/run/a.sock"), "/run/a.sock");
  EXPECT_EQ(path(std::string_view("/run/a\0b", 8)), "/run/a");
  EXPECT_EQ(path(std::string_view("\0x\0y", 4)), "@x@y");
  EXPECT_EQ(path("/\xff"), "/\xef\xbf\xbd");
  EXPECT_EQ(path(std::string(300, 'x')), "refused");
  const std::string bytes = Bytes(message) + Attribute(UNIX_DIAG_PEER, "abc");
  EXPECT_FALSE(ParseSocket(Protocol::kUnix, Message(SOCK_DIAG_BY_FAMILY, bytes)).ok());
}

TEST(ParseRouteMessageTest, EachNextHopIsAFact) {
  rtmsg header = {};
  header.rtm_family = AF_INET;
  header.rtm_type = RTN_UNICAST;
  std::string hops;
  for (char last : {1, 2}) {
    rtnexthop hop = {};
    hop.rtnh_len = static_cast<uint16_t>(sizeof hop + 8);
    hop.rtnh_ifindex = last;
    hops += Bytes(hop) + Attribute(RTA_GATEWAY, std::string({10, 0, 0, last}));
  }
  const std::string bytes = Bytes(header) + Attribute(RTA_MULTIPATH, hops);
  const auto facts = ParseRouteMessage(Kind::kRoute, Message(RTM_NEWROUTE, bytes));
  ASSERT_TRUE(facts.ok()) << facts.status();
  ASSERT_EQ(facts->size(), 2u);
  EXPECT_EQ((*facts)[0].gateway.ToString(), "10.0.0.1");
  EXPECT_EQ((*facts)[1].gateway.ToString(), "10.0.0.2");
  EXPECT_EQ((*facts)[1].interface_index, 2u);
  EXPECT_EQ((*facts)[1].remote.ToString(), "0.0.0.0");
}

TEST(ParseRouteMessageTest, WrongSizesAreRefused) {
  rtmsg route = {};
  route.rtm_family = AF_INET;
  const auto refused = [](Kind kind, uint16_t type, const std::string& bytes) {
    return !ParseRouteMessage(kind, Message(type, bytes)).ok();
  };
  EXPECT_TRUE(refused(Kind::kRoute, RTM_NEWROUTE, Bytes(route) + Attribute(RTA_DST, "abc")));
  EXPECT_TRUE(refused(Kind::kRoute, RTM_NEWROUTE, Bytes(route) + Attribute(RTA_OIF, "a")));
  EXPECT_TRUE(
      refused(Kind::kRoute, RTM_NEWROUTE, Bytes(route) + Attribute(RTA_MULTIPATH, "abcdefgh")));
  EXPECT_TRUE(refused(Kind::kRoute, RTM_NEWLINK, Bytes(route)));
  route.rtm_dst_len = 33;
  EXPECT_TRUE(refused(Kind::kRoute, RTM_NEWROUTE, Bytes(route)));
  ifaddrmsg address = {};
  address.ifa_family = AF_INET6;
  EXPECT_TRUE(refused(Kind::kAddress, RTM_NEWADDR, Bytes(address)));
  EXPECT_TRUE(
      refused(Kind::kAddress, RTM_NEWADDR, Bytes(address) + Attribute(IFA_ADDRESS, "abcd")));
  EXPECT_TRUE(refused(Kind::kInterface, RTM_NEWLINK, Bytes(ifinfomsg{})));
}

TEST(ParseRawLineTest, ReadsTheKernelsForm) {
  const auto fact = ParseRawLine(
      Protocol::kRaw,
      "   1: 0100007F:0001 00000000:0000 07 00000001:00000002 00:00000000 00000000  1000        0 "
      "4242 2 0000000000000000 0");
  ASSERT_TRUE(fact.ok()) << fact.status();
  EXPECT_EQ(fact->local.ToString(), "127.0.0.1");
  EXPECT_EQ(fact->type, "1");
  EXPECT_EQ(fact->inode, 4242u);
  EXPECT_EQ(fact->uid, 1000u);
  EXPECT_EQ(fact->send_queue, 1u);
  EXPECT_EQ(fact->receive_queue, 2u);
  EXPECT_TRUE(fact->remote.empty());
  const auto v6 = ParseRawLine(
      Protocol::kRaw6,
      "  58: 00000000000000000000000001000000:003A 00000000000000000000000000000000:0000 07 "
      "00000000:00000000 00:00000000 00000000     0        0 7 2 0000000000000000 0");
  ASSERT_TRUE(v6.ok()) << v6.status();
  EXPECT_EQ(v6->local.ToString(), "::1");
  EXPECT_EQ(v6->type, "58");
}

TEST(ParseRawLineTest, OtherFormsAreRefused) {
  for (const char* line :
       {"", "1: 2 3", "1: 0100007F:0001 00000000 07 00000001:00000002 0 0 0 0 1",
        "1: 010000ZF:0001 00000000:0000 07 00000001:00000002 0 0 0 0 1",
        "1: 0100007F:0001 00000000:0000 07 1:2 0 0 0 0 1",
        "1: 0100007F:0001 00000000:0000 07 00000001:00000002 0 0 -1 0 1",
        "1: 0100007F:0001 00000000:0000 07 00000001:00000002 0 0 0 0 99999999999"}) {
    EXPECT_FALSE(ParseRawLine(Protocol::kRaw, line).ok()) << line;
  }
}

TEST(NetlinkSocketTest, AFamilyThatTheKernelDoesNotKnowIsAnError) {
  auto socket = NetlinkSocket::Open(NETLINK_SOCK_DIAG);
  ASSERT_TRUE(socket.ok()) << socket.status();
  inet_diag_req_v2 request = {};
  request.sdiag_family = AF_MAX - 1;
  const auto end =
      socket->Dump(SOCK_DIAG_BY_FAMILY, Bytes(request), [](const NetlinkMessage&) { return true; });
  EXPECT_FALSE(end.ok());
}

TEST(NetlinkSocketTest, AStoppedDumpSaysSo) {
  auto socket = NetlinkSocket::Open(NETLINK_ROUTE);
  ASSERT_TRUE(socket.ok()) << socket.status();
  const RouteRequest request = RouteRequests(Kind::kInterface).front();
  const auto end =
      socket->Dump(request.type, request.body, [](const NetlinkMessage&) { return false; });
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_TRUE(end->stopped);
}

}  // namespace
}  // namespace dragnet::netstat
