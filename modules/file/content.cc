#include "modules/file/content.h"

#include <string.h>

#include <algorithm>

namespace dragnet::file {

ContentScanner::ContentScanner(std::span<const LinePattern> patterns, size_t max_line,
                               size_t overlap)
    : own_prefilter_(std::make_unique<const Prefilter>(patterns)),
      patterns_(patterns),
      max_line_(max_line),
      overlap_(overlap),
      prefilter_(*own_prefilter_) {
  Init();
}

ContentScanner::ContentScanner(const Prefilter& prefilter, size_t max_line, size_t overlap)
    : patterns_(prefilter.patterns()),
      max_line_(max_line),
      overlap_(overlap),
      prefilter_(prefilter) {
  Init();
}

void ContentScanner::Init() {
  results_.assign(patterns_.size(), LineMatch::kUnknown);
  all_results_ = results_;
  missed_.assign(patterns_.size(), false);
  line_matched_ = line_missed_ = all_missed_ = missed_;
}

void ContentScanner::Start(std::span<const uint32_t> wanted,
                           std::span<const uint32_t> on_all_lines) {
  for (uint32_t pattern : wanted_) {
    results_[pattern] = LineMatch::kUnknown;
    missed_[pattern] = false;
  }
  for (uint32_t pattern : all_wanted_) {
    all_results_[pattern] = LineMatch::kUnknown;
    line_matched_[pattern] = line_missed_[pattern] = all_missed_[pattern] = false;
  }
  wanted_.assign(wanted.begin(), wanted.end());
  all_wanted_.assign(on_all_lines.begin(), on_all_lines.end());
  undecided_ = wanted_;
  all_undecided_ = all_wanted_;
  has_line_ = false;
  offset_ = 0;
  line_.clear();
  context_ = 0;
  line_continues_ = false;
  collector_.Start();
}

void ContentScanner::CollectLines(std::span<const uint32_t> patterns, const LineOptions& options) {
  collector_.Collect(patterns, options);
}

void ContentScanner::Feed(std::string_view block) {
  while (!block.empty() && !settled()) {
    if (!line_.empty()) {
      const size_t newline = block.find('\n');
      AppendToLine(block.substr(0, newline));
      if (newline == std::string_view::npos) return;
      EndLine();
      ++offset_;
      block.remove_prefix(newline + 1);
      continue;
    }
    const void* last = memrchr(block.data(), '\n', block.size());
    if (last == nullptr) return AppendToLine(block);
    const size_t whole_lines = static_cast<const char*>(last) - block.data();
    // Without the last newline, after which there is no line yet.
    Search({.text = block, .begin = 0, .end = whole_lines, .offset = offset_});
    offset_ += whole_lines + 1;
    block.remove_prefix(whole_lines + 1);
  }
}

void ContentScanner::Finish() {
  if (!line_.empty()) EndLine();
  for (uint32_t pattern : undecided_)
    results_[pattern] = missed_[pattern] ? LineMatch::kUnknown : LineMatch::kAbsent;
  undecided_.clear();
  for (uint32_t pattern : all_undecided_) {
    all_results_[pattern] = !has_line_             ? LineMatch::kAbsent
                            : all_missed_[pattern] ? LineMatch::kUnknown
                                                   : LineMatch::kFound;
  }
  all_undecided_.clear();
}

void ContentScanner::Search(const LineRegion& region) {
  has_line_ = true;
  if (!undecided_.empty() || !collector_.wanting().empty())
    prefilter_.Scan(region.text, region.begin, region.end, undecided_, collector_.wanting());
  std::erase_if(undecided_, [&](uint32_t pattern) {
    if (!Holds(pattern, region)) return false;
    results_[pattern] = LineMatch::kFound;
    return true;
  });
  if (collector_.active()) CollectFrom(region);
  if (all_undecided_.empty()) return;
  if (region.starts_line && region.ends_line) {
    SearchAllLines(region);
  } else {
    SearchWindow(region);
  }
}

bool ContentScanner::Holds(uint32_t pattern, const LineRegion& region) const {
  for (const PrefilterThread::Stretch& lines : prefilter_.Stretches(pattern))
    if (patterns_[pattern].Matches(region.text, lines.begin, lines.end)) return true;
  return false;
}

void ContentScanner::CollectFrom(const LineRegion& region) {
  collector_.BeginRegion(region);
  // A copy: patterns that have enough leave it.
  const std::vector<uint32_t> wanting = collector_.wanting();
  for (uint32_t pattern : wanting) {
    for (const PrefilterThread::Stretch& lines : prefilter_.Stretches(pattern)) {
      size_t at = lines.begin, begin, end;
      while (at <= lines.end && collector_.Wants(pattern) &&
             patterns_[pattern].Find(region.text, at, lines.end, &begin, &end))
        at = collector_.Add(pattern, begin, end) + 1;
    }
  }
  collector_.EndRegion();
}

void ContentScanner::SearchAllLines(const LineRegion& region) {
  size_t begin = region.begin;
  while (true) {
    const void* newline = memchr(region.text.data() + begin, '\n', region.end - begin);
    const size_t end =
        newline == nullptr ? region.end : static_cast<const char*>(newline) - region.text.data();
    std::erase_if(all_undecided_, [&](uint32_t pattern) {
      if (patterns_[pattern].Matches(region.text, begin, end)) return false;
      all_results_[pattern] = LineMatch::kAbsent;
      return true;
    });
    if (newline == nullptr || all_undecided_.empty()) return;
    begin = end + 1;
  }
}

// Of a window it is known only at the line's end whether the line matched.
void ContentScanner::SearchWindow(const LineRegion& region) {
  std::erase_if(all_undecided_, [&](uint32_t pattern) {
    if (!line_matched_[pattern])
      line_matched_[pattern] = patterns_[pattern].Matches(region.text, region.begin, region.end);
    if (!region.ends_line) return false;
    const bool matched = line_matched_[pattern], missed = line_missed_[pattern];
    line_matched_[pattern] = line_missed_[pattern] = false;
    if (matched) return false;
    if (missed) {
      all_missed_[pattern] = true;
      return false;
    }
    all_results_[pattern] = LineMatch::kAbsent;
    return true;
  });
}

void ContentScanner::AppendToLine(std::string_view part) {
  line_.append(part);
  offset_ += part.size();
  // Strictly more, so that a window's end is seen not to be the line's.
  while (line_.size() > max_line_) {
    Search({.text = line_,
            .begin = context_,
            .end = max_line_,
            .offset = offset_ - line_.size(),
            .starts_line = !line_continues_,
            .ends_line = false});
    // A match that neither this window nor the next one holds whole covers all
    // that is in both.
    const std::string_view shared = std::string_view(line_).substr(max_line_ - overlap_, overlap_);
    for (uint32_t pattern : undecided_)
      if (patterns_[pattern].MayCover(shared)) missed_[pattern] = true;
    for (uint32_t pattern : all_undecided_)
      if (patterns_[pattern].MayCover(shared)) line_missed_[pattern] = true;
    line_.erase(0, max_line_ - overlap_ - 1);
    context_ = 1;
    line_continues_ = true;
  }
}

void ContentScanner::EndLine() {
  Search({.text = line_,
          .begin = context_,
          .end = line_.size(),
          .offset = offset_ - line_.size(),
          .starts_line = !line_continues_});
  line_.clear();
  context_ = 0;
  line_continues_ = false;
}

}  // namespace dragnet::file
