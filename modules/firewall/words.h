// Rules in words. Stateless; what comes out is valid UTF-8 and bounded.
#pragma once

#include <cstdint>
#include <string>

#include "modules/firewall/ruleset.h"
#include "modules/firewall/space.h"

namespace dragnet::firewall {

struct RuleWords {
  std::string match;
  std::string verdict;
  uint64_t packets = 0;
  uint64_t bytes = 0;
};

RuleWords DescribeRule(const Table& table, const Rule& rule);

// 10.0.0.0/8, 10.0.0.3-10.0.0.9, 10.0.0.1; any for all addresses.
std::string AddressRange(const Interval& addresses, bool is_ipv6);

}  // namespace dragnet::firewall
