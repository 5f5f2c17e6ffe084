#include "modules/scan/yara.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/scan/engine.h"
#include "modules/scan/plan.h"
#include "modules/scan/prefilter.h"
#include "modules/scan/source.h"

namespace dragnet::scan {

YaraRules::YaraRules(std::unique_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
YaraRules::~YaraRules() = default;

absl::StatusOr<std::shared_ptr<const YaraRules>> YaraRules::Compile(
    std::string_view source, std::span<const std::string> externals) {
  if (source.size() > kMaxRuleSource) {
    return absl::InvalidArgumentError(
        StrCat("the rules are larger than ", kMaxRuleSource >> 20, " MiB"));
  }
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<const Compiled> compiled,
                           PlanRules(std::string(source), externals));
  return std::make_shared<const YaraRules>(std::move(compiled));
}

namespace {

// What is read at once: stays in a core's second-level cache.
constexpr size_t kBlock = 512 * 1024;
constexpr uint64_t kPage = 4096;
// More windows than this are joined until there are fewer.
constexpr size_t kMaxWindows = 256 * 1024;

// Joins windows with small gaps. A larger window is always right.
void JoinWindows(std::vector<Window>& windows) {
  for (uint64_t gap = 64; windows.size() > kMaxWindows / 2; gap *= 2) {
    size_t kept = 0;
    for (size_t i = 1; i < windows.size(); ++i) {
      if (windows[i].begin - windows[kept].end <= gap &&
          windows[i].end - windows[kept].begin <= kMaxWindow / 2) {
        windows[kept].end = windows[i].end;
      } else {
        windows[++kept] = windows[i];
      }
    }
    windows.resize(kept + 1);
  }
}

// What conditions read, as blocks that overlap by more than the longest integer:
// one is read only if something in it is asked for. Modules that parse need the
// whole in one, as far as memory allows.
void AddPieces(const Window& extent, bool whole, std::vector<Window>& pieces) {
  constexpr uint64_t kOverlap = 8;
  uint64_t size = whole ? kMaxWindow : 64 * 1024;
  for (uint64_t begin = extent.begin;; begin = pieces.back().end - kOverlap) {
    pieces.push_back({begin, begin + std::min(size, extent.end - begin)});
    if (pieces.back().end == extent.end) return;
    if (!whole) size = 1 << 20;
  }
}

absl::Status TooLarge() {
  return absl::ResourceExhaustedError(
      StrCat("larger than ", kMaxWindow >> 20, " MiB, and the rules must see all of it at once"));
}

}  // namespace

struct YaraScanner::State {
  State(std::shared_ptr<const YaraRules> compiled, YaraLimits limits) : rules(std::move(compiled)) {
    for (const Part& part : rules->compiled().parts) engines.emplace_back(part.rules.get(), limits);
  }

  absl::StatusOr<std::vector<YaraMatch>> Scan(Source& source, std::span<const Window> extents,
                                              Engine::Item item);
  absl::Status Filter(Source& source, const Window& extent);
  void CloseSegment(const Window& segment, std::vector<Window>& found);
  absl::StatusOr<std::vector<Window>> CutWindows(Source& source, std::span<const Window> wanted);
  absl::StatusOr<std::vector<Window>> Pieces(const Part& part, bool is_file);

  const std::shared_ptr<const YaraRules> rules;
  std::vector<Engine> engines;  // by part
  Prefilter::Scratch scratch;
  std::vector<char> buffer;
  // Of the item that is scanned: what could be read, and what of it the
  // prefilter has found.
  std::vector<Window> readable;
  std::vector<Window> windows;
  bool saw_pieces = false;
};

void YaraScanner::State::CloseSegment(const Window& segment, std::vector<Window>& found) {
  if (segment.begin < segment.end) readable.push_back(segment);
  NormalizeWindows(segment.begin, segment.end, found);
  windows.insert(windows.end(), found.begin(), found.end());
  found.clear();
  if (windows.size() > kMaxWindows) JoinWindows(windows);
}

// Searches all of `extent` for literals, and adds to `windows` and `readable`.
absl::Status YaraScanner::State::Filter(Source& source, const Window& extent) {
  const Prefilter& filter = *rules->compiled().filter;
  if (scratch == nullptr) {
    DRAGNET_ASSIGN_OR_RETURN(scratch, filter.NewScratch());
  }
  const size_t overlap = filter.overlap();
  if (buffer.size() < overlap + kBlock) buffer.resize(overlap + kBlock);
  std::vector<Window> found;
  Window segment{extent.begin, extent.begin};
  size_t carried = 0;
  while (segment.end < extent.end) {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(kBlock, extent.end - segment.end));
    const char* block = source.Direct(segment.end - carried, carried + want);
    size_t got = want;
    if (block == nullptr) {
      got = source.Read(segment.end, buffer.data() + carried, want);
      block = buffer.data();
    }
    if (got == 0) {
      if (!source.has_holes()) break;
      CloseSegment(segment, found);
      segment.begin = segment.end = std::min(extent.end, (segment.end / kPage + 1) * kPage);
      carried = 0;
      continue;
    }
    DRAGNET_RETURN_IF_ERROR(
        filter.Find({block, carried + got}, segment.end - carried, scratch.get(), found));
    if (found.size() > kMaxWindows) {
      NormalizeWindows(segment.begin, extent.end, found);
      if (found.size() > kMaxWindows) JoinWindows(found);
    }
    const bool whole = segment.end == extent.begin && got == extent.end - extent.begin;
    segment.end += got;
    if (whole) {
      // It need not be read again for libyara.
      if (block == buffer.data()) source.Keep(extent.begin, {block, got});
      break;
    }
    const size_t have = carried + got;
    carried = std::min(overlap, have);
    if (block == buffer.data())
      std::memmove(buffer.data(), buffer.data() + (have - carried), carried);
  }
  CloseSegment(segment, found);
  return source.status();
}

// `wanted`, which libyara must see whole. Memory that is too much for that is
// cut, which can hide a match across a cut (yara.h says so).
absl::StatusOr<std::vector<Window>> YaraScanner::State::CutWindows(Source& source,
                                                                   std::span<const Window> wanted) {
  constexpr uint64_t kOverlap = 64 * 1024;
  std::vector<Window> cut;
  for (const Window& window : wanted) {
    const uint64_t size = window.end - window.begin;
    if (size <= kMaxWindow || source.Direct(window.begin, size) != nullptr) {
      cut.push_back(window);
      continue;
    }
    if (!source.has_holes()) return TooLarge();
    saw_pieces = true;
    for (uint64_t begin = window.begin;; begin = cut.back().end - kOverlap) {
      cut.push_back({begin, begin + std::min(kMaxWindow, window.end - begin)});
      if (cut.back().end == window.end) break;
    }
  }
  return cut;
}

absl::StatusOr<std::vector<Window>> YaraScanner::State::Pieces(const Part& part, bool is_file) {
  std::vector<Window> pieces;
  for (const Window& extent : readable) {
    if (part.parses_file && extent.end - extent.begin > kMaxWindow) {
      if (is_file) return TooLarge();
      saw_pieces = true;
    }
    AddPieces(extent, part.parses_file, pieces);
  }
  return pieces;
}

absl::StatusOr<std::vector<YaraMatch>> YaraScanner::State::Scan(Source& source,
                                                                std::span<const Window> extents,
                                                                Engine::Item item) {
  const YaraRules::Compiled& compiled = rules->compiled();
  windows.clear();
  readable.clear();
  saw_pieces = false;
  if (!compiled.filter->empty() || source.has_holes()) {
    for (const Window& extent : extents) DRAGNET_RETURN_IF_ERROR(Filter(source, extent));
    // A file can have become shorter.
    if (item.file_size) item.file_size = readable.empty() ? 0 : readable.back().end;
  } else {
    readable.assign(extents.begin(), extents.end());
  }
  DRAGNET_ASSIGN_OR_RETURN(windows, CutWindows(source, windows));

  std::vector<YaraMatch> matches;
  for (size_t i = 0; i < engines.size(); ++i) {
    const Part& part = compiled.parts[i];
    const size_t before = matches.size();
    if (part.need == Need::kWhole) {
      DRAGNET_ASSIGN_OR_RETURN(const std::vector<Window> whole, CutWindows(source, readable));
      DRAGNET_RETURN_IF_ERROR(engines[i].Scan(source, whole, item, matches));
    } else if (!windows.empty() || part.evaluate_without_windows) {
      std::vector<Window> pieces;
      if (part.need == Need::kReadable) {
        DRAGNET_ASSIGN_OR_RETURN(pieces, Pieces(part, item.file_size.has_value()));
      }
      item.readable = pieces;
      DRAGNET_RETURN_IF_ERROR(engines[i].Scan(source, windows, item, matches));
      item.readable = {};
    }
    const auto is_silent = [&](const YaraMatch& match) { return part.silent.contains(match.rule); };
    matches.erase(
        std::remove_if(matches.begin() + static_cast<ptrdiff_t>(before), matches.end(), is_silent),
        matches.end());
  }
  if (engines.size() > 1) {
    std::sort(matches.begin(), matches.end(), [&](const YaraMatch& a, const YaraMatch& b) {
      return compiled.order.at(a.rule) < compiled.order.at(b.rule);
    });
  }
  return matches;
}

YaraScanner::YaraScanner(std::shared_ptr<const YaraRules> rules, YaraLimits limits)
    : state_(std::make_unique<State>(std::move(rules), limits)) {}
YaraScanner::~YaraScanner() = default;
YaraScanner::YaraScanner(YaraScanner&&) noexcept = default;
YaraScanner& YaraScanner::operator=(YaraScanner&&) noexcept = default;

bool YaraScanner::saw_pieces() const { return state_->saw_pieces; }

absl::StatusOr<std::vector<YaraMatch>> YaraScanner::ScanFile(int fd, uint64_t size) {
  FileSource source(fd);
  const Window all{0, size};
  return state_->Scan(source, {&all, 1}, {size});
}

absl::StatusOr<std::vector<YaraMatch>> YaraScanner::ScanBuffer(std::string_view bytes) {
  BufferSource source(bytes);
  const Window all{0, bytes.size()};
  return state_->Scan(source, {&all, 1}, {bytes.size()});
}

absl::StatusOr<std::vector<YaraMatch>> YaraScanner::ScanMemory(std::span<const Block> blocks,
                                                               const ReadBlock& read) {
  MemorySource source(read);
  std::vector<Window> extents;
  for (const Block& block : blocks) {
    if (block.size > UINT64_MAX - block.base)
      return absl::InvalidArgumentError("a memory block ends beyond the address space");
    extents.push_back({block.base, block.base + block.size});
  }
  return state_->Scan(source, extents, {});
}

}  // namespace dragnet::scan
