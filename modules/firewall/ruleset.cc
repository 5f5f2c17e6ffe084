#include "modules/firewall/ruleset.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include <algorithm>
#include <functional>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/netstat/netlink.h"

namespace dragnet::firewall {
namespace {

using netstat::ForEachAttribute;

constexpr size_t kMaxNameBytes = 256;
// Expressions within expressions: dynset's.
constexpr int kMaxDepth = 3;
constexpr size_t kMaxExpressions = 1'000'000;
constexpr size_t kMaxElements = 2'000'000;

uint64_t Number(std::string_view value) {
  // Netfilter's numbers are in network order, of whatever width.
  uint64_t number = 0;
  for (const char byte : value.substr(0, 8)) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}
uint32_t Number32(std::string_view value) { return static_cast<uint32_t>(Number(value)); }

// A name, up to its NUL.
std::string Text(std::string_view value) {
  return std::string(value.substr(0, std::min(value.find('\0'), kMaxNameBytes)));
}

// Calls `each` with attributes; collects an error of nested ones, too.
class Attributes {
 public:
  using Each = std::function<absl::Status(uint16_t type, std::string_view value)>;
  static absl::Status Read(std::string_view attributes, const Each& each) {
    absl::Status nested;
    const absl::Status status =
        ForEachAttribute(attributes, [&](uint16_t type, std::string_view value) {
          if (nested.ok()) nested = each(type, value);
        });
    return status.ok() ? nested : status;
  }
};

absl::Status ParseVerdict(std::string_view attributes, Verdict* verdict) {
  return Attributes::Read(attributes, [&](uint16_t type, std::string_view value) {
    if (type == NFTA_VERDICT_CHAIN) verdict->chain = Text(value);
    if (type != NFTA_VERDICT_CODE) return absl::OkStatus();
    switch (static_cast<int32_t>(Number32(value))) {
      case NFT_CONTINUE:
        verdict->kind = Verdict::Kind::kContinue;
        break;
      case NFT_RETURN:
        verdict->kind = Verdict::Kind::kReturn;
        break;
      case NFT_JUMP:
        verdict->kind = Verdict::Kind::kJump;
        break;
      case NFT_GOTO:
        verdict->kind = Verdict::Kind::kGoto;
        break;
      default:
        switch (Number32(value) & NF_VERDICT_MASK) {
          case NF_ACCEPT:
            verdict->kind = Verdict::Kind::kAccept;
            break;
          case NF_DROP:
            verdict->kind = Verdict::Kind::kDrop;
            break;
          default:
            verdict->kind = Verdict::Kind::kQueue;
        }
    }
    return absl::OkStatus();
  });
}

absl::Status ParseData(std::string_view attributes, Data* data) {
  return Attributes::Read(attributes, [&](uint16_t type, std::string_view value) -> absl::Status {
    if (type == NFTA_DATA_VALUE) {
      if (value.size() > 64) return absl::InvalidArgumentError("a value over 64 bytes");
      data->bytes = value;
    }
    if (type != NFTA_DATA_VERDICT) return absl::OkStatus();
    return ParseVerdict(value, &data->verdict.emplace());
  });
}

class ExpressionReader {
 public:
  // Of a list of NFTA_LIST_ELEM.
  absl::Status ReadList(std::string_view attributes, int depth, std::vector<Expression>* list) {
    return Attributes::Read(
        attributes, [&](uint16_t, std::string_view value) { return ReadOne(value, depth, list); });
  }

  absl::Status ReadOne(std::string_view attributes, int depth, std::vector<Expression>* list) {
    if (depth > kMaxDepth || ++count_ > kMaxExpressions)
      return absl::ResourceExhaustedError("more than 1000000 expressions");
    Expression expression;
    std::string_view data;
    DRAGNET_RETURN_IF_ERROR(
        Attributes::Read(attributes, [&](uint16_t type, std::string_view value) {
          if (type == NFTA_EXPR_NAME) expression.name = Text(value);
          if (type == NFTA_EXPR_DATA) data = value;
          return absl::OkStatus();
        }));
    DRAGNET_RETURN_IF_ERROR(Attributes::Read(data, [&](uint16_t type, std::string_view value) {
      return ReadAttribute(type, value, depth, &expression);
    }));
    list->push_back(std::move(expression));
    return absl::OkStatus();
  }

 private:
  using Handler = absl::Status (ExpressionReader::*)(uint16_t, std::string_view, Expression*);

  static void SetSource(std::string_view value, Expression* e) {
    e->sreg = Number32(value);
    e->has_sreg = true;
  }
  static void SetDestination(std::string_view value, Expression* e) {
    e->dreg = Number32(value);
    e->has_dreg = true;
  }

  absl::Status ReadAttribute(uint16_t type, std::string_view value, int depth, Expression* e) {
    if (e->name == "meta") return Meta(type, value, e);
    if (e->name == "payload") return Payload(type, value, e);
    if (e->name == "cmp") return Compare(type, value, e);
    if (e->name == "range") return Range(type, value, e);
    if (e->name == "bitwise") return Bitwise(type, value, e);
    if (e->name == "byteorder") return ByteOrder(type, value, e);
    if (e->name == "lookup") return Lookup(type, value, e);
    if (e->name == "immediate") return Immediate(type, value, e);
    if (e->name == "ct") return ConnectionTracking(type, value, e);
    if (e->name == "limit") return Limit(type, value, e);
    if (e->name == "connlimit") return ConnectionLimit(type, value, e);
    if (e->name == "counter") return Counter(type, value, e);
    if (e->name == "fib") return Fib(type, value, e);
    if (e->name == "match" || e->name == "target") return Extension(type, value, e);
    if (e->name == "dynset") return DynamicSet(type, value, depth, e);
    if (e->name == "objref") return ObjectReference(type, value, e);
    if (e->name == "log" && type == NFTA_LOG_PREFIX) e->text = Text(value);
    if (e->name == "nat" && type == NFTA_NAT_TYPE) e->flags = Number32(value);
    return absl::OkStatus();
  }

  absl::Status Meta(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_META_DREG) SetDestination(value, e);
    if (type == NFTA_META_SREG) SetSource(value, e);
    if (type == NFTA_META_KEY) e->key = Number32(value);
    return absl::OkStatus();
  }
  absl::Status Payload(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_PAYLOAD_DREG) SetDestination(value, e);
    if (type == NFTA_PAYLOAD_SREG) SetSource(value, e);
    if (type == NFTA_PAYLOAD_BASE) e->key = Number32(value);
    if (type == NFTA_PAYLOAD_OFFSET) e->offset = Number32(value);
    if (type == NFTA_PAYLOAD_LEN) e->length = Number32(value);
    return absl::OkStatus();
  }
  absl::Status Compare(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_CMP_SREG) SetSource(value, e);
    if (type == NFTA_CMP_OP) e->key = Number32(value);
    if (type == NFTA_CMP_DATA) return ParseData(value, &e->data);
    return absl::OkStatus();
  }
  absl::Status Range(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_RANGE_SREG) SetSource(value, e);
    if (type == NFTA_RANGE_OP) e->inverted = Number32(value) == NFT_RANGE_NEQ;
    if (type == NFTA_RANGE_FROM_DATA) return ParseData(value, &e->data);
    if (type == NFTA_RANGE_TO_DATA) return ParseData(value, &e->data2);
    return absl::OkStatus();
  }
  absl::Status Bitwise(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_BITWISE_SREG) SetSource(value, e);
    if (type == NFTA_BITWISE_DREG) SetDestination(value, e);
    if (type == NFTA_BITWISE_LEN) e->length = Number32(value);
    if (type == NFTA_BITWISE_OP) e->key = Number32(value);
    if (type == NFTA_BITWISE_MASK) return ParseData(value, &e->data);
    if (type == NFTA_BITWISE_XOR) return ParseData(value, &e->data2);
    return absl::OkStatus();
  }
  absl::Status ByteOrder(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_BYTEORDER_SREG) SetSource(value, e);
    if (type == NFTA_BYTEORDER_DREG) SetDestination(value, e);
    if (type == NFTA_BYTEORDER_LEN) e->length = Number32(value);
    if (type == NFTA_BYTEORDER_SIZE) e->offset = Number32(value);
    return absl::OkStatus();
  }
  absl::Status Lookup(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_LOOKUP_SREG) SetSource(value, e);
    if (type == NFTA_LOOKUP_DREG) SetDestination(value, e);
    if (type == NFTA_LOOKUP_SET) e->text = Text(value);
    if (type == NFTA_LOOKUP_FLAGS) e->inverted = (Number32(value) & NFT_LOOKUP_F_INV) != 0;
    return absl::OkStatus();
  }
  absl::Status Immediate(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_IMMEDIATE_DREG) SetDestination(value, e);
    if (type == NFTA_IMMEDIATE_DATA) return ParseData(value, &e->data);
    return absl::OkStatus();
  }
  absl::Status ConnectionTracking(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_CT_DREG) SetDestination(value, e);
    if (type == NFTA_CT_SREG) SetSource(value, e);
    if (type == NFTA_CT_KEY) e->key = Number32(value);
    return absl::OkStatus();
  }
  absl::Status Limit(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_LIMIT_RATE) e->rate = Number(value);
    if (type == NFTA_LIMIT_UNIT) e->unit = Number(value);
    if (type == NFTA_LIMIT_FLAGS) e->inverted = (Number32(value) & NFT_LIMIT_F_INV) != 0;
    return absl::OkStatus();
  }
  absl::Status ConnectionLimit(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_CONNLIMIT_COUNT) e->rate = Number(value);
    if (type == NFTA_CONNLIMIT_FLAGS) e->inverted = (Number32(value) & NFT_CONNLIMIT_F_INV) != 0;
    return absl::OkStatus();
  }
  absl::Status Counter(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_COUNTER_BYTES) e->bytes = Number(value);
    if (type == NFTA_COUNTER_PACKETS) e->packets = Number(value);
    return absl::OkStatus();
  }
  absl::Status Fib(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_FIB_DREG) SetDestination(value, e);
    if (type == NFTA_FIB_RESULT) e->key = Number32(value);
    if (type == NFTA_FIB_FLAGS) e->flags = Number32(value);
    return absl::OkStatus();
  }
  absl::Status Extension(uint16_t type, std::string_view value, Expression* e) {
    static_assert(NFTA_MATCH_NAME == static_cast<int>(NFTA_TARGET_NAME) &&
                  NFTA_MATCH_REV == static_cast<int>(NFTA_TARGET_REV) &&
                  NFTA_MATCH_INFO == static_cast<int>(NFTA_TARGET_INFO));
    if (type == NFTA_MATCH_NAME) e->text = Text(value);
    if (type == NFTA_MATCH_REV) e->flags = Number32(value);
    if (type == NFTA_MATCH_INFO) e->info = value;
    return absl::OkStatus();
  }
  absl::Status DynamicSet(uint16_t type, std::string_view value, int depth, Expression* e) {
    if (type == NFTA_DYNSET_SET_NAME) e->text = Text(value);
    if (type == NFTA_DYNSET_FLAGS) e->inverted = (Number32(value) & NFT_DYNSET_F_INV) != 0;
    if (type == NFTA_DYNSET_EXPR) return ReadOne(value, depth + 1, &e->inner);
    if (type == NFTA_DYNSET_EXPRESSIONS) return ReadList(value, depth + 1, &e->inner);
    return absl::OkStatus();
  }
  absl::Status ObjectReference(uint16_t type, std::string_view value, Expression* e) {
    if (type == NFTA_OBJREF_IMM_TYPE) e->key = Number32(value);
    if (type == NFTA_OBJREF_IMM_NAME) e->text = Text(value);
    return absl::OkStatus();
  }

  size_t count_ = 0;
};

// nft's own data of a rule: type, length, bytes. Type 0 is the comment.
std::string CommentOf(std::string_view user_data) {
  while (user_data.size() >= 2) {
    const auto type = static_cast<uint8_t>(user_data[0]);
    const size_t length = static_cast<uint8_t>(user_data[1]);
    user_data.remove_prefix(2);
    if (length > user_data.size()) break;
    if (type == 0) return Text(user_data.substr(0, length));
    user_data.remove_prefix(length);
  }
  return "";
}

class RulesetReader {
 public:
  absl::StatusOr<Ruleset> Read(const Dump& dump) {
    for (const RawMessage& message : dump.tables) DRAGNET_RETURN_IF_ERROR(ReadTable(message));
    for (const RawMessage& message : dump.chains) DRAGNET_RETURN_IF_ERROR(ReadChain(message));
    for (size_t i = 0; i < ruleset_.tables.size(); ++i)
      for (size_t j = 0; j < ruleset_.tables[i].chains.size(); ++j)
        chains_.emplace(ChainKey{i, ruleset_.tables[i].chains[j].name}, j);
    for (const RawMessage& message : dump.rules) DRAGNET_RETURN_IF_ERROR(ReadRule(message));
    for (const RawMessage& message : dump.sets) DRAGNET_RETURN_IF_ERROR(ReadSet(message));
    for (const RawMessage& message : dump.elements) DRAGNET_RETURN_IF_ERROR(ReadElements(message));
    return std::move(ruleset_);
  }

 private:
  using ChainKey = std::pair<size_t, std::string>;

  absl::StatusOr<size_t> TableOf(uint8_t family, const std::string& name) const {
    const auto found = tables_.find({family, name});
    if (found == tables_.end())
      return absl::InvalidArgumentError(StrCat("table ", ForTerminal(name), " isn't listed"));
    return found->second;
  }

  absl::Status ReadTable(const RawMessage& message) {
    Table table;
    table.family = message.family;
    DRAGNET_RETURN_IF_ERROR(
        Attributes::Read(message.attributes, [&](uint16_t type, std::string_view value) {
          if (type == NFTA_TABLE_NAME) table.name = Text(value);
          if (type == NFTA_TABLE_FLAGS)
            table.dormant = (Number32(value) & NFT_TABLE_F_DORMANT) != 0;
          return absl::OkStatus();
        }));
    tables_.emplace(std::pair(table.family, table.name), ruleset_.tables.size());
    ruleset_.tables.push_back(std::move(table));
    return absl::OkStatus();
  }

  static absl::Status ReadHook(std::string_view attributes, Chain* chain) {
    chain->is_base = true;
    return Attributes::Read(attributes, [&](uint16_t type, std::string_view value) {
      if (type == NFTA_HOOK_HOOKNUM) chain->hook = Number32(value);
      if (type == NFTA_HOOK_PRIORITY) chain->priority = static_cast<int32_t>(Number32(value));
      if (type == NFTA_HOOK_DEV) chain->devices.push_back(Text(value));
      if (type != NFTA_HOOK_DEVS) return absl::OkStatus();
      return Attributes::Read(value, [&](uint16_t, std::string_view device) {
        if (chain->devices.size() < 4096) chain->devices.push_back(Text(device));
        return absl::OkStatus();
      });
    });
  }

  absl::Status ReadChain(const RawMessage& message) {
    Chain chain;
    std::string table;
    DRAGNET_RETURN_IF_ERROR(
        Attributes::Read(message.attributes, [&](uint16_t type, std::string_view value) {
          if (type == NFTA_CHAIN_TABLE) table = Text(value);
          if (type == NFTA_CHAIN_NAME) chain.name = Text(value);
          if (type == NFTA_CHAIN_TYPE) chain.type = Text(value);
          if (type == NFTA_CHAIN_POLICY) chain.policy_drop = Number32(value) == NF_DROP;
          if (type == NFTA_CHAIN_HOOK) return ReadHook(value, &chain);
          return absl::OkStatus();
        }));
    DRAGNET_ASSIGN_OR_RETURN(const size_t index, TableOf(message.family, table));
    ruleset_.tables[index].chains.push_back(std::move(chain));
    return absl::OkStatus();
  }

  absl::Status ReadRule(const RawMessage& message) {
    Rule rule;
    std::string table, chain;
    DRAGNET_RETURN_IF_ERROR(
        Attributes::Read(message.attributes, [&](uint16_t type, std::string_view value) {
          if (type == NFTA_RULE_TABLE) table = Text(value);
          if (type == NFTA_RULE_CHAIN) chain = Text(value);
          if (type == NFTA_RULE_HANDLE) rule.handle = Number(value);
          if (type == NFTA_RULE_USERDATA) rule.comment = CommentOf(value);
          if (type == NFTA_RULE_EXPRESSIONS)
            return expressions_.ReadList(value, 0, &rule.expressions);
          return absl::OkStatus();
        }));
    DRAGNET_ASSIGN_OR_RETURN(const size_t index, TableOf(message.family, table));
    const auto found = chains_.find({index, chain});
    if (found == chains_.end())
      return absl::InvalidArgumentError(StrCat("chain ", ForTerminal(chain), " isn't listed"));
    ruleset_.tables[index].chains[found->second].rules.push_back(std::move(rule));
    return absl::OkStatus();
  }

  absl::Status ReadSet(const RawMessage& message) {
    Set set;
    std::string table, name;
    DRAGNET_RETURN_IF_ERROR(
        Attributes::Read(message.attributes, [&](uint16_t type, std::string_view value) {
          if (type == NFTA_SET_TABLE) table = Text(value);
          if (type == NFTA_SET_NAME) name = Text(value);
          if (type == NFTA_SET_KEY_LEN) set.key_length = Number32(value);
          if (type == NFTA_SET_FLAGS) {
            set.is_map = (Number32(value) & NFT_SET_MAP) != 0;
            set.is_interval = (Number32(value) & NFT_SET_INTERVAL) != 0;
            set.is_dynamic = (Number32(value) & NFT_SET_EVAL) != 0;
          }
          return absl::OkStatus();
        }));
    DRAGNET_ASSIGN_OR_RETURN(const size_t index, TableOf(message.family, table));
    ruleset_.tables[index].sets.emplace(std::move(name), std::move(set));
    return absl::OkStatus();
  }

  absl::Status ReadElement(std::string_view attributes, Set* set) {
    if (++elements_ > kMaxElements)
      return absl::ResourceExhaustedError("more than 2000000 elements of sets");
    Element element;
    Data key, key_end;
    DRAGNET_RETURN_IF_ERROR(
        Attributes::Read(attributes, [&](uint16_t type, std::string_view value) {
          if (type == NFTA_SET_ELEM_KEY) return ParseData(value, &key);
          if (type == NFTA_SET_ELEM_KEY_END) return ParseData(value, &key_end);
          if (type == NFTA_SET_ELEM_DATA) return ParseData(value, &element.data.emplace());
          if (type == NFTA_SET_ELEM_FLAGS) {
            element.interval_end = (Number32(value) & NFT_SET_ELEM_INTERVAL_END) != 0;
            element.catch_all = (Number32(value) & NFT_SET_ELEM_CATCHALL) != 0;
          }
          return absl::OkStatus();
        }));
    element.key = std::move(key.bytes);
    element.key_end = std::move(key_end.bytes);
    set->elements.push_back(std::move(element));
    return absl::OkStatus();
  }

  absl::Status ReadElements(const RawMessage& message) {
    std::string table, name;
    std::string_view list;
    DRAGNET_RETURN_IF_ERROR(
        Attributes::Read(message.attributes, [&](uint16_t type, std::string_view value) {
          if (type == NFTA_SET_ELEM_LIST_TABLE) table = Text(value);
          if (type == NFTA_SET_ELEM_LIST_SET) name = Text(value);
          if (type == NFTA_SET_ELEM_LIST_ELEMENTS) list = value;
          return absl::OkStatus();
        }));
    DRAGNET_ASSIGN_OR_RETURN(const size_t index, TableOf(message.family, table));
    const auto found = ruleset_.tables[index].sets.find(name);
    if (found == ruleset_.tables[index].sets.end())
      return absl::InvalidArgumentError(StrCat("set ", ForTerminal(name), " isn't listed"));
    return Attributes::Read(
        list, [&](uint16_t, std::string_view value) { return ReadElement(value, &found->second); });
  }

  Ruleset ruleset_;
  ExpressionReader expressions_;
  std::map<std::pair<uint8_t, std::string>, size_t> tables_;
  std::map<ChainKey, size_t> chains_;
  size_t elements_ = 0;
};

}  // namespace

const Chain* Table::FindChain(std::string_view name) const {
  const auto found = std::find_if(chains.begin(), chains.end(),
                                  [&](const Chain& chain) { return chain.name == name; });
  return found == chains.end() ? nullptr : &*found;
}

absl::StatusOr<Ruleset> ParseRuleset(const Dump& dump) { return RulesetReader().Read(dump); }

std::string FamilyName(uint8_t family) {
  switch (family) {
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_IPV6:
      return "ip6";
    case NFPROTO_ARP:
      return "arp";
    case NFPROTO_BRIDGE:
      return "bridge";
    case NFPROTO_NETDEV:
      return "netdev";
    default:
      return StrCat(static_cast<int>(family));
  }
}

std::string HookName(uint8_t family, uint32_t hook) {
  if (family == NFPROTO_NETDEV)
    return hook == NF_NETDEV_INGRESS ? "ingress" : hook == 1 ? "egress" : StrCat(hook);
  if (family == NFPROTO_ARP) return hook == 0 ? "input" : hook == 1 ? "output" : StrCat(hook);
  switch (hook) {
    case NF_INET_PRE_ROUTING:
      return "prerouting";
    case NF_INET_LOCAL_IN:
      return "input";
    case NF_INET_FORWARD:
      return "forward";
    case NF_INET_LOCAL_OUT:
      return "output";
    case NF_INET_POST_ROUTING:
      return "postrouting";
    case NF_INET_INGRESS:
      return "ingress";
    default:
      return StrCat(hook);
  }
}

}  // namespace dragnet::firewall
