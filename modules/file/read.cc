#include "modules/file/read.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "core/strings.h"
#include "modules/file/open.h"

namespace dragnet::file {
namespace {

// From 64 KiB on, larger reads are no faster; this still fits the second-level cache.
constexpr size_t kBlockBytes = 128 * 1024;

void SortUnique(std::vector<uint32_t>* values) {
  std::sort(values->begin(), values->end());
  values->erase(std::unique(values->begin(), values->end()), values->end());
}

}  // namespace

absl::StatusOr<size_t> PlainSource::Read(char* buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t count = read(fd_, buffer + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::UnavailableError(ToAbsl(ErrorWords(errno)));
    done += static_cast<size_t>(count);
    total_ += static_cast<uint64_t>(count);
    if (count == 0 || total_ == size_) break;
  }
  return done;
}

FileReader::FileReader(const CompiledSearches& searches, const Prefilter& prefilter)
    : searches_(searches),
      block_(new char[kBlockBytes]),
      scanner_(prefilter),
      scanners_(searches.yara_rules.size()),
      yara_(searches.yara_rules.size()) {}

void FileReader::StartContent(const std::vector<uint32_t>& candidates) {
  wanted_.clear();
  on_all_lines_.clear();
  collected_.clear();
  LineOptions lines;
  for (uint32_t index : candidates) {
    const Search& search = searches_.searches[index];
    for (const ContentFilter& filter : search.contents) {
      const bool all = search.macroal && !filter.inverted;
      if (all) on_all_lines_.push_back(filter.pattern);
      if (!all || search.lines != 0) wanted_.push_back(filter.pattern);
      if (search.lines != 0) collected_.push_back(filter.pattern);
    }
    lines.max_lines = std::max(lines.max_lines, search.lines);
    lines.context = std::max(lines.context, search.context);
  }
  for (std::vector<uint32_t>* patterns : {&wanted_, &on_all_lines_, &collected_})
    SortUnique(patterns);
  scanner_.Start(wanted_, on_all_lines_);
  if (!collected_.empty()) scanner_.CollectLines(collected_, lines);
}

bool FileReader::Read(ByteSource& source, const std::vector<uint32_t>& candidates,
                      const ReadHooks& hooks, FileFacts* facts, std::string* kept,
                      bool to_the_end) {
  DigestKinds digests = 0;
  for (uint32_t index : candidates) digests |= searches_.searches[index].digests;
  StartContent(candidates);
  facts->content = &scanner_;
  if (const absl::Status status = digester_.Start(digests); !status.ok()) {
    hooks.not_looked_at(ToStd(status.message()));
    return false;
  }
  if (kept != nullptr) {
    kept->clear();
    to_the_end = true;
  }
  while (!scanner_.settled() || digests != 0 || to_the_end) {
    const absl::StatusOr<size_t> count = source.Read(block_.get(), kBlockBytes);
    if (!count.ok()) {
      hooks.not_looked_at(ToStd(count.status().message()));
      return false;
    }
    const std::string_view block(block_.get(), *count);
    digester_.Update(block);
    scanner_.Feed(block);
    if (kept != nullptr && kept->size() + block.size() > kMaxKept) {
      *kept = {};
      kept = nullptr;
    }
    if (kept != nullptr) kept->append(block);
    facts->content_size += block.size();
    if (!hooks.progress(block.size())) return false;
    if (block.size() < kBlockBytes) break;
  }
  scanner_.Finish();
  digester_.Finish();
  facts->digests = &digester_;
  return true;
}

void FileReader::Scan(int fd, uint64_t size, std::string_view content,
                      const std::vector<uint32_t>& candidates, const ReadHooks& hooks,
                      FileFacts* facts) {
  std::fill(yara_.begin(), yara_.end(), std::nullopt);
  facts->yara = &yara_;
  for (uint32_t index : candidates) {
    const std::optional<uint32_t> rules = searches_.searches[index].yara;
    if (!rules || yara_[*rules]) continue;
    std::unique_ptr<scan::YaraScanner>& scanner = scanners_[*rules];
    if (!scanner) {
      scanner =
          std::make_unique<scan::YaraScanner>(searches_.yara_rules[*rules], scan::YaraLimits{});
    }
    absl::StatusOr<std::vector<scan::YaraMatch>> matches =
        fd >= 0 ? scanner->ScanFile(fd, size) : scanner->ScanBuffer(content);
    if (!hooks.progress(size)) return;
    if (matches.ok()) {
      yara_[*rules] = *std::move(matches);
    } else {
      hooks.not_looked_at(ToStd(matches.status().message()));
    }
  }
}

}  // namespace dragnet::file
