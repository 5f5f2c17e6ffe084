// Where the readers of files put what they find. Belongs to one thread.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "console/packs/advisories/import.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/pkg/vulnerable.h"

namespace dragnet::advisories {

class Collector {
 public:
  void set_file(std::string_view name) { file_ = ForTerminal(Shorten(name, 256)); }

  // An entry, or why it can't be one. One of very many ranges becomes several.
  void Add(pkg::VulnerableEntry entry) {
    constexpr size_t kMostRanges = 128;
    std::vector<pkg::VersionRange> ranges = std::move(entry.ranges);
    for (size_t at = 0; at < ranges.size() && !full(); at += kMostRanges) {
      const size_t end = std::min(ranges.size(), at + kMostRanges);
      entry.ranges.assign(ranges.begin() + static_cast<ptrdiff_t>(at),
                          ranges.begin() + static_cast<ptrdiff_t>(end));
      const std::string line = pkg::FormatVulnerableEntry(entry);
      if (const auto parsed = pkg::ParseVulnerableEntry(line); !parsed.ok())
        return Leave(entry.id, StrCat("package ", entry.name, ": ", parsed.status().message()));
      ++entries_;
      StrAppend(&text_, line, "\n");
    }
  }

  // `advisory` may be empty for the whole file.
  void Leave(std::string_view advisory, std::string_view why) {
    if (left_out_.size() > kMaxLeftOut) return;
    left_out_.push_back(
        {StrCat(file_, advisory.empty() ? "" : ": ", ForTerminal(Shorten(advisory, 256))),
         ForTerminal(Shorten(why, 512))});
  }

  // No use in reading on: a bound is passed.
  bool full() const {
    return entries_ > pkg::VulnerableList::kMaxEntries ||
           text_.size() > pkg::VulnerableList::kMaxBytes || left_out_.size() > kMaxLeftOut;
  }

  size_t entries() const { return entries_; }
  std::string TakeText() { return std::move(text_); }
  std::vector<LeftOut> TakeLeftOut() { return std::move(left_out_); }

 private:
  std::string file_;
  std::string text_;
  size_t entries_ = 0;
  std::vector<LeftOut> left_out_;
};

// Each reads one file. InvalidArgument, without the file's name, when it isn't of
// the form.
absl::Status ReadOsv(std::string_view content, Collector& collector);
absl::Status ReadOval(std::string_view content, Collector& collector);

}  // namespace dragnet::advisories
