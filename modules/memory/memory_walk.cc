#include "modules/memory/memory_walk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::memory {
namespace {

// After so many unreadable pages of a file, the rest of its region is given up.
constexpr int kMaxFailures = 64;
constexpr size_t kMaxBlocks = 1 << 18;

constexpr char kUnreadable[] = "memory that can't be read";
constexpr char kSeenInPieces[] =
    "YARA: more than 24 MiB in one stretch, of which rules that must see it whole saw pieces";
constexpr char kMaybeSwapped[] = "shared memory, of which pages may be swapped out";
constexpr char kUnreadableFile[] = "a mapped file that can't be read";
constexpr char kTooScattered[] = "memory too scattered for YARA";

}  // namespace

const Region* FindRegion(const Maps& maps, uint64_t address) {
  const std::vector<Region>& regions = maps.regions();
  const auto after =
      std::upper_bound(regions.begin(), regions.end(), address,
                       [](uint64_t wanted, const Region& region) { return wanted < region.start; });
  if (after == regions.begin() || address >= (after - 1)->end) return nullptr;
  return &*(after - 1);
}

uint64_t MemoryWalk::EndOfFile(const Region& region) const {
  std::string path = StrCat("root", maps_.name(region));
  struct stat status;
  if (::fstatat(process_.directory(), path.c_str(), &status,
                AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0 ||
      status.st_ino != region.inode || !S_ISREG(status.st_mode)) {
    return kNoBound;
  }
  const uint64_t size = static_cast<uint64_t>(status.st_size);
  const uint64_t pages_end = size / kPage * kPage + (size % kPage != 0 ? kPage : 0);
  if (pages_end <= region.offset) return region.start;
  return pages_end - region.offset > kNoBound - region.start
             ? kNoBound
             : region.start + (pages_end - region.offset);
}

std::optional<MemoryWalk::Part> MemoryWalk::PartOf(const Region& region, const MemoryRange& range,
                                                   bool skip_files) const {
  Part part{.kind = KindOf(region, maps_.name(region)),
            .from = std::max(region.start, range.from),
            .to = std::min(region.end, range.to)};
  if (part.kind == RegionKind::kSkipped || part.from >= part.to) return std::nullopt;
  if (part.kind == RegionKind::kFile) {
    if (skip_files && !region.writable()) return std::nullopt;
    part.to = std::min(part.to, EndOfFile(region));
    if (part.from >= part.to) return std::nullopt;
  }
  if (!region.readable()) {
    if (part.kind == RegionKind::kDevice) return std::nullopt;
    // Mostly reservations and guard pages: nothing but what was once written.
    part.kind = RegionKind::kSparse;
  }
  return part;
}

void MemoryWalk::Feed(const MemoryRange& range, bool skip_files, MemoryScanner& scanner) {
  for (const Region& region : maps_.regions()) {
    const std::optional<Part> part = PartOf(region, range, skip_files);
    if (!part) continue;
    failures_ = 0;
    bool worth_it = true;
    NoteIfMaybeSwapped(region);
    for (uint64_t from = part->from; from < part->to && worth_it;) {
      if (gone_ || scanner.settled() || context_.stopping()) break;
      const uint64_t to = std::min(part->to, from + MemoryReader::kSlice);
      reader_.FindSpans(part->kind, from, to, &spans_);
      for (const Span& span : spans_) {
        worth_it = FeedSpan(region, part->kind, span, scanner);
        if (!worth_it) break;
      }
      from = to;
    }
    if (gone_ || scanner.settled() || context_.stopping()) break;
  }
  scanner.Finish();
}

// The list of a process's pages tells those of shared memory that are swapped
// out from those that never were no more (pagemap.rst).
void MemoryWalk::NoteIfMaybeSwapped(const Region& region) {
  static const bool swap_is_used = [] {
    const absl::StatusOr<std::string> meminfo = ReadFile("/proc/meminfo");
    return !meminfo.ok() || SwapIsUsed(*meminfo);
  }();
  if (swap_is_used && IsSharedMemory(region, maps_.name(region))) problems_.insert(kMaybeSwapped);
}

bool MemoryWalk::FeedSpan(const Region& region, RegionKind kind, Span span,
                          MemoryScanner& scanner) {
  uint64_t address = span.start;
  while (address < span.end && !scanner.settled() && !context_.stopping()) {
    const std::span<char> space =
        scanner.Prepare(address, std::min<uint64_t>(span.end - address, kBlock));
    const size_t got = Read(region, kind, address, space.data(), space.size());
    if (gone_) return false;
    if (got > 0) {
      scanner.Commit(got);
      address += got;
      failures_ = 0;
    }
    if (got == space.size()) continue;
    if (!PassOver(region, kind, address)) return false;
    address = address / kPage * kPage + kPage;
  }
  return true;
}

size_t MemoryWalk::Read(const Region& region, RegionKind kind, uint64_t address, char* to,
                        size_t size) {
  const size_t got = reader_.Read(region, kind, address, to, size);
  // Its number may be another process's: what was just read then, too.
  if (gone_ || !process_.IsAlive()) {
    gone_ = true;
    return 0;
  }
  context_.AddExamined(0, got);
  return got;
}

bool MemoryWalk::PassOver(const Region& region, RegionKind kind, uint64_t address) {
  if (kind == RegionKind::kDevice) return false;
  // It may have been given back since the list of regions was read: that is not
  // a failure, but a change.
  if (kind == RegionKind::kSparse) {
    if (reader_.IsPopulated(address) && IsStillMapped(address)) problems_.insert(kUnreadable);
    return ++failures_ < kMaxFailures || IsStillMapped(address);
  }
  if (address < EndOfFile(region) && IsStillMapped(address)) problems_.insert(kUnreadableFile);
  return ++failures_ < kMaxFailures;
}

bool MemoryWalk::IsStillMapped(uint64_t address) const {
  const std::optional<Maps> now = process_.ReadMaps();
  return now && FindRegion(*now, address) != nullptr;
}

absl::StatusOr<std::vector<scan::YaraMatch>> MemoryWalk::ScanYara(const MemoryRange& range,
                                                                  bool skip_files,
                                                                  scan::YaraScanner& scanner) {
  std::vector<scan::YaraScanner::Block> blocks;
  for (const Region& region : maps_.regions()) {
    const std::optional<Part> part = PartOf(region, range, skip_files);
    if (!part) continue;
    NoteIfMaybeSwapped(region);
    const size_t first = blocks.size();
    for (uint64_t from = part->from; from < part->to && !context_.stopping();) {
      const uint64_t to = std::min(part->to, from + MemoryReader::kSlice);
      reader_.FindSpans(part->kind, from, to, &spans_);
      for (const Span& span : spans_) {
        const bool joins =
            blocks.size() > first && blocks.back().base + blocks.back().size == span.start;
        if (joins) {
          blocks.back().size += span.end - span.start;
        } else if (blocks.size() == kMaxBlocks) {
          problems_.insert(kTooScattered);
          break;
        } else {
          blocks.push_back({span.start, span.end - span.start});
        }
      }
      from = to;
    }
  }
  failures_ = 0;
  auto matches = scanner.ScanMemory(blocks, [&](uint64_t address, char* to, size_t size) -> size_t {
    const Region* region = FindRegion(maps_, address);
    if (region == nullptr || gone_ || context_.stopping()) return 0;
    RegionKind kind = KindOf(*region, maps_.name(*region));
    if (!region->readable()) kind = RegionKind::kSparse;
    const size_t got =
        Read(*region, kind, address, to, std::min<uint64_t>(size, region->end - address));
    if (got < std::min<uint64_t>(size, region->end - address) && !gone_)
      PassOver(*region, kind, address + got);
    return got;
  });
  if (scanner.saw_pieces()) problems_.insert(kSeenInPieces);
  return matches;
}

}  // namespace dragnet::memory
