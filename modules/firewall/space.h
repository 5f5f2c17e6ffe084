// Sets of packets as boxes: an interval for each thing about a packet that rules
// ask for. One space is of one IP version and one protocol. Stateless.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace dragnet::firewall {

using Value = unsigned __int128;

enum Dimension : uint8_t {
  kSource,
  kDestination,
  kSourcePort,
  kDestinationPort,
  // Index in Interfaces::names.
  kInterface,
  kDimensions,
};

// Both included.
struct Interval {
  Value first = 0;
  Value last = 0;
  bool operator==(const Interval&) const = default;
};

struct Box {
  std::array<Interval, kDimensions> sides;
  // What accepted it: an index into Reachability::origins; -1 for nothing yet.
  int32_t origin = -1;

  bool SameSides(const Box& other) const { return sides == other.sides; }
};

// What both have; false when that is nothing. The origin is that of `a`.
bool Intersect(const Box& a, const Box& b, Box* both);
bool Contains(const Box& outer, const Box& inner);
// Appends what of `box` isn't in `taken`, as disjoint boxes.
void Subtract(const Box& box, const Box& taken, std::vector<Box>* rest);
// What of `boxes` is in none of `taken`. `*steps_left` bounds the work: the result
// is incomplete when it reaches 0.
std::vector<Box> SubtractAll(std::vector<Box> boxes, const std::vector<Box>& taken,
                             size_t* steps_left);
// The same packets by fewer boxes, where that is found quickly. Boxes may overlap.
void Coalesce(std::vector<Box>* boxes);

}  // namespace dragnet::firewall
