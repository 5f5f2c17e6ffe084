#include "modules/firewall/registers.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>

namespace dragnet::firewall {
namespace {

using Bytes = std::vector<RegisterByte>;
using Kind = RegisterByte::Kind;

// IFNAMSIZ, of net/if.h, which linux/netfilter.h does not go with.
constexpr size_t kInterfaceNameBytes = 16;
constexpr uint8_t kTcpSyn = 0x02;
// Of a new connection (NF_CT_STATE_BIT(IP_CT_NEW)).
constexpr uint32_t kStateNew = 1U << 3;
// Bits of a connection's status that are set only once it is confirmed, answered or
// translated; those for "translation is settled" come and go.
constexpr uint32_t kStatusKnown = 0x3f;

RegisterByte Constant(uint8_t value, uint8_t known = 0xff) {
  RegisterByte byte;
  byte.kind = Kind::kConstant;
  byte.value = value;
  byte.mask = known;
  return byte;
}

Bytes Unknown(size_t length) { return Bytes(length); }

Bytes Constants(std::string_view bytes) {
  Bytes constants;
  for (const char byte : bytes) constants.push_back(Constant(static_cast<uint8_t>(byte)));
  return constants;
}

// A number as the kernel keeps it for itself, in host order.
Bytes HostNumber(uint32_t number, uint32_t known = 0xffffffff) {
  uint8_t value[4], mask[4];
  std::memcpy(value, &number, 4);
  std::memcpy(mask, &known, 4);
  Bytes bytes;
  for (int i = 0; i < 4; ++i) bytes.push_back(Constant(value[i], mask[i]));
  return bytes;
}

Bytes Whole(Kind kind, size_t width) {
  Bytes bytes(width);
  for (size_t i = 0; i < width; ++i) {
    bytes[i].kind = kind;
    bytes[i].index = static_cast<uint8_t>(i);
    bytes[i].width = static_cast<uint8_t>(width);
    bytes[i].mask = 0xff;
  }
  return bytes;
}

Bytes WholeSide(Dimension side, size_t width) {
  Bytes bytes = Whole(Kind::kSide, width);
  for (RegisterByte& byte : bytes) byte.side = side;
  return bytes;
}

// Where a register's bytes begin; kBytes for what is none.
size_t OffsetOf(uint32_t reg) {
  if (reg >= NFT_REG_1 && reg <= NFT_REG_4) return (reg - NFT_REG_1) * 16;
  if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15) return (reg - NFT_REG32_00) * 4;
  return Registers::kBytes;
}

Value ValueOf(std::string_view bytes) {
  Value value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

bool SameThing(const RegisterByte& a, const RegisterByte& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == Kind::kConstant || a.kind == Kind::kUnknown || a.kind == Kind::kNonZero)
    return true;
  return a.side == b.side && b.index == a.index + 1 && a.width == b.width;
}

// Bytes of a header beginning at `offset`: the sides that are there, the rest unknown.
void Place(const Bytes& field, size_t at, uint32_t offset, Bytes* bytes) {
  for (size_t i = 0; i < field.size(); ++i)
    if (at + i >= offset && at + i < offset + bytes->size()) (*bytes)[at + i - offset] = field[i];
}

}  // namespace

std::span<const RegisterByte> Registers::At(uint32_t reg, size_t length) const {
  const size_t offset = OffsetOf(reg);
  if (length > kBytes || offset > kBytes - length) return {};
  return std::span(bytes_).subspan(offset, length);
}

void Registers::Store(uint32_t reg, const Bytes& bytes) {
  const size_t offset = OffsetOf(reg);
  if (bytes.size() > kBytes || offset > kBytes - bytes.size()) return Forget();
  std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset));
  // The kernel fills up to the register's end.
  for (size_t i = offset + bytes.size(); i % 4 != 0 && i < kBytes; ++i) bytes_[i] = Constant(0);
}

void Registers::Forget() { bytes_ = {}; }

bool Registers::Load(const Expression& expression) {
  Bytes bytes;
  if (expression.name == "meta") {
    bytes = Meta(expression);
  } else if (expression.name == "payload") {
    bytes = Payload(expression);
  } else if (expression.name == "ct") {
    bytes = ConnectionTracking(expression);
  } else if (expression.name == "fib") {
    bytes = Fib(expression);
  } else if (expression.name == "immediate") {
    bytes = Constants(expression.data.bytes);
  } else {
    return false;
  }
  if (expression.has_dreg) Store(expression.dreg, bytes);
  return true;
}

Bytes Registers::Meta(const Expression& expression) const {
  switch (expression.key) {
    case NFT_META_PROTOCOL:
      return Constants(space_.is_ipv6 ? std::string_view("\x86\xdd", 2)
                                      : std::string_view("\x08\x00", 2));
    case NFT_META_NFPROTO:
      return {Constant(space_.is_ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4)};
    case NFT_META_L4PROTO:
      return {Constant(space_.protocol)};
    case NFT_META_IIFNAME:
      return Whole(Kind::kInterfaceName, kInterfaceNameBytes);
    case NFT_META_IIF:
      return Whole(Kind::kInterfaceIndex, 4);
    // There is none where packets come in.
    case NFT_META_OIF:
      return HostNumber(0);
    case NFT_META_OIFNAME:
      return Bytes(kInterfaceNameBytes, Constant(0));
    case NFT_META_PKTTYPE:
      return {Constant(0)};  // PACKET_HOST
    case NFT_META_MARK:
      return space_.marks_unknown ? Unknown(4) : HostNumber(0);
    default:
      return Unknown(kInterfaceNameBytes);
  }
}

Bytes Registers::Payload(const Expression& expression) const {
  if (expression.length > 16) return Unknown(kBytes);
  Bytes bytes(expression.length);
  const auto place = [&](const Bytes& field, size_t at) {
    Place(field, at, expression.offset, &bytes);
  };
  if (expression.key == NFT_PAYLOAD_NETWORK_HEADER && !space_.is_ipv6) {
    // The first fragment, or none. Its length and more isn't known.
    place({Constant(0, 0x3f), Constant(0)}, 6);
    place({Constant(space_.protocol)}, 9);
    place(WholeSide(kSource, 4), 12);
    place(WholeSide(kDestination, 4), 16);
  } else if (expression.key == NFT_PAYLOAD_NETWORK_HEADER) {
    place({Constant(space_.protocol)}, 6);
    place(WholeSide(kSource, 16), 8);
    place(WholeSide(kDestination, 16), 24);
  } else if (expression.key == NFT_PAYLOAD_TRANSPORT_HEADER) {
    place(WholeSide(kSourcePort, 2), 0);
    place(WholeSide(kDestinationPort, 2), 2);
    // The first packet of a connection.
    if (space_.protocol == IPPROTO_TCP) place({Constant(kTcpSyn)}, 13);
  }
  return bytes;
}

Bytes Registers::ConnectionTracking(const Expression& expression) const {
  if (space_.tracking_unknown) return Unknown(16);
  switch (expression.key) {
    case NFT_CT_STATE:
      return HostNumber(kStateNew);
    case NFT_CT_DIRECTION:
      return {Constant(0)};  // IP_CT_DIR_ORIGINAL
    case NFT_CT_STATUS:
      return HostNumber(0, kStatusKnown);
    case NFT_CT_MARK:
      return space_.marks_unknown ? Unknown(4) : HostNumber(0);
    case NFT_CT_PROTOCOL:
      return {Constant(space_.protocol)};
    default:
      return Unknown(16);
  }
}

Bytes Registers::Fib(const Expression& expression) const {
  // Packets to this host's addresses are what is asked about.
  if (expression.key == NFT_FIB_RESULT_ADDRTYPE && (expression.flags & NFTA_FIB_F_DADDR) != 0)
    return HostNumber(RTN_LOCAL);
  // Where there is no way back to the source, there is no connection either.
  if ((expression.flags & NFTA_FIB_F_SADDR) != 0 && expression.key != NFT_FIB_RESULT_ADDRTYPE) {
    if ((expression.flags & NFTA_FIB_F_PRESENT) != 0) return {Constant(1)};
    return Whole(Kind::kNonZero,
                 expression.key == NFT_FIB_RESULT_OIFNAME ? kInterfaceNameBytes : 4);
  }
  return Unknown(kInterfaceNameBytes);
}

void Registers::Bitwise(const Expression& expression) {
  const auto source = At(expression.sreg, expression.length);
  Bytes bytes(source.begin(), source.end());
  if (bytes.empty() || expression.key != NFT_BITWISE_BOOL ||
      expression.data.bytes.size() != bytes.size() ||
      expression.data2.bytes.size() != bytes.size()) {
    return Forget();
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto mask = static_cast<uint8_t>(expression.data.bytes[i]);
    const auto flip = static_cast<uint8_t>(expression.data2.bytes[i]);
    RegisterByte& byte = bytes[i];
    if (byte.kind == Kind::kConstant || mask == 0) {
      const uint8_t known =
          byte.kind == Kind::kConstant ? static_cast<uint8_t>(byte.mask | ~mask) : 0xff;
      const uint8_t value = byte.kind == Kind::kConstant ? byte.value & mask : 0;
      // What is masked away of an address remains a part of it, for prefixes.
      if (byte.kind == Kind::kSide && flip == 0) {
        byte.mask = 0;
      } else {
        byte = Constant(value ^ flip, known);
      }
    } else if (byte.kind == Kind::kSide && flip == 0) {
      byte.mask &= mask;
    } else if (mask != 0xff || flip != 0) {
      byte = RegisterByte();
    }
  }
  Store(expression.dreg, bytes);
}

void Registers::ByteOrder(const Expression& expression) {
  const auto source = At(expression.sreg, expression.length);
  Bytes bytes(source.begin(), source.end());
  const size_t size = expression.offset;
  if (bytes.empty() || size == 0 || size > 8 || bytes.size() % size != 0) return Forget();
  // htonl and ntohl both turn the bytes around, or none.
  if constexpr (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
    for (size_t i = 0; i < bytes.size(); i += size)
      std::reverse(bytes.begin() + static_cast<ptrdiff_t>(i),
                   bytes.begin() + static_cast<ptrdiff_t>(i + size));
  }
  for (RegisterByte& byte : bytes)
    if (byte.kind != Kind::kConstant) byte = RegisterByte();
  Store(expression.dreg, bytes);
}

Box Registers::SideBox(Dimension side, Value first, Value last) const {
  Box box = space_.all;
  box.sides[side] = {first, last};
  return box;
}

std::vector<Interval> Registers::NamesBetween(std::span<const RegisterByte> bytes,
                                              std::string_view first, std::string_view last) const {
  std::vector<Interval> found;
  for (size_t i = 0; i < interfaces_.names.size(); ++i) {
    std::string name = interfaces_.names[i];
    name.resize(kInterfaceNameBytes);
    const std::string_view part = std::string_view(name).substr(bytes[0].index, bytes.size());
    if (part < first || part > last) continue;
    found.push_back({i, i});
  }
  return found;
}

Registers::Answer Registers::Stretch(std::span<const RegisterByte> bytes, std::string_view first,
                                     std::string_view last, Box* box,
                                     std::vector<Interval>* interfaces) const {
  const auto is_zero = [](std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char byte) { return byte == 0; });
  };
  switch (bytes[0].kind) {
    case Kind::kUnknown:
      return Answer::kUnknown;
    case Kind::kNonZero:
      return is_zero(last) ? Answer::kNone : Answer::kUnknown;
    case Kind::kConstant: {
      std::string value;
      bool known = true, differs = false;
      for (size_t i = 0; i < bytes.size(); ++i) {
        value += static_cast<char>(bytes[i].value);
        known = known && bytes[i].mask == 0xff;
        differs =
            differs || ((bytes[i].value ^ static_cast<uint8_t>(first[i])) & bytes[i].mask) != 0;
      }
      if (known) return value < first || value > last ? Answer::kNone : Answer::kAll;
      return first == last && differs ? Answer::kNone : Answer::kUnknown;
    }
    case Kind::kInterfaceName:
      // Of lo nothing comes from outside.
      if (!interfaces_.complete &&
          !(first == last && first.substr(0, 3) == std::string_view("lo\0", 3)))
        return Answer::kUnknown;
      *interfaces = NamesBetween(bytes, first, last);
      return Answer::kSome;
    case Kind::kInterfaceIndex: {
      if (bytes.size() != 4 || first != last) return Answer::kUnknown;
      uint32_t index = 0;
      std::memcpy(&index, first.data(), 4);
      bool all_known = interfaces_.complete;
      for (size_t i = 0; i < interfaces_.indices.size(); ++i) {
        if (interfaces_.indices[i] == index) interfaces->push_back({i, i});
        all_known = all_known && interfaces_.indices[i] != 0;
      }
      // 1 is lo, in every namespace.
      return index == 1 || all_known || !interfaces->empty() ? Answer::kSome : Answer::kUnknown;
    }
    case Kind::kSide:
      break;
  }
  // A field from its beginning, whose last bits may be masked away.
  if (bytes[0].index != 0) return Answer::kUnknown;
  const size_t width = bytes[0].width;
  Value mask = 0;
  for (const RegisterByte& byte : bytes) mask = mask << 8 | byte.mask;
  Value all_ones = 0;
  for (size_t i = 0; i < bytes.size(); ++i) all_ones = all_ones << 8 | 0xff;
  const Value hidden = all_ones & ~mask;
  // Only as a prefix: hidden bits are the last ones.
  if ((hidden & (hidden + 1)) != 0) return Answer::kUnknown;
  Value low = ValueOf(first), high = ValueOf(last);
  if (hidden != 0) {
    if (low != high) return Answer::kUnknown;
    if ((low & hidden) != 0) return Answer::kNone;
    high = low | hidden;
  }
  const unsigned shift = static_cast<unsigned>(8 * (width - bytes.size()));
  Value below = 0;
  for (unsigned i = 0; i < shift; i += 8) below = below << 8 | 0xff;
  Interval& side = box->sides[bytes[0].side];
  // A shift by all bits is none that C++ has; a field's byte is at least one.
  side = {std::max(side.first, low << shift), std::min(side.last, (high << shift) | below)};
  return side.first > side.last ? Answer::kNone : Answer::kSome;
}

std::optional<std::vector<Box>> Registers::Between(std::span<const RegisterByte> bytes,
                                                   std::string_view first,
                                                   std::string_view last) const {
  if (bytes.empty() || first.size() != bytes.size() || last.size() != bytes.size())
    return std::nullopt;
  Box box = space_.all;
  std::vector<Interval> interfaces = {space_.all.sides[kInterface]};
  bool unknown = false;
  for (size_t begin = 0; begin < bytes.size();) {
    size_t end = begin + 1;
    // A concatenation's parts begin at registers; constants there are each for themselves.
    while (end < bytes.size() && SameThing(bytes[end - 1], bytes[end]) &&
           !(bytes[begin].kind == Kind::kConstant && end % 4 == 0 && first != last))
      ++end;
    std::vector<Interval> some;
    const Answer answer =
        Stretch(bytes.subspan(begin, end - begin), first.substr(begin, end - begin),
                last.substr(begin, end - begin), &box, &some);
    if (answer == Answer::kNone) return std::vector<Box>();
    if (answer == Answer::kUnknown) unknown = true;
    const Kind kind = bytes[begin].kind;
    if (answer == Answer::kSome && (kind == Kind::kInterfaceName || kind == Kind::kInterfaceIndex))
      interfaces = std::move(some);
    begin = end;
  }
  if (unknown) return std::nullopt;
  std::vector<Box> boxes;
  for (const Interval& interface : interfaces) {
    Box each = box;
    each.sides[kInterface] = interface;
    Box within;
    if (Intersect(each, space_.all, &within)) boxes.push_back(within);
  }
  return boxes;
}

MaybeCondition Registers::Compare(const Expression& expression) const {
  const std::string& data = expression.data.bytes;
  const auto bytes = At(expression.sreg, data.size());
  if (bytes.empty()) return std::nullopt;
  std::string first = data, last = data;
  bool negated = false;
  const std::string lowest(data.size(), '\0'), highest(data.size(), '\xff');
  switch (expression.key) {
    case NFT_CMP_EQ:
      break;
    case NFT_CMP_NEQ:
      negated = true;
      break;
    // An order is that of all bytes together: only of one thing is it that of parts.
    case NFT_CMP_LTE:
      first = lowest;
      break;
    case NFT_CMP_GT:
      first = lowest;
      negated = true;
      break;
    case NFT_CMP_GTE:
      last = highest;
      break;
    case NFT_CMP_LT:
      last = highest;
      negated = true;
      break;
    default:
      return std::nullopt;
  }
  if (first != last) {
    for (size_t i = 1; i < bytes.size(); ++i)
      if (!SameThing(bytes[i - 1], bytes[i])) return std::nullopt;
  }
  auto boxes = Between(bytes, first, last);
  if (!boxes) return std::nullopt;
  return Condition{*std::move(boxes), negated};
}

MaybeCondition Registers::Range(const Expression& expression) const {
  const auto bytes = At(expression.sreg, expression.data.bytes.size());
  for (size_t i = 1; i < bytes.size(); ++i)
    if (!SameThing(bytes[i - 1], bytes[i])) return std::nullopt;
  auto boxes = Between(bytes, expression.data.bytes, expression.data2.bytes);
  if (!boxes) return std::nullopt;
  return Condition{*std::move(boxes), expression.inverted};
}

std::optional<std::vector<Registers::ElementBox>> Registers::Elements(uint32_t sreg,
                                                                      const Set& set) const {
  const auto bytes = At(sreg, set.key_length);
  if (bytes.empty()) return std::nullopt;
  std::vector<ElementBox> found;
  const auto add = [&](const Element& element, std::string_view first, std::string_view last) {
    auto boxes = Between(bytes, first, last);
    if (!boxes) return false;
    for (const Box& box : *boxes) found.push_back({box, &element});
    return true;
  };
  // Interval sets of one part tell where an interval begins, and (flagged) where
  // the next gap does, in no order that can be relied upon.
  std::vector<const Element*> borders;
  for (const Element& element : set.elements) {
    if (element.catch_all) continue;
    if (!element.key_end.empty()) {
      if (!add(element, element.key, element.key_end)) return std::nullopt;
    } else if (set.is_interval) {
      borders.push_back(&element);
    } else if (!add(element, element.key, element.key)) {
      return std::nullopt;
    }
  }
  std::stable_sort(borders.begin(), borders.end(), [](const Element* a, const Element* b) {
    if (a->key != b->key) return a->key < b->key;
    return a->interval_end && !b->interval_end;
  });
  for (size_t i = 0; i < borders.size(); ++i) {
    const Element& begin = *borders[i];
    if (begin.interval_end) continue;
    std::string last(begin.key.size(), '\xff');
    if (i + 1 < borders.size()) {
      last = borders[i + 1]->key;
      if (last.size() != begin.key.size()) return std::nullopt;
      // The key before.
      for (size_t j = last.size(); j-- > 0;) {
        if (last[j]-- != '\0') break;
      }
    }
    if (!add(begin, begin.key, last)) return std::nullopt;
  }
  return found;
}

}  // namespace dragnet::firewall
