#include "modules/netstat/address.h"

#include <gtest/gtest.h>

namespace dragnet::netstat {
namespace {

bool Contains(std::string_view network, std::string_view address) {
  return Network::Parse(network).value().Contains(IpAddress::Parse(address).value());
}

TEST(NetworkTest, ContainsByTheBitsOfItsPrefix) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(Contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(Contains("192.0.2.128/25", "192.0.2.129"));
  EXPECT_FALSE(Contains("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(Contains("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(Contains("192.0.2.1", "192.0.2.0"));
  EXPECT_TRUE(Contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(Contains("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(NetworkTest, AllOfAFamilyIsNotTheOtherFamily) {
  EXPECT_TRUE(Contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(Contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(Contains("::/0", "2001:db8::1"));
  EXPECT_FALSE(Contains("::/0", "203.0.113.9"));
  EXPECT_FALSE(Network::Parse("0.0.0.0/0").value().Contains(IpAddress()));
}

TEST(NetworkTest, AMappedAddressIsAnIpv4Address) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_FALSE(Contains("::/0", "::ffff:10.1.2.3"));
  EXPECT_TRUE(Contains("::ffff:10.0.0.0/104", "10.1.2.3"));
  EXPECT_TRUE(Contains("::ffff:10.1.2.3", "10.1.2.3"));
}

TEST(NetworkTest, AWiderNetworkIsNotContained) {
  const Network network = Network::Parse("10.1.0.0/16").value();
  EXPECT_TRUE(network.Contains(IpAddress::Parse("10.1.2.0").value(), 24));
  EXPECT_TRUE(network.Contains(IpAddress::Parse("10.1.0.0").value(), 16));
  EXPECT_FALSE(network.Contains(IpAddress::Parse("10.0.0.0").value(), 8));
}

TEST(NetworkTest, WhatIsNoNetworkIsRefused) {
  using namespace std::string_view_literals;
  for (std::string_view text :
       {""sv, "/8"sv, "10.0.0/8"sv, "10.0.0.0/33"sv, "10.0.0.0/"sv, "10.0.0.0/-1"sv,
        "10.0.0.0/+8"sv, "10.0.0.0/8/8"sv, " 10.0.0.1"sv, "10.0.0.1 "sv, "010.0.0.1x"sv, "::1%lo"sv,
        "::/129"sv, "::/0128"sv, "localhost"sv, "10.0.0.1\0"sv, "1"sv}) {
    EXPECT_FALSE(Network::Parse(text).ok()) << text;
  }
}

TEST(EndpointTextTest, Ipv6HasBrackets) {
  EXPECT_EQ(EndpointText(IpAddress::Parse("::1").value(), 22), "[::1]:22");
  EXPECT_EQ(EndpointText(IpAddress::Parse("127.0.0.1").value(), 22), "127.0.0.1:22");
  EXPECT_EQ(EndpointText(IpAddress::Parse("::1").value(), std::nullopt), "::1");
  EXPECT_EQ(EndpointText(IpAddress(), 22), "");
}

}  // namespace
}  // namespace dragnet::netstat
