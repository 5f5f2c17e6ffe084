// Goes through the memory of one process, for patterns and for YARA.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/memory/maps.h"
#include "modules/memory/process.h"
#include "modules/memory/reader.h"
#include "modules/memory/scanner.h"
#include "modules/module.h"
#include "modules/scan/yara.h"

namespace dragnet::memory {

class MemoryWalk {
 public:
  // All outlive the walk.
  MemoryWalk(const Process& process, const Maps& maps, MemoryReader& reader, RunContext& context)
      : process_(process), maps_(maps), reader_(reader), context_(context) {}

  // Feeds to `scanner`, which has been started for a process, what is in
  // `range`. Mapped files that aren't writable are left out with `skip_files`.
  void Feed(const MemoryRange& range, bool skip_files, MemoryScanner& scanner);

  absl::StatusOr<std::vector<scan::YaraMatch>> ScanYara(const MemoryRange& range, bool skip_files,
                                                        scan::YaraScanner& scanner);

  // The process has ended: what was found so far is true, the rest unknown.
  bool gone() const { return gone_; }
  // Why something could not be looked at.
  const std::set<std::string>& problems() const { return problems_; }

 private:
  // How a region is read; nothing if it isn't.
  struct Part {
    RegionKind kind;
    uint64_t from = 0;
    uint64_t to = 0;
  };
  std::optional<Part> PartOf(const Region& region, const MemoryRange& range, bool skip_files) const;
  // Where a mapped file ends, in addresses; kNoBound if that isn't known.
  uint64_t EndOfFile(const Region& region) const;
  // False if what is left of the region is not worth trying.
  bool FeedSpan(const Region& region, RegionKind kind, Span span, MemoryScanner& scanner);
  // As MemoryReader::Read, and notices when it was not the process's any more.
  size_t Read(const Region& region, RegionKind kind, uint64_t address, char* to, size_t size);
  // A page could not be read. False as of FeedSpan.
  bool PassOver(const Region& region, RegionKind kind, uint64_t address);
  // Whether the process still has memory there.
  bool IsStillMapped(uint64_t address) const;

  const Process& process_;
  const Maps& maps_;
  MemoryReader& reader_;
  RunContext& context_;
  std::vector<Span> spans_;
  void NoteIfMaybeSwapped(const Region& region);

  std::set<std::string> problems_;
  // Pages in a row.
  int failures_ = 0;
  bool gone_ = false;
};

// The region that holds `address`; null if there is none.
const Region* FindRegion(const Maps& maps, uint64_t address);

}  // namespace dragnet::memory
