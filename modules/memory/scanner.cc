#include "modules/memory/scanner.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/memory/byte_regex.h"

namespace dragnet::memory {
namespace {

// What is looked back at: \b and ^ at a match's begin, and its context.
constexpr size_t kLookBack = kMaxContext + 16;
// Shorter literals are everywhere: they would save nothing.
constexpr int kMinAtom = 3;
// Vectorscan 5.4.9 loses literals of two bytes, rarely; shorter ones than this are
// searched for one by one.
constexpr size_t kMinLiteral = 3;
// Of a long match.
constexpr size_t kMaxContentBytes = 256;
// A regex in the prefilter, which only parses it.
constexpr size_t kFilterMemory = 1 << 20;

std::string Escape(std::string_view bytes) {
  std::string text;
  for (unsigned char byte : bytes) StrAppend(&text, "\\x", absl::Hex(byte, absl::kZeroPad2));
  return text;
}

}  // namespace

MemoryScanner::MemoryScanner(std::span<const MemoryPattern> patterns, size_t block, size_t overlap)
    : patterns_(patterns),
      overlap_(overlap),
      states_(patterns.size()),
      buffer_(kLookBack + overlap + block),
      filter_(kMinAtom) {}

MemoryScanner::~MemoryScanner() {
  hs_free_scratch(scratch_);
  hs_free_database(database_);
}

absl::StatusOr<std::unique_ptr<MemoryScanner>> MemoryScanner::Create(
    std::span<const MemoryPattern> patterns, size_t block, size_t overlap) {
  std::unique_ptr<MemoryScanner> scanner(new MemoryScanner(patterns, block, overlap));
  DRAGNET_RETURN_IF_ERROR(scanner->CompileLiterals());
  return scanner;
}

absl::Status MemoryScanner::CompileLiterals() {
  std::vector<std::string> atoms;
  std::vector<std::string_view> texts;
  std::vector<unsigned> flags;
  for (uint32_t i = 0; i < patterns_.size(); ++i) {
    const MemoryPattern& pattern = patterns_[i];
    if (!pattern.regex) continue;
    int id = 0;
    if (filter_.Add(pattern.regex_source, MemoryRegexOptions(kFilterMemory), &id) != RE2::NoError) {
      // Too large for that bound: never filtered out.
      continue;
    }
    filtered_.resize(static_cast<size_t>(id) + 1);
    filtered_[static_cast<size_t>(id)] = i;
  }
  if (!filtered_.empty()) filter_.Compile(&atoms);
  for (const std::string& atom : atoms) {
    literals_.push_back({.is_hex = false, .index = static_cast<uint32_t>(literals_.size())});
    texts.push_back(atom);
    // RE2 gives them in lower case. With HS_FLAG_SINGLEMATCH, Vectorscan 5.4.9
    // loses hits of short literals when there are several.
    flags.push_back(HS_FLAG_CASELESS);
  }
  for (uint32_t i = 0; i < patterns_.size(); ++i) {
    if (!patterns_[i].hex) continue;
    if (patterns_[i].hex->anchor().size() < kMinLiteral) {
      short_hex_.push_back(i);
      continue;
    }
    literals_.push_back({.is_hex = true, .index = i});
    texts.push_back(patterns_[i].hex->anchor());
    flags.push_back(0);
  }
  if (texts.empty()) return absl::OkStatus();

  // As regular expressions of escapes, not with hs_compile_lit_multi: that takes
  // a literal that begins with a NUL byte for an empty one.
  std::vector<std::string> escaped;
  std::vector<const char*> data;
  std::vector<unsigned> ids;
  for (const std::string_view text : texts) escaped.push_back(Escape(text));
  for (const std::string& text : escaped) {
    data.push_back(text.c_str());
    ids.push_back(static_cast<unsigned>(ids.size()));
  }
  atom_found_.assign(atoms.size(), false);
  hs_compile_error_t* error = nullptr;
  if (hs_compile_multi(data.data(), flags.data(), ids.data(), static_cast<unsigned>(ids.size()),
                       HS_MODE_BLOCK, nullptr, &database_, &error) != HS_SUCCESS) {
    const absl::Status status =
        absl::ResourceExhaustedError(StrCat("literal search: ", error->message));
    hs_free_compile_error(error);
    return status;
  }
  if (hs_alloc_scratch(database_, &scratch_) != HS_SUCCESS)
    return absl::ResourceExhaustedError("literal search: not enough memory");
  return absl::OkStatus();
}

void MemoryScanner::Start(std::span<const uint32_t> wanted, OnMatch on_match) {
  states_.assign(patterns_.size(), State());
  undecided_.assign(wanted.begin(), wanted.end());
  for (const uint32_t pattern : wanted) states_[pattern].wanted = true;
  on_match_ = std::move(on_match);
  base_ = size_ = old_ = 0;
}

std::span<char> MemoryScanner::Prepare(uint64_t address, size_t size) {
  if (address != window_end()) {
    Search(true);
    base_ = address;
    size_ = old_ = 0;
  } else if (size_ == buffer_.size()) {
    Search(false);
    const size_t kept = kLookBack + overlap_;
    std::memmove(buffer_.data(), buffer_.data() + size_ - kept, kept);
    base_ += size_ - kept;
    size_ = old_ = kept;
  }
  return std::span<char>(buffer_).subspan(size_, std::min(size, buffer_.size() - size_));
}

void MemoryScanner::Commit(size_t size) {
  const uint64_t begin = window_end(), end = begin + size;
  for (const uint32_t i : undecided_) {
    const MemoryRange& range = patterns_[i].range;
    if (range.max_read == kNoBound || begin >= range.to || end <= range.from) continue;
    State& state = states_[i];
    if (state.read >= range.max_read) state.cut = true;
    state.read += std::min(end, range.to) - std::max(begin, range.from);
  }
  size_ += size;
  std::erase_if(undecided_, [&](uint32_t i) { return states_[i].cut; });
}

void MemoryScanner::Finish() {
  Search(true);
  size_ = old_ = 0;
}

void MemoryScanner::DropSettled() {
  std::erase_if(undecided_, [&](uint32_t i) { return IsSettled(i); });
}

void MemoryScanner::Search(bool final) {
  if (size_ == 0 || undecided_.empty()) return;
  // All that is new was searched already.
  if (size_ == old_ && !final) return;
  final_ = final;
  for (const int atom : atoms_) atom_found_[static_cast<size_t>(atom)] = false;
  atoms_.clear();
  // It fails only where it is used wrongly; going on would be a silent miss.
  if (database_ != nullptr && hs_scan(database_, buffer_.data(), static_cast<unsigned>(size_), 0,
                                      scratch_, OnLiteral, this) != HS_SUCCESS) {
    std::abort();
  }
  FindShortAnchors();
  potentials_.clear();
  if (!filtered_.empty()) filter_.AllPotentials(atoms_, &potentials_);
  std::vector<bool> possible(patterns_.size(), false);
  std::vector<bool> known(patterns_.size(), false);
  for (const uint32_t i : filtered_) known[i] = true;
  for (const int id : potentials_) possible[filtered_[static_cast<size_t>(id)]] = true;
  for (const uint32_t i : undecided_) {
    if (!patterns_[i].regex) continue;
    if (possible[i] || !known[i]) SearchRegex(i, final);
    // What begins before this has been found if it ends in this window.
    if (window_end() > overlap_)
      states_[i].resume = std::max(states_[i].resume, window_end() - overlap_);
  }
  DropSettled();
}

void MemoryScanner::FindShortAnchors() {
  const std::string_view text(buffer_.data(), size_);
  for (const uint32_t index : short_hex_) {
    const std::string_view anchor = patterns_[index].hex->anchor();
    for (size_t at = text.find(anchor); at != std::string_view::npos && !IsSettled(index);
         at = text.find(anchor, at + 1)) {
      OnAnchor(index, at + anchor.size());
    }
  }
}

int MemoryScanner::OnLiteral(unsigned id, unsigned long long, unsigned long long to, unsigned,
                             void* context) {
  auto* scanner = static_cast<MemoryScanner*>(context);
  const Literal literal = scanner->literals_[id];
  if (literal.is_hex) {
    scanner->OnAnchor(literal.index, to);
  } else if (!scanner->atom_found_[literal.index]) {
    scanner->atom_found_[literal.index] = true;
    scanner->atoms_.push_back(static_cast<int>(literal.index));
  }
  return 0;
}

void MemoryScanner::OnAnchor(uint32_t pattern, uint64_t anchor_end) {
  State& state = states_[pattern];
  if (!state.wanted || state.cut || IsSettled(pattern)) return;
  const HexPattern& hex = *patterns_[pattern].hex;
  const size_t before = hex.anchor_begin() + hex.anchor().size();
  if (anchor_end < before) return;
  const size_t begin = anchor_end - before;
  if (begin + hex.size() > size_ || base_ + begin < state.resume) return;
  if (!hex.MatchesAt(buffer_.data() + begin)) return;
  if (Report(pattern, begin, begin + hex.size(), final_)) state.resume = base_ + begin + 1;
}

void MemoryScanner::SearchRegex(uint32_t index, bool final) {
  const MemoryPattern& pattern = patterns_[index];
  State& state = states_[index];
  if (pattern.range.to <= base_ || pattern.range.from >= window_end()) return;
  const re2::StringPiece text(buffer_.data(), size_);
  const size_t end = std::min<uint64_t>(size_, pattern.range.to - base_);
  while (!IsSettled(index)) {
    const uint64_t from = std::max({state.resume, pattern.range.from, base_});
    if (from - base_ >= end) return;
    re2::StringPiece match;
    if (!pattern.regex->Match(text, from - base_, end, RE2::UNANCHORED, &match, 1)) return;
    const size_t match_begin = static_cast<size_t>(match.data() - text.data());
    // A stretch of text that ends where the range does ends there for good.
    if (!Report(index, match_begin, match_begin + match.size(), final || end < size_)) {
      state.resume = base_ + match_begin;
      return;
    }
    state.resume = base_ + match_begin + std::max<size_t>(match.size(), 1);
  }
}

bool MemoryScanner::Report(uint32_t index, size_t begin, size_t end, bool final) {
  const MemoryPattern& pattern = patterns_[index];
  // It might be longer, or have more context, with what follows.
  const bool at_end = end + pattern.context >= size_;
  if (at_end && !final && size_ - begin <= overlap_) return false;
  MemoryMatch match{.pattern = index, .address = base_ + begin, .length = end - begin};
  if (match.address < pattern.range.from || base_ + end > pattern.range.to) return true;
  if (pattern.context > 0) {
    const size_t from = begin - std::min<size_t>(begin, pattern.context);
    const size_t match_shown = std::min(end - begin, kMaxContentBytes);
    const size_t to = match_shown < end - begin ? begin + match_shown
                                                : std::min<size_t>(size_, end + pattern.context);
    match.content_address = base_ + from;
    match.content = std::string_view(buffer_.data() + from, to - from);
  }
  if (on_match_(match)) ++states_[index].matches;
  return true;
}

}  // namespace dragnet::memory
