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

}  // namespace

struct YaraScanner::State {
  State(std::shared_ptr<const YaraRules> compiled, YaraLimits limits) : rules(std::move(compiled)) {
    for (const Part& part : rules->compiled().parts)
      parts.push_back({part, Engine(part.rules.get(), limits), nullptr, {}});
  }

  struct PartState {
    const Part& part;
    Engine engine;
    Prefilter::Scratch scratch;
    std::vector<Window> windows;
  };

  absl::StatusOr<std::vector<YaraMatch>> Scan(Source& source, std::span<const Window> extents,
                                              Engine::Item item);
  absl::Status Filter(PartState& state, Source& source, const Window& extent,
                      std::vector<Window>& readable);
  void CloseSegment(PartState& state, const Window& segment, std::vector<Window>& found,
                    std::vector<Window>& readable);

  const std::shared_ptr<const YaraRules> rules;
  std::vector<PartState> parts;
  std::vector<char> buffer;
};

void YaraScanner::State::CloseSegment(PartState& state, const Window& segment,
                                      std::vector<Window>& found, std::vector<Window>& readable) {
  if (segment.begin < segment.end) readable.push_back(segment);
  if (segment.begin < state.part.head_bytes) found.push_back({0, state.part.head_bytes});
  NormalizeWindows(segment.begin, segment.end, found);
  state.windows.insert(state.windows.end(), found.begin(), found.end());
  found.clear();
  if (state.windows.size() > kMaxWindows) JoinWindows(state.windows);
}

// Searches all of `extent` for literals: state.windows are then what libyara
// must look at, `readable` what could be read.
absl::Status YaraScanner::State::Filter(PartState& state, Source& source, const Window& extent,
                                        std::vector<Window>& readable) {
  const Prefilter& filter = *state.part.filter;
  if (state.scratch == nullptr) {
    DRAGNET_ASSIGN_OR_RETURN(state.scratch, filter.NewScratch());
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
      CloseSegment(state, segment, found, readable);
      segment.begin = segment.end = std::min(extent.end, (segment.end / kPage + 1) * kPage);
      carried = 0;
      continue;
    }
    DRAGNET_RETURN_IF_ERROR(
        filter.Find({block, carried + got}, segment.end - carried, state.scratch.get(), found));
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
  CloseSegment(state, segment, found, readable);
  return source.status();
}

absl::StatusOr<std::vector<YaraMatch>> YaraScanner::State::Scan(Source& source,
                                                                std::span<const Window> extents,
                                                                Engine::Item item) {
  std::vector<YaraMatch> matches;
  for (PartState& state : parts) {
    state.windows.clear();
    std::vector<Window> readable;
    if (state.part.filter != nullptr) {
      for (const Window& extent : extents)
        DRAGNET_RETURN_IF_ERROR(Filter(state, source, extent, readable));
      // A file can have become shorter.
      if (item.file_size) item.file_size = readable.empty() ? 0 : readable.back().end;
      if (state.windows.empty() && !state.part.evaluate_without_windows) continue;
    } else {
      state.windows.assign(extents.begin(), extents.end());
    }
    for (const Window& window : state.windows) {
      const uint64_t size = window.end - window.begin;
      if (size > kMaxWindow && source.Direct(window.begin, size) == nullptr) {
        return absl::ResourceExhaustedError(StrCat(
            "larger than ", kMaxWindow >> 20, " MiB, and there are rules that must see all of it"));
      }
    }
    const size_t before = matches.size();
    DRAGNET_RETURN_IF_ERROR(state.engine.Scan(source, state.windows, item, matches));
    const auto silent = [&](const YaraMatch& match) {
      return state.part.silent.contains(match.rule);
    };
    matches.erase(
        std::remove_if(matches.begin() + static_cast<ptrdiff_t>(before), matches.end(), silent),
        matches.end());
  }
  if (parts.size() > 1) {
    const auto& order = rules->compiled().order;
    std::sort(matches.begin(), matches.end(), [&](const YaraMatch& a, const YaraMatch& b) {
      return order.at(a.rule) < order.at(b.rule);
    });
  }
  return matches;
}

YaraScanner::YaraScanner(std::shared_ptr<const YaraRules> rules, YaraLimits limits)
    : state_(std::make_unique<State>(std::move(rules), limits)) {}
YaraScanner::~YaraScanner() = default;
YaraScanner::YaraScanner(YaraScanner&&) noexcept = default;
YaraScanner& YaraScanner::operator=(YaraScanner&&) noexcept = default;

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
