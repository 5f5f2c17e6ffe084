// Which packets from outside get past the rules: a symbolic evaluation.
//
// Method: the packets of a space (an IP version and a protocol) are a box; each
// rule splits boxes into those that match and those that don't, until each is
// accepted or dropped by every chain on its way (ingress, prerouting, input). What a rule asks
// for and can't be told sends a box both ways. So a packet is surely accepted if
// it is in a box that was accepted and in none that was dropped, and surely not
// if it is in none that was accepted; in between it isn't decided.
//
// What who sends can choose (to keep within a rate or not, to get into a set that
// rules fill or not) sends a box both ways, too, but there one way in is enough:
// as long as nothing else is undecided, all that was accepted can be reached.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "modules/firewall/registers.h"
#include "modules/firewall/ruleset.h"
#include "modules/firewall/space.h"

namespace dragnet::firewall {

// What accepted a packet last: a rule, or (without) a chain's policy.
struct Origin {
  const Table* table = nullptr;
  const Chain* chain = nullptr;
  const Rule* rule = nullptr;
  uint32_t position = 0;
};

struct Reachability {
  Space space;
  std::vector<Box> accepted;
  std::vector<Box> dropped;
  // Sent elsewhere, or to another port, by address translation.
  std::vector<Box> translated;
  std::vector<Origin> origins;
  // Some box went both ways: accepted and dropped may overlap.
  bool undecided = false;
  // The rules are too many, or too entangled: nothing is known.
  bool gave_up = false;
  // The names of expressions that can't be told about, each once.
  std::vector<std::string> unknown;
};

// Of packets of one version and protocol (IPPROTO_TCP, IPPROTO_UDP). The rule set must stay.
Reachability ComputeReachability(const Ruleset& ruleset, const Interfaces& interfaces, bool is_ipv6,
                                 uint8_t protocol);

}  // namespace dragnet::firewall
