#include "modules/firewall/words.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "core/strings.h"
#include "core/text.h"

namespace dragnet::firewall {
namespace {

constexpr size_t kMaxWordsBytes = 4096;
constexpr size_t kMaxElements = 64;

enum class Form { kNumber, kHostNumber, kAddress, kName, kProtocol, kVersion, kState, kHex };

// What a register holds, in words.
struct Held {
  std::string words;
  Form form = Form::kHex;
  std::string mask;
};

uint64_t HostNumber(std::string_view bytes) {
  uint64_t number = 0;
  std::memcpy(&number, bytes.data(), std::min<size_t>(bytes.size(), sizeof number));
  return number;
}

uint64_t NetworkNumber(std::string_view bytes) {
  uint64_t number = 0;
  for (const char byte : bytes.substr(0, 8)) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

std::string Address(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN];
  if (bytes.size() == 4 && ::inet_ntop(AF_INET, bytes.data(), text, sizeof text)) return text;
  if (bytes.size() == 16 && ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text)) return text;
  return StrCat("0x", HexEncode(bytes));
}

std::string Name(std::string_view bytes) {
  const size_t end = bytes.find('\0');
  // Without an end it is a beginning.
  if (end == std::string_view::npos && bytes.size() < 16) return StrCat(ToValidUtf8(bytes), "*");
  return ToValidUtf8(bytes.substr(0, end));
}

std::string Protocol(uint64_t number) {
  switch (number) {
    case IPPROTO_ICMP:
      return "icmp";
    case IPPROTO_TCP:
      return "tcp";
    case IPPROTO_UDP:
      return "udp";
    case IPPROTO_ICMPV6:
      return "icmpv6";
    case IPPROTO_SCTP:
      return "sctp";
    default:
      return StrCat(number);
  }
}

std::string State(uint64_t bits) {
  constexpr std::pair<uint64_t, std::string_view> kStates[] = {
      {1, "invalid"}, {2, "established"}, {4, "related"}, {8, "new"}, {64, "untracked"}};
  std::string text;
  for (const auto& [bit, name] : kStates)
    if ((bits & bit) != 0) StrAppend(&text, text.empty() ? "" : ",", name);
  return text.empty() ? StrCat(bits) : text;
}

std::string ValueText(Form form, std::string_view bytes) {
  switch (form) {
    case Form::kNumber:
      return StrCat(NetworkNumber(bytes));
    case Form::kHostNumber:
      return StrCat(HostNumber(bytes));
    case Form::kAddress:
      return Address(bytes);
    case Form::kName:
      return Name(bytes);
    case Form::kProtocol:
      return Protocol(NetworkNumber(bytes));
    case Form::kVersion:
      return bytes == "\x02" ? "ipv4" : bytes == "\x0a" ? "ipv6" : StrCat(NetworkNumber(bytes));
    case Form::kState:
      return State(HostNumber(bytes));
    case Form::kHex:
      return StrCat("0x", HexEncode(bytes.substr(0, 64)));
  }
  return "";
}

// Length of a mask of leading ones; -1 if it is none.
int PrefixOf(std::string_view mask) {
  int length = 0;
  bool ended = false;
  for (const char byte : mask) {
    for (int bit = 7; bit >= 0; --bit) {
      const bool set = (static_cast<uint8_t>(byte) >> bit & 1) != 0;
      if (set && ended) return -1;
      ended = ended || !set;
      length += set;
    }
  }
  return length;
}

Held MetaHeld(uint32_t key) {
  switch (key) {
    case NFT_META_IIFNAME:
      return {"interface", Form::kName, ""};
    case NFT_META_OIFNAME:
      return {"outgoing interface", Form::kName, ""};
    case NFT_META_IIF:
      return {"interface number", Form::kHostNumber, ""};
    case NFT_META_OIF:
      return {"outgoing interface number", Form::kHostNumber, ""};
    case NFT_META_L4PROTO:
      return {"protocol", Form::kProtocol, ""};
    case NFT_META_NFPROTO:
      return {"version", Form::kVersion, ""};
    case NFT_META_MARK:
      return {"mark", Form::kHostNumber, ""};
    case NFT_META_SKUID:
      return {"socket's user", Form::kHostNumber, ""};
    case NFT_META_PKTTYPE:
      return {"packet type", Form::kHostNumber, ""};
    default:
      return {StrCat("meta ", key), Form::kHex, ""};
  }
}

Held PayloadHeld(const Expression& e, uint8_t family) {
  if (e.key == NFT_PAYLOAD_TRANSPORT_HEADER && e.length == 2 && e.offset == 0)
    return {"source port", Form::kNumber, ""};
  if (e.key == NFT_PAYLOAD_TRANSPORT_HEADER && e.length == 2 && e.offset == 2)
    return {"destination port", Form::kNumber, ""};
  if (e.key == NFT_PAYLOAD_NETWORK_HEADER) {
    // Prefixes of whole bytes are loaded as such.
    if (family != NFPROTO_IPV6 && e.length <= 4 && (e.offset == 12 || e.offset == 16))
      return {e.offset == 12 ? "source" : "destination", Form::kAddress, ""};
    if ((family == NFPROTO_IPV6 || e.length > 4) && (e.offset == 8 || e.offset == 24))
      return {e.offset == 8 ? "source" : "destination", Form::kAddress, ""};
    if (family != NFPROTO_IPV6 && e.offset == 9 && e.length == 1)
      return {"protocol", Form::kProtocol, ""};
    if (family == NFPROTO_IPV6 && e.offset == 6 && e.length == 1)
      return {"protocol", Form::kProtocol, ""};
  }
  constexpr std::string_view kHeaders[] = {"link", "network", "transport", "inner"};
  return {StrCat(e.key < 4 ? kHeaders[e.key] : "unknown", " header byte ", e.offset), Form::kHex,
          ""};
}

Held ConnectionHeld(uint32_t key) {
  switch (key) {
    case NFT_CT_STATE:
      return {"connection state", Form::kState, ""};
    case NFT_CT_MARK:
      return {"connection mark", Form::kHostNumber, ""};
    case NFT_CT_STATUS:
      return {"connection status", Form::kHostNumber, ""};
    default:
      return {StrCat("connection ", key), Form::kHex, ""};
  }
}

std::string VerdictText(const Verdict& verdict) {
  switch (verdict.kind) {
    case Verdict::Kind::kAccept:
      return "accept";
    case Verdict::Kind::kDrop:
      return "drop";
    case Verdict::Kind::kReject:
      return "reject";
    case Verdict::Kind::kQueue:
      return "queue";
    case Verdict::Kind::kJump:
      return StrCat("jump ", verdict.chain);
    case Verdict::Kind::kGoto:
      return StrCat("goto ", verdict.chain);
    case Verdict::Kind::kReturn:
      return "return";
    case Verdict::Kind::kContinue:
      return "continue";
    case Verdict::Kind::kNone:
      break;
  }
  return "";
}

class Describer {
 public:
  Describer(const Table& table, const Rule& rule) : table_(table), rule_(rule) {}

  RuleWords Describe() {
    for (const Expression& expression : rule_.expressions) One(expression);
    words_.match = Shorten(ToValidUtf8(words_.match), kMaxWordsBytes);
    words_.verdict = Shorten(ToValidUtf8(words_.verdict), kMaxWordsBytes);
    return words_;
  }

 private:
  void Match(const std::string& text) {
    if (words_.match.size() > kMaxWordsBytes) return;
    StrAppend(&words_.match, words_.match.empty() ? "" : ", ", text);
  }
  void Do(const std::string& text) {
    if (words_.verdict.size() > kMaxWordsBytes) return;
    StrAppend(&words_.verdict, words_.verdict.empty() ? "" : ", ", text);
  }

  const Held& HeldBy(uint32_t reg) {
    static const Held kNothing = {"?", Form::kHex, ""};
    const auto found = held_.find(reg);
    return found == held_.end() ? kNothing : found->second;
  }

  void One(const Expression& e) {
    if (e.name == "meta" && !e.has_sreg) {
      held_[e.dreg] = MetaHeld(e.key);
    } else if (e.name == "payload" && !e.has_sreg) {
      held_[e.dreg] = PayloadHeld(e, table_.family);
    } else if (e.name == "ct" && !e.has_sreg) {
      held_[e.dreg] = ConnectionHeld(e.key);
    } else if (e.name == "fib") {
      held_[e.dreg] = {"route", Form::kHostNumber, ""};
    } else if (e.name == "bitwise") {
      Held held = HeldBy(e.sreg);
      held.mask = e.data.bytes;
      held_[e.dreg] = held;
    } else if (e.name == "byteorder") {
      held_[e.dreg] = HeldBy(e.sreg);
      held_[e.dreg].form = Form::kNumber;
    } else if (e.name == "cmp") {
      Compare(e);
    } else if (e.name == "range") {
      const Held& held = HeldBy(e.sreg);
      Match(StrCat(held.words, e.inverted ? " not " : " ", ValueText(held.form, e.data.bytes), "-",
                   ValueText(held.form, e.data2.bytes)));
    } else if (e.name == "lookup") {
      Lookup(e);
    } else if (e.name == "immediate") {
      if (e.data.verdict) Do(VerdictText(*e.data.verdict));
    } else if (e.name == "limit" || e.name == "connlimit") {
      Match(StrCat(e.name == "limit" ? "rate" : "connections", e.inverted ? " over " : " up to ",
                   e.rate, e.unit != 0 ? StrCat(" in ", e.unit, " s") : std::string()));
    } else if (e.name == "match") {
      if (e.text != "comment") Match(StrCat("extension ", e.text));
    } else if (e.name == "target") {
      Do(e.text == "REJECT" ? "reject" : e.text);
    } else if (e.name == "counter") {
      words_.packets += e.packets;
      words_.bytes += e.bytes;
    } else if (e.name == "nat") {
      Do(e.flags == NFT_NAT_SNAT ? "snat" : "dnat");
    } else if (e.name == "masq") {
      Do("masquerade");
    } else if (e.name == "redir") {
      Do("redirect");
    } else if (e.name == "dynset") {
      Do(StrCat("set ", e.text));
    } else if (e.has_sreg) {
      Do(StrCat("change ", e.name));
    } else {
      Do(e.name);
    }
  }

  void Compare(const Expression& e) {
    const Held& held = HeldBy(e.sreg);
    const std::string_view value = e.data.bytes;
    const bool is_zero = value.find_first_not_of('\0') == std::string_view::npos;
    // Bits that are asked for: state & (established | related) != 0.
    if (!held.mask.empty() && is_zero && (e.key == NFT_CMP_NEQ || e.key == NFT_CMP_EQ) &&
        held.form != Form::kAddress) {
      Match(
          StrCat(held.words, e.key == NFT_CMP_EQ ? " not " : " ", ValueText(held.form, held.mask)));
      return;
    }
    constexpr std::string_view kOperations[] = {" ", " not ", " < ", " <= ", " > ", " >= "};
    std::string text =
        StrCat(held.words, e.key < std::size(kOperations) ? kOperations[e.key] : " ? ");
    if (held.form == Form::kAddress && !held.mask.empty()) {
      StrAppend(&text, Address(value), "/");
      const int prefix = PrefixOf(held.mask);
      StrAppend(&text, prefix >= 0 ? StrCat(prefix) : Address(held.mask));
    } else if (held.form == Form::kAddress && value.size() != 4 && value.size() < 16) {
      std::string whole(value);
      const bool is_ipv6 = table_.family == NFPROTO_IPV6 || value.size() > 4;
      whole.resize(is_ipv6 ? 16 : 4);
      StrAppend(&text, Address(whole), "/", value.size() * 8);
    } else {
      StrAppend(&text, ValueText(held.form, value));
      if (!held.mask.empty()) StrAppend(&text, " of bits 0x", HexEncode(held.mask));
    }
    Match(text);
  }

  void Lookup(const Expression& e) {
    const Held& held = HeldBy(e.sreg);
    const auto set = table_.sets.find(e.text);
    // Sets without a name of their own are told with what is in them.
    const bool is_named = !e.text.starts_with("__");
    std::string content = is_named || set == table_.sets.end()
                              ? StrCat("@", e.text)
                              : StrCat("{", SetText(set->second, held.form), "}");
    const std::string text = StrCat(held.words, e.inverted ? " not in " : " in ", content);
    if (e.has_dreg && e.dreg == NFT_REG_VERDICT) {
      Do(StrCat("verdict by ", text));
    } else {
      Match(text);
      if (e.has_dreg) held_[e.dreg] = {StrCat("value of ", e.text), Form::kHex, ""};
    }
  }

  static std::string SetText(const Set& set, Form form) {
    // Of several things at once only the bytes are known.
    if (set.key_length > 4 && form != Form::kAddress && form != Form::kName) form = Form::kHex;
    std::vector<std::pair<std::string, std::string>> ranges;
    std::vector<const Element*> borders;
    for (const Element& element : set.elements) {
      if (!element.catch_all) borders.push_back(&element);
    }
    std::stable_sort(borders.begin(), borders.end(), [](const Element* a, const Element* b) {
      if (a->key != b->key) return a->key < b->key;
      return a->interval_end && !b->interval_end;
    });
    std::string text;
    size_t count = 0;
    for (size_t i = 0; i < borders.size(); ++i) {
      const Element& element = *borders[i];
      if (element.interval_end) continue;
      std::string last = element.key_end.empty() ? element.key : element.key_end;
      if (set.is_interval && element.key_end.empty()) {
        last.assign(element.key.size(), '\xff');
        if (i + 1 < borders.size()) {
          last = borders[i + 1]->key;
          for (size_t j = last.size(); j-- > 0;)
            if (last[j]-- != '\0') break;
        }
      }
      if (++count > kMaxElements) return StrCat(text, ", …");
      StrAppend(&text, text.empty() ? "" : ", ", ValueText(form, element.key));
      if (last != element.key) StrAppend(&text, "-", ValueText(form, last));
      if (element.data && element.data->verdict)
        StrAppend(&text, ": ", VerdictText(*element.data->verdict));
    }
    return text;
  }

  const Table& table_;
  const Rule& rule_;
  std::map<uint32_t, Held> held_;
  RuleWords words_;
};

std::string AddressOf(Value value, bool is_ipv6) {
  std::string bytes(is_ipv6 ? 16 : 4, '\0');
  for (size_t i = bytes.size(); i-- > 0; value >>= 8)
    bytes[i] = static_cast<char>(static_cast<uint8_t>(value & 0xff));
  return Address(bytes);
}

}  // namespace

RuleWords DescribeRule(const Table& table, const Rule& rule) {
  return Describer(table, rule).Describe();
}

std::string AddressRange(const Interval& addresses, bool is_ipv6) {
  const int bits = is_ipv6 ? 128 : 32;
  const Value all = is_ipv6 ? ~Value{0} : Value{0xffffffff};
  if (addresses.first == 0 && addresses.last == all) return "any";
  const Value size_less_one = addresses.last - addresses.first;
  // A power of two of addresses, that begins at a multiple of it.
  const bool is_prefix =
      (size_less_one & (size_less_one + 1)) == 0 && (addresses.first & size_less_one) == 0;
  if (!is_prefix)
    return StrCat(AddressOf(addresses.first, is_ipv6), "-", AddressOf(addresses.last, is_ipv6));
  int hidden = 0;
  for (Value rest = size_less_one; rest != 0; rest >>= 1) ++hidden;
  const std::string address = AddressOf(addresses.first, is_ipv6);
  return hidden == 0 ? address : StrCat(address, "/", bits - hidden);
}

}  // namespace dragnet::firewall
