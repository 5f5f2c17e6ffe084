#include "modules/firewall/space.h"

#include <algorithm>

namespace dragnet::firewall {
namespace {

// Merging compares all with all.
constexpr size_t kMaxToCoalesce = 1500;

// One box for two that differ in one side, where the intervals touch; or for two
// of which one is in the other.
bool Merge(const Box& a, const Box& b, Box* merged) {
  if (Contains(a, b)) {
    *merged = a;
    return true;
  }
  if (Contains(b, a)) {
    *merged = b;
    return true;
  }
  if (a.origin != b.origin) return false;
  int differing = -1;
  for (int i = 0; i < kDimensions; ++i) {
    if (a.sides[i] == b.sides[i]) continue;
    if (differing >= 0) return false;
    differing = i;
  }
  const Interval& x = a.sides[differing];
  const Interval& y = b.sides[differing];
  const Interval& low = x.first <= y.first ? x : y;
  const Interval& high = x.first <= y.first ? y : x;
  if (high.first > low.last && high.first - low.last > 1) return false;
  *merged = a;
  merged->sides[differing] = {low.first, std::max(x.last, y.last)};
  return true;
}

}  // namespace

bool Intersect(const Box& a, const Box& b, Box* both) {
  for (int i = 0; i < kDimensions; ++i) {
    both->sides[i] = {std::max(a.sides[i].first, b.sides[i].first),
                      std::min(a.sides[i].last, b.sides[i].last)};
    if (both->sides[i].first > both->sides[i].last) return false;
  }
  both->origin = a.origin;
  return true;
}

bool Contains(const Box& outer, const Box& inner) {
  for (int i = 0; i < kDimensions; ++i)
    if (inner.sides[i].first < outer.sides[i].first || inner.sides[i].last > outer.sides[i].last)
      return false;
  return true;
}

void Subtract(const Box& box, const Box& taken, std::vector<Box>* rest) {
  Box both;
  if (!Intersect(box, taken, &both)) {
    rest->push_back(box);
    return;
  }
  // What is left of each side in turn, within what the sides before have in common.
  Box left = box;
  for (int i = 0; i < kDimensions; ++i) {
    if (left.sides[i].first < both.sides[i].first) {
      Box below = left;
      below.sides[i].last = both.sides[i].first - 1;
      rest->push_back(below);
    }
    if (left.sides[i].last > both.sides[i].last) {
      Box above = left;
      above.sides[i].first = both.sides[i].last + 1;
      rest->push_back(above);
    }
    left.sides[i] = both.sides[i];
  }
}

std::vector<Box> SubtractAll(std::vector<Box> boxes, const std::vector<Box>& taken,
                             size_t* steps_left) {
  std::vector<Box> rest;
  for (const Box& each : taken) {
    if (*steps_left < boxes.size() + 1) {
      *steps_left = 0;
      return boxes;
    }
    *steps_left -= boxes.size() + 1;
    Box both;
    if (std::none_of(boxes.begin(), boxes.end(),
                     [&](const Box& box) { return Intersect(box, each, &both); })) {
      continue;
    }
    rest.clear();
    for (const Box& box : boxes) Subtract(box, each, &rest);
    boxes.swap(rest);
  }
  return boxes;
}

void Coalesce(std::vector<Box>* boxes) {
  if (boxes->size() > kMaxToCoalesce) return;
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < boxes->size(); ++i) {
      for (size_t j = i + 1; j < boxes->size();) {
        Box merged;
        if (Merge((*boxes)[i], (*boxes)[j], &merged)) {
          (*boxes)[i] = merged;
          (*boxes)[j] = boxes->back();
          boxes->pop_back();
          changed = true;
        } else {
          ++j;
        }
      }
    }
  }
}

}  // namespace dragnet::firewall
