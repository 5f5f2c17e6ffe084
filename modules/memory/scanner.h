// Looks for many patterns in memory that arrives block by block, in ascending
// order of addresses. Blocks that follow each other are one stretch: a match of
// up to kMaxMatchBytes is found wherever in it it lies.
//
// A literal search (vectorscan) over each block says which regexes may match in
// it at all: by the literals that RE2 itself says a match must contain. Only
// those are then run.
#pragma once

#include <hs/hs.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/memory/search.h"
#include "re2/filtered_re2.h"

namespace dragnet::memory {

inline constexpr size_t kBlock = 1024 * 1024;

struct MemoryMatch {
  uint32_t pattern = 0;
  uint64_t address = 0;
  uint64_t length = 0;
  // The match and its context, if asked for: where it begins, and bytes that
  // are not kept.
  uint64_t content_address = 0;
  std::string_view content;
};

// Not thread-safe; used for one process after the other.
class MemoryScanner {
 public:
  // Whether the match counts.
  using OnMatch = std::function<bool(const MemoryMatch&)>;

  // `patterns` outlives the scanner. The bounds are for tests.
  static absl::StatusOr<std::unique_ptr<MemoryScanner>> Create(
      std::span<const MemoryPattern> patterns, size_t block = kBlock,
      size_t overlap = kMaxMatchBytes);
  ~MemoryScanner();
  MemoryScanner(const MemoryScanner&) = delete;
  MemoryScanner& operator=(const MemoryScanner&) = delete;

  // A new process, in which these patterns are looked for.
  void Start(std::span<const uint32_t> wanted, OnMatch on_match);

  // Where the next bytes go, which are at `address`: at least one, at most
  // `size`.
  std::span<char> Prepare(uint64_t address, size_t size);
  // So many were put there.
  void Commit(size_t size);
  // The process's memory has ended.
  void Finish();

  // Nothing that more memory could change.
  bool settled() const { return undecided_.empty(); }
  // So many matches counted.
  uint32_t matches(uint32_t pattern) const { return states_[pattern].matches; }
  // There was more memory in its range than it was to look at.
  bool cut(uint32_t pattern) const { return states_[pattern].cut; }

 private:
  struct State {
    // No match that begins before this address is still to be reported.
    uint64_t resume = 0;
    uint64_t read = 0;
    uint32_t matches = 0;
    bool wanted = false;
    bool cut = false;
  };
  // What an id of the literal search stands for.
  struct Literal {
    bool is_hex = false;
    uint32_t index = 0;
  };

  MemoryScanner(std::span<const MemoryPattern> patterns, size_t block, size_t overlap);
  absl::Status CompileLiterals();

  void Search(bool final);
  void SearchLiterals(bool final);
  void SearchRegex(uint32_t pattern, bool final);
  static int OnLiteral(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                       void* context);
  void FindShortAnchors();
  void OnAnchor(uint32_t pattern, uint64_t anchor_end);
  // False if it is better looked at again with what follows.
  bool Report(uint32_t pattern, size_t begin, size_t end, bool final);
  void DropSettled();
  bool IsSettled(uint32_t pattern) const {
    return states_[pattern].matches >= patterns_[pattern].max_matches;
  }
  uint64_t window_end() const { return base_ + size_; }

  const std::span<const MemoryPattern> patterns_;
  const size_t overlap_;
  std::vector<State> states_;
  std::vector<uint32_t> undecided_;
  OnMatch on_match_;

  std::vector<char> buffer_;
  // Of the buffer's first byte.
  uint64_t base_ = 0;
  size_t size_ = 0;
  // So many of them were searched before.
  size_t old_ = 0;
  bool final_ = false;

  re2::FilteredRE2 filter_;
  // By FilteredRE2's numbers.
  std::vector<uint32_t> filtered_;
  std::vector<Literal> literals_;
  // Patterns whose anchor is too short for Vectorscan to be trusted with.
  std::vector<uint32_t> short_hex_;
  std::vector<int> atoms_;
  // By atom: whether it is in there.
  std::vector<bool> atom_found_;
  std::vector<int> potentials_;
  hs_database_t* database_ = nullptr;
  hs_scratch_t* scratch_ = nullptr;
};

}  // namespace dragnet::memory
