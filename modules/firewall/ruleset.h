// The kernel's answers as tables, chains, rules and sets.
//
// Hostile input: whoever has CAP_NET_ADMIN in the namespace wrote it. All lengths
// are checked; text is bounded and made valid UTF-8 where it is shown.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/firewall/dump.h"

namespace dragnet::firewall {

struct Verdict {
  enum class Kind { kNone, kAccept, kDrop, kReject, kQueue, kJump, kGoto, kReturn, kContinue };
  Kind kind = Kind::kNone;
  // Of kJump and kGoto.
  std::string chain;
};

// A value: bytes as in registers, or a verdict.
struct Data {
  std::string bytes;
  std::optional<Verdict> verdict;
};

// One expression of a rule. Which members hold something depends on its name, the
// kernel's own: meta, cmp, lookup.
struct Expression {
  std::string name;
  uint32_t sreg = 0, dreg = 0;
  bool has_sreg = false, has_dreg = false;
  // meta, ct: what (NFT_META_…, NFT_CT_…). payload: header (NFT_PAYLOAD_…). cmp,
  // range, byteorder, bitwise: operation. fib: result.
  uint32_t key = 0;
  uint32_t offset = 0, length = 0;
  // cmp: what to compare with. range: from. bitwise: mask. immediate: the value.
  Data data;
  // range: to. bitwise: xor.
  Data data2;
  // lookup, dynset, objref, log: its name or prefix. match, target: the extension's name.
  std::string text;
  // lookup: inverted. limit, connlimit: over. fib: flags. ct: direction given. match, target:
  // revision. nat: kind.
  uint32_t flags = 0;
  bool inverted = false;
  // match, target: the extension's own data. dynset: its inner expressions are in `inner`.
  std::string info;
  uint64_t packets = 0, bytes = 0, rate = 0, unit = 0;
  std::vector<Expression> inner;
};

struct Rule {
  uint64_t handle = 0;
  std::string comment;
  std::vector<Expression> expressions;
};

struct Element {
  std::string key;
  // Inclusive, of concatenated intervals; empty: the key alone.
  std::string key_end;
  std::optional<Data> data;
  bool interval_end = false;
  bool catch_all = false;
};

struct Set {
  bool is_map = false;
  bool is_interval = false;
  uint32_t key_length = 0;
  // Its elements change as packets come.
  bool is_dynamic = false;
  std::vector<Element> elements;
};

struct Chain {
  std::string name;
  // A base chain's.
  bool is_base = false;
  uint32_t hook = 0;
  int32_t priority = 0;
  bool policy_drop = false;
  std::string type;
  // Of netdev's and of ingress: the interfaces that it is bound to.
  std::vector<std::string> devices;
  std::vector<Rule> rules;
};

struct Table {
  // NFPROTO_…
  uint8_t family = 0;
  std::string name;
  // Switched off (flag dormant): its chains aren't passed.
  bool dormant = false;
  std::vector<Chain> chains;
  std::map<std::string, Set> sets;

  const Chain* FindChain(std::string_view name) const;
};

struct Ruleset {
  std::vector<Table> tables;
};

// InvalidArgument says what is impossible about it.
absl::StatusOr<Ruleset> ParseRuleset(const Dump& dump);

// As nft writes them: ip, inet; input. A number where it is none.
std::string FamilyName(uint8_t family);
std::string HookName(uint8_t family, uint32_t hook);

}  // namespace dragnet::firewall
