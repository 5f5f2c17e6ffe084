// A literal search in front of libyara: which parts of the data could hold a
// match of any string of a rule set. Where there is none, libyara has nothing to
// find; else it looks at those parts only.
//
// Why this loses nothing. libyara finds a string by first finding one of the
// string's atoms with its automaton, and then looks around the atom: to the
// ends of a text, to the length that a hex string or regular expression can
// have, and for regular expressions never further than YR_RE_SCAN_LIMIT. The
// literals searched for here are those atoms, read from the compiled automaton
// itself, or the whole text where the string is one. So every occurrence of an
// atom that can lead to a match gets a window that holds everything that
// libyara looks at from there, with some bytes more on both sides, so that no
// word boundary, ^ or $ sees a window's end where the data goes on. What else
// matches within a window has an atom, and with it a window, of its own.
//
// Literals of one or two bytes are looked for by a table of pairs of bytes, not
// by Vectorscan: its version 5.4.9 loses some of two bytes, rarely (in texts of 74 to
// 79 bytes, when there are few literals).
//
// A string that has no atoms, or whose parts may be any distance apart (a
// chained hex string), can't be filtered.
#pragma once

#include <hs/hs.h>

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "modules/scan/compile.h"
#include "modules/scan/engine.h"
#include "modules/scan/libyara.h"

namespace dragnet::scan {

// Whether the prefilter can find everything that `string` matches.
bool IsFilterable(const YR_RULES& rules, const YR_STRING& string, const StringLengths& lengths);

// Immutable and thread-safe once made.
class Prefilter {
 public:
  // Of the strings of the rules that are in `wanted` (by index), which must be
  // filterable.
  static absl::StatusOr<std::unique_ptr<const Prefilter>> Create(const YR_RULES& rules,
                                                                 const StringLengths& lengths,
                                                                 const std::vector<bool>& wanted);
  ~Prefilter();

  // What one thread needs to search.
  struct ScratchDeleter {
    void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
  };
  using Scratch = std::unique_ptr<hs_scratch_t, ScratchDeleter>;
  absl::StatusOr<Scratch> NewScratch() const;

  // Whether there is nothing to search for.
  bool empty() const { return database_ == nullptr && short_ == nullptr; }

  // How many bytes of the preceding block a block must begin with, so that no
  // literal is cut.
  size_t overlap() const { return overlap_; }

  // Appends the windows of what occurs in `block`, which lies at `base`. They
  // may reach beyond the block, overlap, and be out of order.
  absl::Status Find(std::string_view block, uint64_t base, hs_scratch_t* scratch,
                    std::vector<Window>& windows) const;

 private:
  // How far around a literal libyara may look.
  struct Reach {
    uint64_t before = 0;
    uint64_t after = 0;
  };

  // Literals of one or two bytes.
  struct Short {
    // By first byte · 256 + second byte: whether one begins there.
    std::bitset<65536> pairs;
    // By byte: whether it is one, for the last byte of the data.
    std::bitset<256> bytes;
    // The furthest of all.
    Reach reach;
  };

  Prefilter() = default;
  void AddShort(std::string_view bytes, bool caseless, const Reach& reach);
  void FindShort(std::string_view block, uint64_t base, std::vector<Window>& windows) const;

  hs_database_t* database_ = nullptr;  // null without strings
  std::vector<Reach> reaches_;         // by literal
  std::unique_ptr<Short> short_;       // null without any
  size_t overlap_ = 0;
};

// Sorts, merges what overlaps or touches, and cuts to [begin, end).
void NormalizeWindows(uint64_t begin, uint64_t end, std::vector<Window>& windows);

}  // namespace dragnet::scan
