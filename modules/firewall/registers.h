// What the registers of nf_tables hold while a rule is looked at: for each byte,
// what of a packet it is, as far as that is known. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "modules/firewall/ruleset.h"
#include "modules/firewall/space.h"

namespace dragnet::firewall {

// Those that packets may come from, lo not among them.
struct Interfaces {
  std::vector<std::string> names;
  // By position; 0 where it isn't known.
  std::vector<uint32_t> indices;
  // No interface is missing in the list: else what names ask for can't be told.
  bool complete = false;
};

struct RegisterByte {
  enum class Kind : uint8_t {
    kUnknown,
    // Bits of `mask` are those of `value`, the others aren't known.
    kConstant,
    // Byte `index` of the `width` of a side, of which `mask` is kept.
    kSide,
    // Byte `index` of the interface's name, filled up with zeros.
    kInterfaceName,
    // Of its number, in host order.
    kInterfaceIndex,
    // Of a number that isn't zero, and not known otherwise.
    kNonZero,
  };
  Kind kind = Kind::kUnknown;
  Dimension side = kSource;
  uint8_t index = 0;
  uint8_t width = 0;
  uint8_t mask = 0;
  uint8_t value = 0;
};

// A condition on packets: those of any of the boxes, or those of none if negated.
// Nothing: it can't be told.
struct Condition {
  std::vector<Box> boxes;
  bool negated = false;
};
using MaybeCondition = std::optional<Condition>;

// What one packet of a space is known to have.
struct Space {
  bool is_ipv6 = false;
  uint8_t protocol = 0;
  // All packets.
  Box all;
  // Some rule sets marks, which no one follows.
  bool marks_unknown = false;
  // Some rule takes packets out of connection tracking.
  bool tracking_unknown = false;
  // Sets that rules add packets to, by table and name.
  std::set<std::pair<const Table*, std::string>> changing_sets;
};

class Registers {
 public:
  static constexpr size_t kBytes = 64;

  Registers(const Space& space, const Interfaces& interfaces)
      : space_(space), interfaces_(interfaces) {}

  // Loads what the expression (meta, payload, ct, fib, immediate) says; false when it isn't
  // one of these. What isn't known is then unknown.
  bool Load(const Expression& expression);
  void Bitwise(const Expression& expression);
  void ByteOrder(const Expression& expression);
  void Forget();

  // cmp and range.
  MaybeCondition Compare(const Expression& expression) const;
  MaybeCondition Range(const Expression& expression) const;

  struct ElementBox {
    Box box;
    const Element* element;
  };
  // Elements of a set that packets may be in; nothing if that can't be told. The
  // element for all others isn't among them. Empty boxes are left out.
  std::optional<std::vector<ElementBox>> Elements(uint32_t sreg, const Set& set) const;

  // Of a side alone: ports of xt_tcp.
  Box SideBox(Dimension side, Value first, Value last) const;

 private:
  std::span<const RegisterByte> At(uint32_t reg, size_t length) const;
  void Store(uint32_t reg, const std::vector<RegisterByte>& bytes);
  std::vector<RegisterByte> Meta(const Expression& expression) const;
  std::vector<RegisterByte> Payload(const Expression& expression) const;
  std::vector<RegisterByte> ConnectionTracking(const Expression& expression) const;
  std::vector<RegisterByte> Fib(const Expression& expression) const;

  // Packets whose bytes are between two keys, both included: of each stretch of bytes of the
  // same thing for itself. Nothing if it can't be told; an empty list for none.
  std::optional<std::vector<Box>> Between(std::span<const RegisterByte> bytes,
                                          std::string_view first, std::string_view last) const;
  enum class Answer { kAll, kNone, kSome, kUnknown };
  Answer Stretch(std::span<const RegisterByte> bytes, std::string_view first, std::string_view last,
                 Box* box, std::vector<Interval>* interfaces) const;
  std::vector<Interval> NamesBetween(std::span<const RegisterByte> bytes, std::string_view first,
                                     std::string_view last) const;

  const Space& space_;
  const Interfaces& interfaces_;
  std::array<RegisterByte, kBytes> bytes_ = {};
};

}  // namespace dragnet::firewall
