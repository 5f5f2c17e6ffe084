#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/syscall.h>

#include <string>
#include <vector>

#include "core/strings.h"
#include "modules/firewall/firewall.pb.h"
#include "modules/firewall/run.h"
#include "modules/firewall/search.h"
#include "modules/firewall/test_network.h"
#include "modules/firewall/words.h"
#include "modules/run_context_fake.h"

namespace dragnet {
const Module& FirewallModule();
}

namespace dragnet::firewall {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

// "tcp 22-22 from 10.0.0.0/8 eth0".
std::string Text(const v1::FirewallRow& row) {
  return StrCat(row.protocol(), " ", row.port_from(), "-", row.port_to(), " from ", row.source(),
                row.interface() == "any" ? "" : StrCat(" by ", row.interface()),
                row.destination() == "any" ? "" : StrCat(" to ", row.destination()));
}

class FirewallTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoNetwork(); !why.empty()) GTEST_SKIP() << why;
  }

  // What can be reached besides, by rules of nft, on a host with eth0 and eth1.
  std::vector<std::string> Reachable(const std::string& rules,
                                     const std::vector<std::string>& allowed) {
    v1::FirewallParameters parameters;
    for (const std::string& each : allowed) parameters.add_reachable(each);
    const auto search = CompileSearch(parameters);
    EXPECT_TRUE(search.ok()) << search.status();
    FakeRunContext context;
    InNewNetwork([&] {
      ASSERT_TRUE(Nft(rules)) << rules;
      const Ruleset ruleset = CurrentRuleset();
      const Interfaces interfaces =
          ParseInterfaces("h|\n face|\n lo: 1\n eth0: 1\n eth1: 2\n", "2\teth0\n3\teth1\n", "", {});
      ReportReachable(*search, ruleset, interfaces, context);
    });
    unsure_ = context.unexamined["what rules let in can't be decided"];
    std::vector<std::string> texts;
    for (const auto& row : context.RowsAs<v1::FirewallRow>()) texts.push_back(Text(row));
    return texts;
  }

  // In one base chain that drops the rest.
  std::vector<std::string> ReachableBy(const std::string& rules,
                                       const std::vector<std::string>& allowed = {"none"}) {
    return Reachable(StrCat("table inet t { chain c { type filter hook input priority 0; policy "
                            "drop;\n",
                            rules, "\n}\n}\n"),
                     allowed);
  }

  std::vector<std::string> unsure_;
};

TEST_F(FirewallTest, WithoutRulesEverythingCanBeReached) {
  EXPECT_THAT(Reachable("", {"none"}),
              ElementsAre("tcp 0-65535 from 0.0.0.0/0", "udp 0-65535 from 0.0.0.0/0",
                          "tcp 0-65535 from ::/0", "udp 0-65535 from ::/0"));
  EXPECT_THAT(unsure_, IsEmpty());
}

TEST_F(FirewallTest, WhatIsAllowedIsNotReported) {
  const std::string rules =
      "ct state established,related accept\niif lo accept\n"
      "ip saddr 10.0.0.0/8 tcp dport 22 accept\ntcp dport 443 accept\n"
      "icmp type echo-request accept";
  EXPECT_THAT(ReachableBy(rules, {"22/tcp from 10.0.0.0/8", "443/tcp"}), IsEmpty());
  EXPECT_THAT(unsure_, IsEmpty());
  EXPECT_THAT(ReachableBy(rules, {"443"}), ElementsAre("tcp 22-22 from 10.0.0.0/8"));
  EXPECT_THAT(ReachableBy(rules, {"22/tcp from 10.0.0.0/9", "443/tcp from 0.0.0.0/0"}),
              ElementsAre("tcp 22-22 from 10.128.0.0/9", "tcp 443-443 from ::/0"));
}

TEST_F(FirewallTest, SetsRangesAndPrefixesOfWholeBytes) {
  EXPECT_THAT(ReachableBy("ip saddr 192.168.0.0/16 udp dport { 53, 100-200, 201 } accept"),
              ElementsAre("udp 53-53 from 192.168.0.0/16", "udp 100-201 from 192.168.0.0/16"));
  EXPECT_THAT(ReachableBy("ip saddr { 10.0.0.0/9, 10.128.0.1-10.128.0.5 } tcp dport 22 accept"),
              ElementsAre("tcp 22-22 from 10.0.0.0/9", "tcp 22-22 from 10.128.0.1-10.128.0.5"));
  EXPECT_THAT(ReachableBy("tcp dport 1000-1003 tcp dport != 1002 accept"),
              ElementsAre("tcp 1000-1001 from 0.0.0.0/0", "tcp 1003-1003 from 0.0.0.0/0",
                          "tcp 1000-1001 from ::/0", "tcp 1003-1003 from ::/0"));
  EXPECT_THAT(ReachableBy("ip6 saddr fd00::/9 tcp dport < 2 accept"),
              ElementsAre("tcp 0-1 from fd00::/9"));
  EXPECT_THAT(unsure_, IsEmpty());
}

TEST_F(FirewallTest, MapsOfVerdictsJumpsAndConcatenations) {
  EXPECT_THAT(Reachable("table ip t {\n"
                        " chain web { ip saddr 10.1.0.0/16 accept; return; }\n"
                        " chain ssh { ip saddr . tcp dport { 10.2.0.1 . 22, 10.3.0.0/16 . 20-23 } "
                        "accept; }\n"
                        " chain c { type filter hook input priority 0; policy drop;\n"
                        "  tcp dport vmap { 80 : jump web, 22 : goto ssh, 25 : drop }\n"
                        "  ip saddr 10.1.2.3 tcp dport { 25, 80, 22, 99 } accept\n}\n}\n",
                        {"none"}),
              ElementsAre("tcp 22-22 from 10.2.0.1", "tcp 22-22 from 10.3.0.0/16",
                          "tcp 80-80 from 10.1.0.0/16", "tcp 99-99 from 10.1.2.3",
                          "tcp 0-65535 from ::/0", "udp 0-65535 from ::/0"));
  EXPECT_THAT(unsure_, IsEmpty());
}

TEST_F(FirewallTest, EveryChainOnTheWayMustAccept) {
  EXPECT_THAT(
      Reachable("table inet a { chain c { type filter hook input priority 0; policy drop;\n"
                "  tcp dport { 22, 80 } accept\n}\n}\n"
                "table inet b { chain p { type filter hook prerouting priority -300; policy "
                "accept;\n  tcp dport 22 ip saddr != 10.0.0.0/8 drop\n"
                "  meta nfproto ipv6 drop\n}\n}\n",
                {"none"}),
      ElementsAre("tcp 22-22 from 10.0.0.0/8", "tcp 80-80 from 0.0.0.0/0"));
}

TEST_F(FirewallTest, InterfacesMakeADifference) {
  EXPECT_THAT(ReachableBy("iifname \"eth1\" meta nfproto ipv4 tcp dport 22 accept\n"
                          "iifname \"lo\" accept\niifname \"wg*\" accept"),
              ElementsAre("tcp 22-22 from 0.0.0.0/0 by eth1"));
  EXPECT_THAT(
      ReachableBy("iifname \"eth*\" iifname != \"eth0\" meta nfproto ipv4 udp dport 53 accept"),
      ElementsAre("udp 53-53 from 0.0.0.0/0 by eth1"));
  EXPECT_THAT(unsure_, IsEmpty());
}

TEST_F(FirewallTest, WhoSendsChoosesSourcePortAndRate) {
  EXPECT_THAT(ReachableBy("meta nfproto ipv4 udp sport 53 accept"),
              ElementsAre("udp 0-65535 from 0.0.0.0/0"));
  EXPECT_THAT(ReachableBy("meta nfproto ipv4 tcp dport 22 limit rate 1/minute accept"),
              ElementsAre("tcp 22-22 from 0.0.0.0/0"));
  EXPECT_THAT(ReachableBy("limit rate 10/second drop\nmeta nfproto ipv4 tcp dport 22 limit rate "
                          "100/second accept"),
              ElementsAre("tcp 22-22 from 0.0.0.0/0"));
  EXPECT_THAT(ReachableBy("limit rate over 1/minute drop\nmeta nfproto ipv4 tcp dport 22 accept"),
              ElementsAre("tcp 22-22 from 0.0.0.0/0"));
  EXPECT_THAT(unsure_, IsEmpty());
}

TEST_F(FirewallTest, WhoKnocksGetsIn) {
  EXPECT_THAT(
      Reachable("table ip t {\n"
                " set knocked { type ipv4_addr; flags dynamic,timeout; timeout 1m; }\n"
                " set banned { type ipv4_addr; flags dynamic; size 9; elements = { 10.0.0.1 "
                "} }\n"
                " chain c { type filter hook input priority 0; policy drop;\n"
                "  ip saddr @banned drop\n"
                "  udp dport 7 add @knocked { ip saddr } drop\n"
                "  tcp dport 23 add @banned { ip saddr } drop\n"
                "  tcp dport 80 accept\n"
                "  tcp dport 22 ip saddr @knocked accept\n}\n}\n",
                {"80", "any from ::/0"}),
      ElementsAre("tcp 22-22 from 0.0.0.0-10.0.0.0", "tcp 22-22 from 10.0.0.2-255.255.255.255"));
  EXPECT_THAT(unsure_, IsEmpty());
  EXPECT_THAT(Reachable("table ip t {\n"
                        " set knocked { type ipv4_addr; flags dynamic,timeout; timeout 1m; }\n"
                        " chain c { type filter hook input priority 0; policy drop;\n"
                        "  udp dport 7 add @knocked { ip saddr } drop\n"
                        "  tcp dport 22 ip saddr @knocked accept\n}\n}\n",
                        {"any from ::/0"}),
              ElementsAre("tcp 22-22 from 0.0.0.0/0"));
}

TEST_F(FirewallTest, InterfacesThatAreNotKnownAreNotLeftOut) {
  FakeRunContext context;
  v1::FirewallParameters parameters;
  parameters.add_reachable("none");
  InNewNetwork([&] {
    ASSERT_TRUE(
        Nft("table inet t {\n chain c { type filter hook input priority 0; policy drop;\n"
            "  iifname \"lo\" accept\n  iifname \"eth7\" tcp dport 22 accept\n}\n}\n"));
    ReportReachable(*CompileSearch(parameters), CurrentRuleset(), ParseInterfaces("", "", "", {}),
                    context);
  });
  EXPECT_THAT(context.rows, IsEmpty());
  EXPECT_THAT(context.unexamined["what rules let in can't be decided"], SizeIs(2));
}

TEST_F(FirewallTest, WhatCanNotBeToldIsNeitherReachableNorClosed) {
  EXPECT_THAT(ReachableBy("ip ttl 5 tcp dport 22 accept"), IsEmpty());
  EXPECT_THAT(unsure_, ElementsAre(HasSubstr("tcp 22-22 from 0.0.0.0/0")));
  // Allowed all the same.
  EXPECT_THAT(ReachableBy("ip ttl 5 tcp dport 22 accept", {"22"}), IsEmpty());
  EXPECT_THAT(unsure_, IsEmpty());
  // It makes no difference.
  EXPECT_THAT(ReachableBy("meta nfproto ipv4 tcp dport 22 accept\nip ttl 5 accept", {"any/udp"}),
              ElementsAre("tcp 22-22 from 0.0.0.0/0"));
  EXPECT_THAT(unsure_, Not(IsEmpty()));
}

TEST_F(FirewallTest, MarksAreZeroUnlessSomeRuleSetsThem) {
  EXPECT_THAT(ReachableBy("meta mark 7 accept"), IsEmpty());
  EXPECT_THAT(unsure_, IsEmpty());
  EXPECT_THAT(ReachableBy("tcp dport 1 meta mark set 7\nmeta mark 7 accept"), IsEmpty());
  EXPECT_THAT(unsure_, Not(IsEmpty()));
}

TEST_F(FirewallTest, PortsThatAreTranslatedAreNotClosed) {
  EXPECT_THAT(
      Reachable("table ip n { chain p { type nat hook prerouting priority -100;\n"
                "  tcp dport 8080 redirect to :80\n}\n}\n"
                "table inet f { chain c { type filter hook input priority 0; policy drop;\n}\n}\n",
                {"none"}),
      IsEmpty());
  EXPECT_THAT(unsure_, ElementsAre("tcp 8080-8080 from 0.0.0.0/0 (address translation)"));
}

TEST_F(FirewallTest, NewConnectionsAreInNoOtherState) {
  EXPECT_THAT(
      ReachableBy("ct state vmap { established : accept, related : accept, invalid : drop }\n"
                  "ct state != new accept\nct status dnat accept"),
      IsEmpty());
  EXPECT_THAT(unsure_, IsEmpty());
  EXPECT_THAT(ReachableBy("meta nfproto ipv4 ct state new tcp dport 22 accept"),
              ElementsAre("tcp 22-22 from 0.0.0.0/0"));
}

TEST_F(FirewallTest, RulesOfIptables) {
  if (!Command("iptables-nft --version >/dev/null 2>&1")) GTEST_SKIP() << "needs iptables-nft";
  v1::FirewallParameters parameters;
  parameters.add_reachable("none");
  FakeRunContext context;
  InNewNetwork([&] {
    for (const char* rule :
         {"-P INPUT DROP", "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
          "-A INPUT -i lo -j ACCEPT", "-A INPUT -p tcp -m tcp --dport 22 -s 10.0.0.0/8 -j ACCEPT",
          "-A INPUT -p udp -m multiport --dports 53,100:102 -m comment --comment x -j ACCEPT",
          "-A INPUT -p icmp -j ACCEPT", "-A INPUT -m limit --limit 3/min -j LOG",
          "-A INPUT -m addrtype --dst-type LOCAL -p tcp --dport 80 -j ACCEPT",
          "-A INPUT -p tcp --dport 81 -j REJECT"}) {
      ASSERT_TRUE(Command(StrCat("iptables-nft ", rule))) << rule;
    }
    ASSERT_TRUE(Command("ip6tables-nft -P INPUT DROP"));
    ReportReachable(*CompileSearch(parameters), CurrentRuleset(),
                    ParseInterfaces(" eth0: 1\n", "", "", {}), context);
  });
  std::vector<std::string> texts;
  for (const auto& row : context.RowsAs<v1::FirewallRow>()) texts.push_back(Text(row));
  EXPECT_THAT(texts, ElementsAre("tcp 22-22 from 10.0.0.0/8", "tcp 80-80 from 0.0.0.0/0",
                                 "udp 53-53 from 0.0.0.0/0", "udp 100-102 from 0.0.0.0/0"));
  EXPECT_THAT(context.unexamined, IsEmpty());
}

TEST_F(FirewallTest, RulesInWords) {
  v1::FirewallParameters parameters;
  parameters.add_hooks("input");
  FakeRunContext context;
  InNewNetwork([&] {
    ASSERT_TRUE(
        Nft("table inet t { chain other { }\n"
            "chain c { type filter hook input priority 5; policy drop;\n"
            "ct state established,related counter packets 3 bytes 4 accept\n"
            "ip saddr 10.0.0.0/8 tcp dport { 22, 80-90 } accept comment \"office\"\n"
            "iifname \"eth*\" ip saddr 10.1.2.0/23 log jump other\n"
            "udp dport 53 limit rate 10/second reject\n}\n}\n"));
    ReportRules(*CompileSearch(parameters), CurrentRuleset(), context);
  });
  const auto rows = context.RowsAs<v1::FirewallRow>();
  ASSERT_EQ(rows.size(), 5);
  EXPECT_EQ(rows[0].kind(), "chain");
  EXPECT_EQ(rows[0].hook(), "input");
  EXPECT_EQ(rows[0].policy(), "drop");
  EXPECT_EQ(rows[0].priority(), 5);
  EXPECT_EQ(rows[1].match(), "connection state established,related");
  EXPECT_EQ(rows[1].verdict(), "accept");
  EXPECT_EQ(rows[1].packets(), 3);
  EXPECT_EQ(rows[2].match(),
            "version ipv4, source 10.0.0.0/8, protocol tcp, destination port in {22, 80-90}");
  EXPECT_EQ(rows[2].comment(), "office");
  EXPECT_EQ(rows[2].position(), 2);
  EXPECT_EQ(rows[3].match(), "interface eth*, version ipv4, source 10.1.2.0/23");
  EXPECT_EQ(rows[3].verdict(), "log, jump other");
  EXPECT_EQ(rows[4].match(), "protocol udp, destination port 53, rate up to 10 in 1 s");
  EXPECT_EQ(rows[4].verdict(), "reject");
}

TEST_F(FirewallTest, ThePrivilegeIsGoneWhenRulesAreRead) {
  InNewNetwork([&] {
    v1::FirewallParameters parameters;
    FakeRunContext context;
    EXPECT_TRUE(FirewallModule().Run(parameters, context).ok());
    __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    ASSERT_EQ(::syscall(SYS_capget, &header, data), 0);
    const uint32_t held = data[0].effective | data[0].permitted | data[0].inheritable;
    EXPECT_EQ(held & CAP_TO_MASK(CAP_NET_ADMIN), 0U);
    FakeRunContext again;
    EXPECT_TRUE(FirewallModule().Run(parameters, again).ok());
    EXPECT_THAT(again.unexamined, SizeIs(testing::Ge(1)));
  });
}

TEST(ParseAllowedTest, TakesPortsProtocolAndSources) {
  const auto allowed = ParseAllowed("8000-8010/udp from 10.0.0.0/8,2001:db8::/32");
  ASSERT_TRUE(allowed.ok()) << allowed.status();
  EXPECT_FALSE(allowed->tcp);
  EXPECT_EQ(allowed->ports, (Interval{8000, 8010}));
  EXPECT_EQ(allowed->ipv4[0], (Interval{0x0a000000, 0x0affffff}));
  EXPECT_EQ(AddressRange(allowed->ipv6[0], true), "2001:db8::/32");
  for (const char* text : {"", "22 from", "22/sctp", "70000", "9-8", "22 of 10.0.0.0/8",
                           "22 from 10.0.0.1/8", "22 from x", "22 from 10.0.0.0/33", "-1"}) {
    EXPECT_FALSE(ParseAllowed(text).ok()) << text;
  }
}

TEST(CompileSearchTest, WhatCanNotRunIsRefusedByName) {
  v1::FirewallParameters parameters;
  parameters.add_reachable("22");
  parameters.add_reachable("none");
  EXPECT_THAT(std::string(FirewallModule().Validate(parameters).message()), HasSubstr("none"));
  parameters.Clear();
  parameters.add_families("ipv4");
  EXPECT_THAT(std::string(FirewallModule().Validate(parameters).message()), HasSubstr("inet"));
  parameters.Clear();
  parameters.add_interfaces("eth0");
  EXPECT_THAT(std::string(FirewallModule().Validate(parameters).message()), HasSubstr("reachable"));
}

TEST(AddressRangeTest, IsANetworkWhereItIsOne) {
  EXPECT_EQ(AddressRange({0x0a000000, 0x0a0000ff}, false), "10.0.0.0/24");
  EXPECT_EQ(AddressRange({0x0a000001, 0x0a000002}, false), "10.0.0.1-10.0.0.2");
  EXPECT_EQ(AddressRange({0x0a000001, 0x0a000001}, false), "10.0.0.1");
  EXPECT_EQ(AddressRange({0, 0xffffffff}, false), "any");
  EXPECT_EQ(AddressRange({0, ~Value{0}}, true), "any");
  EXPECT_EQ(AddressRange({0, ~Value{0} >> 1}, true), "::/1");
}

TEST(SpaceTest, WhatIsLeftAndWhatWasTakenAreTheWhole) {
  // Small boxes of two sides against counting.
  const auto box = [](Value a, Value b, Value c, Value d) {
    Box made;
    made.sides[kSource] = {a, b};
    made.sides[kDestinationPort] = {c, d};
    return made;
  };
  const auto covers = [](const std::vector<Box>& boxes, Value x, Value y) {
    int count = 0;
    for (const Box& each : boxes) {
      count += each.sides[kSource].first <= x && x <= each.sides[kSource].last &&
               each.sides[kDestinationPort].first <= y && y <= each.sides[kDestinationPort].last;
    }
    return count;
  };
  const std::vector<Box> taken = {box(2, 4, 1, 3), box(3, 9, 3, 3), box(0, 0, 0, 9)};
  size_t steps = 1000;
  std::vector<Box> rest = SubtractAll({box(0, 9, 0, 9)}, taken, &steps);
  for (const bool coalesced : {false, true}) {
    for (Value x = 0; x < 10; ++x)
      for (Value y = 0; y < 10; ++y)
        EXPECT_EQ(covers(rest, x, y) > 0, covers(taken, x, y) == 0) << coalesced;
    Coalesce(&rest);
  }
  steps = 2;
  SubtractAll({box(0, 9, 0, 9)}, taken, &steps);
  EXPECT_EQ(steps, 0);
}

}  // namespace
}  // namespace dragnet::firewall
