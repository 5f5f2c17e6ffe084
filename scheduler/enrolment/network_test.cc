#include "scheduler/enrolment/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;

std::string AddressOf(std::string_view peer) {
  const std::optional<IpAddress> address = IpAddress::OfPeer(peer);
  return address.has_value() ? address->ToText() : "none";
}

TEST(NetworkTest, PeersAreUnderstoodAsGrpcNamesThem) {
  EXPECT_EQ(AddressOf("ipv4:10.1.2.3:4711"), "10.1.2.3");
  EXPECT_EQ(AddressOf("ipv6:[2001:db8::1]:4711"), "2001:db8::1");
  EXPECT_EQ(AddressOf("ipv6:%5B2001:db8::1%5D:4711"), "2001:db8::1");
  EXPECT_EQ(AddressOf("ipv6:%5Bfe80::1%25eth0%5D:4711"), "fe80::1");
  EXPECT_EQ(AddressOf("ipv6:[::ffff:10.1.2.3]:4711"), "10.1.2.3");
}

TEST(NetworkTest, WhatIsNoAddressIsNone) {
  for (const char* peer : {"", "ipv4", "ipv4:", "unix:/run/socket", "unix:10.1.2.3:1", "10.1.2.3:1",
                           "ipv4:10.1.2.3", "ipv4:10.1.2:4711", "ipv6:2001:db8::1:4711",
                           "ipv6:[]:1", "ipv6:[10.1.2.3%]:x%5D:1", "ipv4:010.1.2.3:1"})
    EXPECT_EQ(AddressOf(peer), "none") << peer;
}

TEST(NetworkTest, NetworksAreWrittenOneWayOnly) {
  for (const char* text : {"10.0.0.0/8", "0.0.0.0/0", "10.1.2.3/32", "192.168.4.0/22",
                           "2001:db8::/32", "::/0", "::1/128", "2001:db8:8000::/33"}) {
    const absl::StatusOr<Network> network = Network::Parse(text);
    ASSERT_TRUE(network.ok()) << network.status();
    EXPECT_EQ(network->ToText(), text);
  }
  for (const char* text : {"",
                           "/",
                           "10.0.0.0",
                           "10.0.0.0/",
                           "10.0.0.0/33",
                           "10.0.0.0/-1",
                           "10.0.0.0/+8",
                           "10.0.0.0/08",
                           "10.0.0.0/8 ",
                           " 10.0.0.0/8",
                           "10.0.0.0/8/8",
                           "10/8",
                           "10.0.0.1/8",
                           "10.0.0.0/255.0.0.0",
                           "::ffff:10.0.0.0/104",
                           "2001:db8::/129",
                           "2001:db8::1/64",
                           "fe80::%eth0/64",
                           "host.example/8",
                           "10.0.0.0/8\n11.0.0.0/8",
                           "0x0a.0.0.0/8"})
    EXPECT_TRUE(absl::IsInvalidArgument(Network::Parse(text).status())) << text;
  EXPECT_FALSE(Network::Parse(std::string("10.0.0.0\0/8", 11)).ok());
}

TEST(NetworkTest, RefusalsSayHowToWriteIt) {
  EXPECT_THAT(std::string(Network::Parse("10.1.2.3/8").status().message()),
              HasSubstr("the network is 10.0.0.0/8"));
  EXPECT_THAT(std::string(Network::Parse("10.1.2.3").status().message()), HasSubstr("10.1.2.3/32"));
  EXPECT_THAT(std::string(Network::Parse("::ffff:10.0.0.0/104").status().message()),
              HasSubstr("write an IPv4 network as such"));
}

TEST(NetworkTest, AnAddressIsInItsNetworksOnly) {
  EXPECT_TRUE(IsInOneOf({"10.0.0.0/8"}, "ipv4:10.255.0.1:1"));
  EXPECT_FALSE(IsInOneOf({"10.0.0.0/8"}, "ipv4:11.0.0.1:1"));
  EXPECT_TRUE(IsInOneOf({"192.168.4.0/22"}, "ipv4:192.168.7.255:1"));
  EXPECT_FALSE(IsInOneOf({"192.168.4.0/22"}, "ipv4:192.168.8.0:1"));
  EXPECT_TRUE(IsInOneOf({"10.1.2.3/32"}, "ipv4:10.1.2.3:1"));
  EXPECT_FALSE(IsInOneOf({"10.1.2.3/32"}, "ipv4:10.1.2.2:1"));
  EXPECT_TRUE(IsInOneOf({"2001:db8:8000::/33"}, "ipv6:%5B2001:db8:ffff::1%5D:1"));
  EXPECT_FALSE(IsInOneOf({"2001:db8:8000::/33"}, "ipv6:%5B2001:db8:7fff::1%5D:1"));
  EXPECT_TRUE(IsInOneOf({"172.16.0.0/12", "10.0.0.0/8"}, "ipv4:10.0.0.1:1"));
}

TEST(NetworkTest, Ipv4OverIpv6IsIpv4) {
  EXPECT_TRUE(IsInOneOf({"10.0.0.0/8"}, "ipv6:[::ffff:10.0.0.1]:1"));
  EXPECT_FALSE(IsInOneOf({"10.0.0.0/8"}, "ipv6:[::10.0.0.1]:1"));
  EXPECT_FALSE(IsInOneOf({"::/0"}, "ipv4:10.0.0.1:1"));
  EXPECT_FALSE(IsInOneOf({"0.0.0.0/0"}, "ipv6:[2001:db8::1]:1"));
}

TEST(NetworkTest, WhoseAddressIsNotKnownIsInNoNetwork) {
  EXPECT_TRUE(IsInOneOf({}, "unix:/run/socket"));
  EXPECT_FALSE(IsInOneOf({"0.0.0.0/0", "::/0"}, "unix:/run/socket"));
  EXPECT_FALSE(IsInOneOf({"not a network"}, "ipv4:10.0.0.1:1"));
}

}  // namespace
}  // namespace dragnet::scheduler
