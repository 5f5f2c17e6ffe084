// Parses /proc/PID/maps. The kernel writes it, but a process chooses the names
// of the files that it maps, and how many regions there are.
//
// Not thread-safe; memory is bounded whatever there is to parse.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet::memory {

struct Region {
  uint64_t start = 0;
  uint64_t end = 0;
  // Into the file, of the first byte.
  uint64_t offset = 0;
  uint64_t inode = 0;
  uint32_t device_major = 0;
  uint32_t device_minor = 0;
  // rwxp, as written.
  char permissions[4] = {'-', '-', '-', 'p'};
  // Index of the name in Maps; 0 is none.
  uint32_t name = 0;

  bool readable() const { return permissions[0] == 'r'; }
  bool writable() const { return permissions[1] == 'w'; }
  bool executable() const { return permissions[2] == 'x'; }
  bool shared() const { return permissions[3] == 's'; }
};

class Maps {
 public:
  static constexpr size_t kMaxRegions = 1 << 18;
  static constexpr size_t kMaxNameBytes = 4 << 20;

  explicit Maps(size_t max_regions = kMaxRegions, size_t max_name_bytes = kMaxNameBytes)
      : max_regions_(max_regions), max_name_bytes_(max_name_bytes), names_(1) {}

  // The next bytes of the file, cut anywhere.
  void Feed(std::string_view bytes);
  // After the last.
  void Finish();

  const std::vector<Region>& regions() const { return regions_; }
  // The name's bytes: a path (" (deleted)" behind it if it is no more),
  // [heap] and the like, or nothing.
  const std::string& name(const Region& region) const { return names_[region.name]; }

  // Why there are regions that are not in the list: a line that is not of the
  // known form, or too many. Empty if it is complete.
  std::string_view incomplete() const { return incomplete_; }

 private:
  void Line(std::string_view line);
  // False if there is no room for it.
  bool AddName(std::string_view escaped, uint32_t* index);

  size_t max_regions_;
  size_t max_name_bytes_;
  std::string partial_;
  std::vector<Region> regions_;
  std::vector<std::string> names_;
  // As the last one was written: parts of a file are next to each other.
  std::string last_escaped_;
  size_t name_bytes_ = 0;
  std::string_view incomplete_;
};

}  // namespace dragnet::memory
