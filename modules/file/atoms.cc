#include "modules/file/atoms.h"

#include <algorithm>
#include <numeric>

#include "re2/filtered_re2.h"

namespace dragnet::file {
namespace {

// A single byte is found too often.
constexpr int kMinAtom = 2;
// More than that are looked for too slowly, and chosen from too slowly.
constexpr size_t kMaxAtoms = 256;
// What larger patterns are made of takes long to find out.
constexpr size_t kMaxPositions = 4000;

// How rare an atom is, roughly.
size_t Rarity(const std::string& atom) {
  size_t rarity = 0;
  // Zeros and ones fill binary files, spaces and dashes text.
  for (char c : atom)
    rarity += std::string_view("\0\xff -=*#_.", 9).find(c) == std::string_view::npos ? 3 : 1;
  return rarity;
}

bool MayMatch(const re2::FilteredRE2& filter, const std::vector<int>& atoms) {
  std::vector<int> possible;
  filter.AllPotentials(atoms, &possible);
  return !possible.empty();
}

}  // namespace

std::optional<std::vector<std::string>> RequiredAtoms(const LinePattern& pattern) {
  if (pattern.regex().ProgramSize() > static_cast<int>(kMaxPositions)) return std::nullopt;
  re2::FilteredRE2 filter(kMinAtom);
  int id = 0;
  if (filter.Add(pattern.regex().pattern(), pattern.regex().options(), &id) != RE2::NoError)
    return std::nullopt;
  std::vector<std::string> atoms;
  filter.Compile(&atoms);
  // Without a condition it may always match.
  if (atoms.empty() || atoms.size() > kMaxAtoms || MayMatch(filter, {})) return std::nullopt;

  // Leaves out one after the other, the commonest first, as long as what is left
  // is required.
  std::vector<int> order(atoms.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return Rarity(atoms[a]) < Rarity(atoms[b]); });
  std::vector<int> left_out;
  std::vector<std::string> required;
  for (int atom : order) {
    left_out.push_back(atom);
    if (!MayMatch(filter, left_out)) continue;
    left_out.pop_back();
    required.push_back(atoms[atom]);
  }
  return required;
}

}  // namespace dragnet::file
