#include "modules/file/content.h"

#include <string.h>

#include <algorithm>

namespace dragnet::file {

ContentScanner::ContentScanner(std::span<const LinePattern> patterns, size_t max_line,
                               size_t overlap)
    : own_prefilter_(std::make_unique<const Prefilter>(patterns)),
      prefilter_(*own_prefilter_),
      patterns_(patterns),
      max_line_(max_line),
      overlap_(overlap),
      results_(patterns.size(), LineMatch::kUnknown),
      all_results_(patterns.size(), LineMatch::kUnknown),
      missed_(patterns.size(), false) {}

ContentScanner::ContentScanner(const Prefilter& prefilter, size_t max_line, size_t overlap)
    : prefilter_(prefilter),
      patterns_(prefilter.patterns()),
      max_line_(max_line),
      overlap_(overlap),
      results_(patterns_.size(), LineMatch::kUnknown),
      all_results_(patterns_.size(), LineMatch::kUnknown),
      missed_(patterns_.size(), false) {}

bool ContentScanner::settled() const { return undecided_.empty(); }
std::span<const MatchedLine> ContentScanner::lines() const { return {}; }
bool ContentScanner::lines_left_out() const { return false; }
void ContentScanner::CollectLines(std::span<const uint32_t>, const LineOptions&) {}

void ContentScanner::Start(std::span<const uint32_t> wanted, std::span<const uint32_t>) {
  for (uint32_t pattern : wanted_) {
    results_[pattern] = LineMatch::kUnknown;
    missed_[pattern] = false;
  }
  wanted_.assign(wanted.begin(), wanted.end());
  undecided_ = wanted_;
  line_.clear();
  context_ = 0;
}

void ContentScanner::Feed(std::string_view block) {
  while (!block.empty() && !undecided_.empty()) {
    if (!line_.empty()) {
      const size_t newline = block.find('\n');
      AppendToLine(block.substr(0, newline));
      if (newline == std::string_view::npos) return;
      EndLine();
      block.remove_prefix(newline + 1);
      continue;
    }
    const void* last = memrchr(block.data(), '\n', block.size());
    if (last == nullptr) return AppendToLine(block);
    const size_t whole_lines = static_cast<const char*>(last) - block.data();
    // Without the last newline, after which there is no line yet.
    Search(block, 0, whole_lines);
    block.remove_prefix(whole_lines + 1);
  }
}

void ContentScanner::Finish() {
  if (!line_.empty()) EndLine();
  for (uint32_t pattern : undecided_)
    results_[pattern] = missed_[pattern] ? LineMatch::kUnknown : LineMatch::kAbsent;
  undecided_.clear();
}

void ContentScanner::Search(std::string_view text, size_t begin, size_t end) {
  std::erase_if(undecided_, [&](uint32_t pattern) {
    if (!patterns_[pattern].Matches(text, begin, end)) return false;
    results_[pattern] = LineMatch::kFound;
    return true;
  });
}

void ContentScanner::AppendToLine(std::string_view part) {
  line_.append(part);
  // Strictly more, so that a window's end is seen not to be the line's.
  while (line_.size() > max_line_) {
    Search(line_, context_, max_line_);
    // A match that neither this window nor the next one holds whole covers all
    // that is in both.
    const std::string_view shared = std::string_view(line_).substr(max_line_ - overlap_, overlap_);
    for (uint32_t pattern : undecided_)
      if (patterns_[pattern].MayCover(shared)) missed_[pattern] = true;
    line_.erase(0, max_line_ - overlap_ - 1);
    context_ = 1;
  }
}

void ContentScanner::EndLine() {
  Search(line_, context_, line_.size());
  line_.clear();
  context_ = 0;
}

}  // namespace dragnet::file
