#include "modules/events/convert.h"

#include <gtest/gtest.h>

#include "modules/netstat/netstat.pb.h"

namespace dragnet::events {
namespace {

TEST(OctalModeTest, AsChmodWritesIt) {
  EXPECT_EQ(OctalMode("-rw-r--r--"), "0644");
  EXPECT_EQ(OctalMode("-rwsr-xr-x"), "4755");
  EXPECT_EQ(OctalMode("drwxrwxrwt"), "1777");
  EXPECT_EQ(OctalMode("-rwSr-Sr-T"), "7644");
  EXPECT_EQ(OctalMode("----------"), "0000");
}

TEST(OctalModeTest, NothingForWhatIsNoMode) {
  for (const char* text : {"", "0644", "-rw-r--r-", "-rw-r--r--x", "-wr-r--r--", "-rw-r--r-s"})
    EXPECT_EQ(OctalMode(text), "") << text;
}

TEST(IpOnlyTest, TakesAddressesAndNothingElse) {
  EXPECT_EQ(IpOnly("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(IpOnly("fe80::1%eth0"), "fe80::1");
  for (const char* text : {"", "*", "10.0.0", "10.0.0.1:80", "host", "1.2.3.4\x1b[2J"})
    EXPECT_EQ(IpOnly(text), "") << text;
}

std::string Converted(std::string_view protocol) {
  netstat::v1::NetstatRow row;
  row.set_protocol(std::string(protocol));
  Document document;
  Convert(row, {"protocol", "network.transport", Conversion::kTransport}, &document);
  return document.Take();
}

TEST(TransportTest, OnlyTransportsAreTransports) {
  EXPECT_EQ(Converted("tcp"), R"({"network":{"transport":"tcp"}})");
  EXPECT_EQ(Converted("udp6"), R"({"network":{"transport":"udp","type":"ipv6"}})");
  EXPECT_EQ(Converted("unix"), "");
  EXPECT_EQ(Converted("tcpdump"), "");
}

TEST(DocumentTest, ListsKeepEachTextOnceAndTextsThatLookLikeTwoApart) {
  Document document;
  for (const char* text : {"a", "b", "a", "a\",\"b", "", "\"a\""})
    document.AddText("related.user", text);
  EXPECT_EQ(document.Take(), R"({"related":{"user":["a","b","a\",\"b","\"a\""]}})");
}

}  // namespace
}  // namespace dragnet::events
