// What is computed from rules against what the kernel does by them: random rules,
// and packets that are really sent, from one network namespace to another.
//
// Which packets got through, a last chain tells, which keeps them in a set; one that
// gets through by any rules is sent last, so that nothing depends on time.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "modules/firewall/reach.h"
#include "modules/firewall/run.h"
#include "modules/firewall/test_network.h"

namespace dragnet::firewall {
namespace {

constexpr const char* kSources[] = {"10.9.0.1", "10.9.0.130", "10.9.1.7", "172.20.0.9"};
constexpr uint16_t kPorts[] = {21, 22, 23, 80, 443, 1024, 5000, 65535};
constexpr uint16_t kSourcePorts[] = {53, 1023, 40000};
// Always let in, and no port of a probe.
constexpr uint16_t kLastPort = 7;

struct Probe {
  bool tcp;
  std::string source;
  uint16_t source_port;
  uint16_t port;

  std::string Text() const {
    return StrCat(tcp ? "tcp" : "udp", " . ", source, " . ", source_port, " . ", port);
  }
};

std::vector<Probe> AllProbes() {
  std::vector<Probe> probes;
  for (bool tcp : {false, true})
    for (const char* source : kSources)
      for (uint16_t source_port : kSourcePorts)
        for (uint16_t port : kPorts) probes.push_back({tcp, source, source_port, port});
  return probes;
}

// Rules that ask for all that is modelled.
class RandomRules {
 public:
  explicit RandomRules(uint32_t seed) : random_(seed) {}

  std::string Ruleset() {
    std::string text = "table inet t {\n";
    StrAppend(&text, " set named { type inet_service; flags interval; elements = { ", Ports(),
              " } }\n");
    StrAppend(&text, " chain sub2 {\n", Rules(2, 2), " }\n");
    StrAppend(&text, " chain sub1 {\n", Rules(3, 1), " }\n");
    if (Chance(3)) {
      StrAppend(&text, " chain pre { type filter hook prerouting priority -150; policy accept;\n",
                Rules(2, 3), " }\n");
    }
    StrAppend(&text, " chain main { type filter hook input priority 0; policy ",
              Chance(2) ? "drop" : "accept", ";\n  udp dport ", kLastPort, " accept\n", Rules(7, 0),
              " }\n}\n");
    return text;
  }

 private:
  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }
  bool Chance(size_t one_in) { return Below(one_in) == 0; }
  std::string Port() { return StrCat(kPorts[Below(std::size(kPorts))]); }

  std::string Ports() {
    std::set<std::string> items;
    // Disjoint.
    for (const char* item : {"20-22", "23", "80-100", "443", "1000-2000", "5000", "60000-65535"})
      if (Chance(2)) items.insert(item);
    if (items.empty()) items.insert("22");
    return absl::StrJoin(items, ", ");
  }

  std::string Network() {
    constexpr const char* kNetworks[] = {"10.0.0.0/8",       "10.9.0.0/24",   "10.9.0.128/25",
                                         "10.9.1.7",         "172.16.0.0/12", "10.9.0.0/23",
                                         "10.9.0.1-10.9.1.0"};
    return kNetworks[Below(std::size(kNetworks))];
  }

  std::string Condition(const std::string& protocol) {
    const std::string negated = Chance(3) ? "!= " : "";
    switch (Below(15)) {
      case 0:
        return StrCat(protocol, " dport ", negated, Port());
      case 1:
        return StrCat(protocol, " dport ", negated, "{ ", Ports(), " }");
      case 2:
        return StrCat("ip saddr ", negated, Network());
      case 3:
        return StrCat("ip saddr ", negated, "{ 10.9.0.0/25, 172.20.0.9 }");
      case 4:
        return StrCat("th sport ", negated, kSourcePorts[Below(std::size(kSourcePorts))]);
      case 5:
        return StrCat(protocol, " dport ", Chance(2) ? "< " : ">= ", Port());
      case 6:
        return StrCat("meta l4proto ", protocol);
      case 7:
        return StrCat("iifname ", negated, Chance(2) ? "\"inside\"" : "\"ins*\"");
      case 8:
        return Chance(2) ? "ct state new" : "ct state established,related";
      case 9:
        return StrCat("ip saddr . ", protocol, " dport { 10.9.0.1 . 22, 10.9.1.0/24 . 80-5000 }");
      case 10:
        return StrCat("th dport ", negated, "@named");
      case 11:
        return StrCat("ip daddr ", negated, "10.9.0.254");
      case 12:
        return protocol == "tcp" ? "tcp flags & (syn | ack) == syn" : "ip protocol udp";
      case 13:
        return StrCat("th sport . th dport ", negated, "{ 53 . 22, 40000 . 443, 1023 . 80 }");
      default:
        return StrCat(protocol, " sport ", kSourcePorts[Below(std::size(kSourcePorts))], " ",
                      protocol, " dport ", Port());
    }
  }

  std::string VerdictText(int depth) {
    switch (Below(depth >= 2 ? 4 : 7)) {
      case 0:
      case 1:
        return "accept";
      case 2:
        return "drop";
      case 3:
        return depth == 3 ? "accept" : "return";
      case 4:
        return depth == 0 ? "jump sub1" : "jump sub2";
      case 5:
        return depth == 0 ? "goto sub1" : "goto sub2";
      default:
        return "counter";
    }
  }

  std::string Rules(int count, int depth) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      // One protocol for both: nft refuses what contradicts itself.
      const std::string protocol = Chance(2) ? "tcp" : "udp";
      // The last packet must get through by any rules.
      std::string rule =
          StrCat(depth == 3 || Chance(2) ? StrCat("th dport != ", kLastPort, " ") : "",
                 Condition(protocol));
      if (Chance(3)) StrAppend(&rule, " ", Condition(protocol));
      if (Chance(6) && depth < 2) {
        rule = StrCat("th dport vmap { 22 : ", VerdictText(2),
                      ", 80-443 : ", depth == 0 ? "jump sub1" : "accept", ", 5000 : drop }");
      } else {
        StrAppend(&rule, " ", VerdictText(depth));
      }
      StrAppend(&text, "  ", rule, "\n");
    }
    return text;
  }

  std::mt19937 random_;
};

sockaddr_in Address(const std::string& host, uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  EXPECT_EQ(::inet_pton(AF_INET, host.c_str(), &address.sin_addr), 1);
  return address;
}

// The first packet of it; whatever comes back.
void Send(const Probe& probe) {
  const UniqueFd fd(
      ::socket(AF_INET, (probe.tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  ASSERT_TRUE(fd.valid());
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in from = Address(probe.source, probe.source_port);
  const sockaddr_in to = Address("10.9.0.254", probe.port);
  ASSERT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from), 0)
      << probe.Text();
  if (probe.tcp) {
    ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
  } else {
    ::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
}

constexpr char kWitness[] =
    "table ip witness {\n"
    " set seen { type inet_proto . ipv4_addr . inet_service . inet_service; flags dynamic; size "
    "65535; }\n"
    " chain c { type filter hook input priority 1000; policy accept;\n"
    "  add @seen { meta l4proto . ip saddr . th sport . th dport }\n}\n}\n";

std::string ReadSeen() {
  FILE* pipe = ::popen("nft list set ip witness seen", "r");
  std::string text;
  char block[4096];
  while (const size_t got = ::fread(block, 1, sizeof block, pipe)) text.append(block, got);
  ::pclose(pipe);
  return text;
}

bool IsAccepted(const std::vector<Box>& boxes, const Probe& probe) {
  Box packet = {};
  const auto set = [&](Dimension side, Value value) { packet.sides[side] = {value, value}; };
  set(kSource, ntohl(Address(probe.source, 0).sin_addr.s_addr));
  set(kDestination, 0x0a0900fe);
  set(kSourcePort, probe.source_port);
  set(kDestinationPort, probe.port);
  return std::any_of(boxes.begin(), boxes.end(),
                     [&](const Box& box) { return firewall::Contains(box, packet); });
}

class PacketsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoNetwork(); !why.empty()) GTEST_SKIP() << why;
    if (!Command("ip -V >/dev/null 2>&1")) GTEST_SKIP() << "needs ip(8)";
  }

  // Sends all probes to a host with these rules, and compares.
  void Compare(const std::string& rules) {
    InNewNetwork([&] {
      // The sender's namespace is that of this thread; the host's that of another.
      const int self = static_cast<int>(::gettid());
      ASSERT_TRUE(
          Command(StrCat("ip link set lo up && ip link add outside type veth peer name inside")));
      for (const char* source : kSources)
        ASSERT_TRUE(Command(StrCat("ip addr add ", source, "/32 dev outside")));
      std::thread host([&] {
        ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
        const int other = static_cast<int>(::gettid());
        ASSERT_TRUE(Command(
            StrCat("nsenter --net=/proc/", self, "/ns/net ip link set inside netns ", other)));
        ASSERT_TRUE(
            Command("ip link set lo up && ip link set inside up && ip addr add "
                    "10.9.0.254/32 dev inside && ip route add default dev inside"));
        ASSERT_TRUE(Nft(rules)) << rules;
        const Ruleset ruleset = CurrentRuleset();
        ASSERT_TRUE(Nft(kWitness));
        SendAllFrom(self);
        const std::string seen = ReadSeen();
        const Interfaces interfaces = ParseInterfaces(" inside: 1\n", "", "", {});
        for (const bool tcp : {false, true}) {
          const Reachability reach =
              ComputeReachability(ruleset, interfaces, false, tcp ? IPPROTO_TCP : IPPROTO_UDP);
          ASSERT_FALSE(reach.gave_up) << rules;
          ASSERT_FALSE(reach.undecided) << rules << testing::PrintToString(reach.unknown);
          for (const Probe& probe : AllProbes()) {
            if (probe.tcp != tcp) continue;
            const bool got_through = seen.find(probe.Text()) != std::string::npos;
            ++(got_through ? through_ : held_back_);
            EXPECT_EQ(IsAccepted(reach.accepted, probe), got_through) << probe.Text() << "\n"
                                                                      << rules;
            EXPECT_EQ(IsAccepted(reach.dropped, probe), !got_through) << probe.Text();
          }
        }
      });
      host.join();
    });
  }

 protected:
  int through_ = 0;
  int held_back_ = 0;

 private:
  // Runs `body` in the network namespace of a thread of this process.
  static void InNetworkOf(int thread, const std::function<void()>& body) {
    std::thread([&] {
      const UniqueFd space(
          ::open(StrCat("/proc/self/task/", thread, "/ns/net").c_str(), O_RDONLY | O_CLOEXEC));
      ASSERT_EQ(::setns(space.get(), CLONE_NEWNET), 0);
      body();
    }).join();
  }

  // One that all rules let in, until it is there: then all that was sent before is, too.
  static void SendUntilSeen(int thread, uint16_t source_port) {
    const Probe probe = {false, kSources[0], source_port, kLastPort};
    for (int attempt = 0; attempt < 1000; ++attempt) {
      InNetworkOf(thread, [&] { Send(probe); });
      if (ReadSeen().find(probe.Text()) != std::string::npos) return;
    }
    FAIL() << "the last packet didn't come";
  }

  static void SendAllFrom(int thread) {
    InNetworkOf(thread, [&] {
      ASSERT_TRUE(Command("ip link set outside up && ip route add 10.9.0.254/32 dev outside"));
    });
    // Until the two know where they are.
    SendUntilSeen(thread, 1023);
    InNetworkOf(thread, [&] {
      for (const Probe& probe : AllProbes()) Send(probe);
    });
    SendUntilSeen(thread, 40000);
  }
};

TEST_F(PacketsTest, WhatIsComputedIsWhatTheKernelDoes) {
  constexpr uint32_t kSeeds = 25;
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Compare(RandomRules(seed).Ruleset());
    if (HasFailure()) return;
  }
  // Else it compares nothing.
  EXPECT_GT(through_, 500);
  EXPECT_GT(held_back_, 500);
}

}  // namespace
}  // namespace dragnet::firewall
