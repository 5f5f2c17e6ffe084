#include "modules/file/matched_lines.h"

#include <string.h>

#include <algorithm>

namespace dragnet::file {
namespace {

// What a kept line costs beside its text.
constexpr size_t kLineOverhead = sizeof(MatchedLine);
constexpr size_t kStringOverhead = sizeof(std::string);

// Where the line that ends at, or goes on over, `position` begins; at least `least`.
size_t LineBegin(std::string_view text, size_t least, size_t position) {
  if (position <= least) return least;
  const void* newline = memrchr(text.data() + least, '\n', position - least);
  return newline == nullptr ? least : static_cast<const char*>(newline) - text.data() + 1;
}

// The next newline in [position, most), or `most`.
size_t LineEnd(std::string_view text, size_t position, size_t most) {
  if (position >= most) return most;
  const void* newline = memchr(text.data() + position, '\n', most - position);
  return newline == nullptr ? most : static_cast<const char*>(newline) - text.data();
}

}  // namespace

uint64_t CountNewlines(std::string_view text) {
  // Lanes of bytes: each can count 255 before they are added up.
  using Lanes = uint8_t __attribute__((vector_size(32)));
  constexpr size_t kStep = sizeof(Lanes);
  uint64_t count = 0;
  size_t at = 0;
  while (text.size() - at >= kStep) {
    const size_t steps = std::min<size_t>((text.size() - at) / kStep, 255);
    Lanes sums = {};
    for (size_t i = 0; i < steps; ++i, at += kStep) {
      Lanes bytes;
      memcpy(&bytes, text.data() + at, kStep);
      sums -= reinterpret_cast<Lanes>(bytes == '\n');
    }
    for (size_t lane = 0; lane < kStep; ++lane) count += sums[lane];
  }
  for (; at < text.size(); ++at) count += text[at] == '\n';
  return count;
}

void LineCollector::Start() {
  if (patterns_.empty()) return;
  for (uint32_t pattern : patterns_) kept_[pattern] = {};
  patterns_.clear();
  wanting_.clear();
  lines_.clear();
  open_.clear();
  tail_.clear();
  bytes_ = 0;
  left_out_ = false;
  first_number_ = 1;
  first_offset_ = 0;
}

void LineCollector::Collect(std::span<const uint32_t> patterns, const LineOptions& options) {
  options_.max_lines = std::min(options.max_lines, kMaxMatchedLines);
  options_.context = std::min(options.context, kMaxContextLines);
  if (options_.max_lines == 0) return;
  patterns_.assign(patterns.begin(), patterns.end());
  wanting_ = patterns_;
  for (uint32_t pattern : patterns_)
    if (pattern >= kept_.size()) kept_.resize(pattern + 1);
}

void LineCollector::BeginRegion(const LineRegion& region) {
  region_ = region;
  counted_to_ = region.begin;
  counted_ = 0;
  if (!region.starts_line) return;
  first_offset_ = region.offset + region.begin;
  if (open_.empty()) return;
  std::vector<Open> open = std::move(open_);
  open_.clear();
  for (const Open& one : open) {
    open_.push_back(one);
    // From here on as if the line before had ended just before the region.
    size_t at = region.begin;
    Open& last = open_.back();
    while (last.missing > 0) {
      const size_t end = LineEnd(region.text, at, region.end);
      const std::string_view text = region.text.substr(at, std::min(end - at, kMaxShownLine));
      if (Keep(text)) lines_[last.line].after.emplace_back(text);
      --last.missing;
      if (end == region.end) break;
      at = end + 1;
    }
    if (last.missing == 0) open_.pop_back();
  }
}

uint64_t LineCollector::NumberAt(size_t position) {
  if (position < counted_to_) {
    counted_to_ = region_.begin;
    counted_ = 0;
  }
  counted_ += CountNewlines(region_.text.substr(counted_to_, position - counted_to_));
  counted_to_ = position;
  return first_number_ + counted_;
}

bool LineCollector::Keep(std::string_view text) {
  if (bytes_ + text.size() + kStringOverhead > kMaxCollectedBytes) {
    left_out_ = true;
    return false;
  }
  bytes_ += text.size() + kStringOverhead;
  return true;
}

size_t LineCollector::Add(uint32_t pattern, size_t begin, size_t end) {
  const std::string_view text = region_.text;
  const size_t line_begin = LineBegin(text, region_.begin, begin);
  const size_t line_end = LineEnd(text, end, region_.end);
  const uint64_t number = NumberAt(line_begin);
  Kept& kept = kept_[pattern];
  if (kept.last_number == number) return line_end;
  if (bytes_ + kLineOverhead + kMaxShownLine > kMaxCollectedBytes) {
    left_out_ = true;
    std::erase(wanting_, pattern);
    return line_end;
  }
  kept.last_number = number;
  if (++kept.count >= options_.max_lines) std::erase(wanting_, pattern);

  const bool in_first = line_begin == region_.begin;
  MatchedLine line;
  line.pattern = pattern;
  line.line_number = number;
  line.line_offset = in_first ? first_offset_ : region_.offset + line_begin;
  line.match_offset = region_.offset + begin;
  // The match's surroundings, as much before as after it, as far as there are any.
  const size_t match = std::min(end - begin, kMaxShownLine);
  const size_t spare = kMaxShownLine - match;
  const size_t after = std::min(line_end - (begin + match), spare);
  const size_t before = std::min(begin - line_begin, spare - std::min(after, spare / 2));
  const size_t shown_begin = begin - before;
  const size_t shown_end = std::min(line_end, shown_begin + kMaxShownLine);
  line.text = text.substr(shown_begin, shown_end - shown_begin);
  line.cut_before = region_.offset + shown_begin > line.line_offset;
  line.cut_after = shown_end < line_end || (line_end == region_.end && !region_.ends_line);
  bytes_ += line.text.size() + kLineOverhead;
  if (options_.context > 0) {
    line.before = LinesBefore(line_begin);
    for (const std::string& one : line.before) Keep(one);
  }
  lines_.push_back(std::move(line));
  if (options_.context > 0) AddFollowing(line_end, lines_.size() - 1);
  return line_end;
}

std::vector<std::string> LineCollector::LinesBefore(size_t line_begin) const {
  std::vector<std::string> nearest_first;
  size_t at = line_begin;
  while (nearest_first.size() < options_.context && at > region_.begin) {
    const size_t begin = LineBegin(region_.text, region_.begin, at - 1);
    // Of a line that began before the region there is more in `tail_`; but then
    // the region is a window, and holds no second line.
    nearest_first.emplace_back(region_.text.substr(begin, std::min(at - 1 - begin, kMaxShownLine)));
    at = begin;
  }
  for (auto line = tail_.rbegin(); line != tail_.rend() && nearest_first.size() < options_.context;
       ++line)
    nearest_first.push_back(*line);
  return {nearest_first.rbegin(), nearest_first.rend()};
}

void LineCollector::AddFollowing(size_t line_end, size_t index) {
  uint32_t missing = options_.context;
  while (missing > 0 && line_end < region_.end) {
    const size_t begin = line_end + 1;
    line_end = LineEnd(region_.text, begin, region_.end);
    const std::string_view text =
        region_.text.substr(begin, std::min(line_end - begin, kMaxShownLine));
    if (Keep(text)) lines_[index].after.emplace_back(text);
    --missing;
  }
  if (missing > 0) open_.push_back({index, missing});
}

void LineCollector::EndRegion() {
  if (options_.context > 0) {
    std::vector<std::string> last;
    size_t at = region_.end + 1;
    // A line is kept once, from the window that it begins in.
    while (last.size() < options_.context && at > region_.begin) {
      const size_t begin = LineBegin(region_.text, region_.begin, at - 1);
      if (begin > region_.begin || region_.starts_line)
        last.emplace_back(region_.text.substr(begin, std::min(at - 1 - begin, kMaxShownLine)));
      if (begin == region_.begin) break;
      at = begin;
    }
    // A line that goes on isn't before any line yet.
    if (!region_.ends_line) {
      if (region_.starts_line && !last.empty()) unfinished_ = std::move(last.front());
      return;
    }
    if (!region_.starts_line) last.push_back(std::move(unfinished_));
    for (auto line = last.rbegin(); line != last.rend(); ++line) tail_.push_back(std::move(*line));
    while (tail_.size() > options_.context) tail_.pop_front();
  }
  if (region_.ends_line) first_number_ = NumberAt(region_.end) + 1;
}

}  // namespace dragnet::file
