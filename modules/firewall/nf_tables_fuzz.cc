// libFuzzer target: attributes of nf_tables as the kernel sends them, for which
// whoever may change rules chooses most bytes. Read as a rule set, told in words,
// and evaluated. Nothing may crash, hang, or read out of bounds.
//
// Input: records of a kind (one byte), a family (one byte), a length (two bytes, low
// one first) and attributes.
#include <linux/in.h>
#include <linux/netfilter/nf_tables.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/text.h"
#include "modules/firewall/reach.h"
#include "modules/firewall/ruleset.h"
#include "modules/firewall/run.h"
#include "modules/firewall/words.h"

namespace {

using namespace dragnet;
using namespace dragnet::firewall;

Dump MakeDump(std::string_view input) {
  Dump dump;
  std::vector<RawMessage>* const kinds[] = {&dump.tables, &dump.chains, &dump.rules, &dump.sets,
                                            &dump.elements};
  while (input.size() >= 4) {
    const auto byte = [&](size_t at) { return static_cast<uint8_t>(input[at]); };
    const size_t length = std::min<size_t>(byte(2) | byte(3) << 8, input.size() - 4);
    kinds[byte(0) % 5]->push_back({0, byte(1), std::string(input.substr(4, length))});
    input.remove_prefix(4 + length);
  }
  return dump;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 65536) return 0;
  const auto ruleset =
      ParseRuleset(MakeDump(std::string_view(reinterpret_cast<const char*>(data), size)));
  if (!ruleset.ok()) return 0;
  for (const Table& table : ruleset->tables) {
    for (const Chain& chain : table.chains) {
      for (const Rule& rule : chain.rules) {
        const RuleWords words = DescribeRule(table, rule);
        if (!IsValidUtf8(words.match) || !IsValidUtf8(words.verdict)) std::abort();
      }
    }
  }
  const Interfaces interfaces = ParseInterfaces(" eth0: 1\n", "2 eth0\n", "", {});
  for (const bool is_ipv6 : {false, true})
    (void)ComputeReachability(*ruleset, interfaces, is_ipv6, IPPROTO_TCP);
  return 0;
}
