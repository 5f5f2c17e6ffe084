#include "modules/file/prefilter.h"

#include <hs/hs.h>
#include <string.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "modules/file/scanner_syntax.h"

namespace dragnet::file {
namespace {

// What the scanner may take; what needs more is left to RE2.
constexpr size_t kMaxDatabaseBytes = 16 * 1024 * 1024;
// As it is written for the scanner, repetitions counted: compiling takes time
// and memory in proportion, at the least.
constexpr size_t kMaxPatternPositions = 4000;
constexpr size_t kMaxPositions = 40'000;
// Patterns that are taken out when the compiler refuses them, before it is given up.
constexpr int kMaxRefusals = 16;

struct CompileErrorDeleter {
  void operator()(hs_compile_error_t* error) const { hs_free_compile_error(error); }
};
using CompileError = std::unique_ptr<hs_compile_error_t, CompileErrorDeleter>;

struct Candidate {
  uint32_t pattern = 0;
  std::string expression;
  unsigned flags = 0;
};

// Not HS_FLAG_SINGLEMATCH, though only the first hit of each is of interest:
// with several patterns, Vectorscan 5.4.9 then misses some altogether.
constexpr unsigned kFlags = 0;
// A scan that hits more often than once in so many bytes takes longer than it
// saves, and is given up.
constexpr size_t kBytesPerHit = 32;
constexpr size_t kFreeHits = 200;
// Vectorscan 5.4.9 misses some matches of two bytes at the very end of what it
// scans. So something follows, always: more than the widest of its steps.
constexpr size_t kMargin = 128;
// Shorter texts are copied whole.
constexpr size_t kCopyAtOnce = 4096;

bool Accepts(const Candidate& candidate) {
  hs_expr_info_t* info = nullptr;
  hs_compile_error_t* error = nullptr;
  const hs_error_t result =
      hs_expression_info(candidate.expression.c_str(), candidate.flags, &info, &error);
  const CompileError owned_error(error);
  // What may match between two bytes, as ^$ does, the scanner and RE2 see at
  // different places. And a single byte is found too often.
  const bool accepted = result == HS_SUCCESS && info->min_width > 1;
  std::free(info);
  return accepted;
}

std::vector<Candidate> Candidates(std::span<const LinePattern> patterns) {
  std::vector<Candidate> candidates;
  size_t total = 0;
  for (uint32_t i = 0; i < patterns.size(); ++i) {
    const size_t positions = patterns[i].positions();
    if (positions > kMaxPatternPositions || total + positions > kMaxPositions) continue;
    std::optional<std::string> expression = ToScannerSyntax(patterns[i].bytes_pattern());
    if (!expression) continue;
    Candidate candidate{i, *std::move(expression), kFlags};
    if (!Accepts(candidate)) {
      candidate.flags |= HS_FLAG_PREFILTER;
      if (!Accepts(candidate)) continue;
    }
    total += positions;
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

hs_database_t* CompileOnce(const std::vector<Candidate>& candidates, int* refused) {
  std::vector<const char*> expressions;
  std::vector<unsigned> flags, ids;
  for (const Candidate& candidate : candidates) {
    expressions.push_back(candidate.expression.c_str());
    flags.push_back(candidate.flags);
    ids.push_back(candidate.pattern);
  }
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  *refused = -1;
  const hs_error_t result = hs_compile_multi(expressions.data(), flags.data(), ids.data(),
                                             static_cast<unsigned>(candidates.size()),
                                             HS_MODE_BLOCK, nullptr, &database, &error);
  const CompileError owned_error(error);
  if (result == HS_SUCCESS) return database;
  if (error != nullptr) *refused = error->expression;
  return nullptr;
}

std::unique_ptr<const PrefilterDatabase> CompileDatabase(std::span<const LinePattern> patterns) {
  if (hs_valid_platform() != HS_SUCCESS) return nullptr;
  std::vector<Candidate> candidates = Candidates(patterns);
  auto result = std::make_unique<PrefilterDatabase>();
  for (int refusals = 0; refusals < kMaxRefusals && !candidates.empty(); ++refusals) {
    int refused = -1;
    result->database = CompileOnce(candidates, &refused);
    if (result->database != nullptr) break;
    // Refused as a whole, or out of memory.
    if (refused < 0 || static_cast<size_t>(refused) >= candidates.size()) return nullptr;
    Candidate& candidate = candidates[refused];
    if (candidate.flags & HS_FLAG_PREFILTER) {
      candidates.erase(candidates.begin() + refused);
    } else {
      candidate.flags |= HS_FLAG_PREFILTER;
    }
  }
  size_t bytes = 0;
  if (result->database == nullptr || hs_database_size(result->database, &bytes) != HS_SUCCESS ||
      bytes > kMaxDatabaseBytes)
    return nullptr;
  result->covers.assign(patterns.size(), false);
  for (const Candidate& candidate : candidates) result->covers[candidate.pattern] = true;
  return result;
}

}  // namespace

PrefilterDatabase::~PrefilterDatabase() { hs_free_database(database); }

const PrefilterDatabase* Prefilter::Database(uint64_t bytes) const {
  if (const PrefilterDatabase* ready = ready_.load(std::memory_order_acquire)) return ready;
  if (begun_.load(std::memory_order_relaxed)) return nullptr;
  if (bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes < worthwhile_bytes_)
    return nullptr;
  if (begun_.exchange(true)) return nullptr;
  database_ = CompileDatabase(patterns_);
  ready_.store(database_.get(), std::memory_order_release);
  return database_.get();
}

PrefilterThread::PrefilterThread(const Prefilter& prefilter)
    : prefilter_(prefilter),
      may_match_(prefilter.patterns().size(), false),
      hints_(prefilter.patterns().size(), std::string_view::npos),
      wanted_(prefilter.patterns().size(), false) {}

PrefilterThread::~PrefilterThread() { hs_free_scratch(scratch_); }

bool PrefilterThread::Ready(size_t bytes) {
  if (database_ != nullptr) return true;
  if (failed_) return false;
  const PrefilterDatabase* database = prefilter_.Database(bytes);
  if (database == nullptr) return false;
  failed_ = hs_alloc_scratch(database->database, &scratch_) != HS_SUCCESS;
  if (failed_) return false;
  database_ = database;
  for (size_t i = 0; i < may_match_.size(); ++i) may_match_[i] = !database->covers[i];
  return true;
}

void PrefilterThread::Scan(std::string_view text, size_t begin, size_t end,
                           std::span<const uint32_t> first, std::span<const uint32_t> second) {
  told_ = false;
  // What an empty line matches isn't worth asking.
  if (begin == end || !Ready(end - begin)) return;
  for (uint32_t pattern : hit_) may_match_[pattern] = false;
  hit_.clear();
  missing_ = 0;
  for (const std::span<const uint32_t> patterns : {first, second}) {
    for (uint32_t pattern : patterns) {
      if (!database_->covers[pattern] || wanted_[pattern]) continue;
      wanted_[pattern] = true;
      ++missing_;
    }
  }
  if (missing_ == 0) return;

  // Ends of lines and of words are seen right only with what is around them; to
  // the scanner, no line begins after a newline that is the last byte. One byte
  // more may add hits, never take one away.
  if (begin > 0) --begin;
  if (end < text.size()) ++end;
  hits_left_ = kFreeHits + (end - begin) / kBytesPerHit;
  told_ = ScanWithMargin(text, begin, end);
  for (const std::span<const uint32_t> patterns : {first, second})
    for (uint32_t pattern : patterns) wanted_[pattern] = false;
}

bool PrefilterThread::ScanWithMargin(std::string_view text, size_t begin, size_t end) {
  // What follows is margin enough, and seen by those who ask only as a hit more.
  if (text.size() - end >= kMargin) return ScanPiece(text, begin, end + kMargin, 0);
  // Otherwise the last lines are copied to where a margin can follow; all that is
  // before them has them for its margin.
  if (end - begin > kCopyAtOnce) {
    const size_t most = end - begin - kMargin;
    const void* newline = memrchr(text.data() + begin, '\n', most);
    if (newline != nullptr) {
      const size_t lines = static_cast<const char*>(newline) - text.data() + 1;
      if (!ScanPiece(text, begin, lines + kMargin - 1, 0)) return false;
      if (missing_ == 0) return true;
      begin = lines;
    }
  }
  copy_.assign(text.substr(begin, end - begin));
  copy_.append(kMargin, '\n');
  return ScanPiece(copy_, 0, copy_.size(), begin);
}

bool PrefilterThread::ScanPiece(std::string_view text, size_t begin, size_t end, size_t origin) {
  scan_begin_ = origin + begin;
  // Lengths fit: blocks and windows are far below 4 GiB.
  const hs_error_t result =
      hs_scan(database_->database, text.data() + begin, static_cast<unsigned>(end - begin), 0,
              scratch_, &PrefilterThread::Hit, this);
  return result == HS_SUCCESS || (result == HS_SCAN_TERMINATED && missing_ == 0);
}

size_t PrefilterThread::Hint(uint32_t pattern) const {
  return told_ && database_->covers[pattern] ? hints_[pattern] : std::string_view::npos;
}

int PrefilterThread::Hit(unsigned pattern, unsigned long long, unsigned long long to, unsigned,
                         void* self) {
  auto* thread = static_cast<PrefilterThread*>(self);
  if (!thread->may_match_[pattern]) {
    thread->may_match_[pattern] = true;
    thread->hints_[pattern] = thread->scan_begin_ + to;
    thread->hit_.push_back(pattern);
    if (thread->wanted_[pattern] && --thread->missing_ == 0) return 1;
  }
  return --thread->hits_left_ == 0;
}

}  // namespace dragnet::file
