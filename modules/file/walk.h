// Goes through a directory tree of any size, depth and hostility with bounded
// descriptors and memory.
//
// Symbolic links are never followed; names are resolved relative to open
// directories, so that paths may be longer than PATH_MAX and a directory that
// is swapped for a link meanwhile leads nowhere. Entries of a directory come
// in the order of the disk, and a directory's own entries before what is in
// its subdirectories, but for chunks of a large one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "modules/file/filters.h"

namespace dragnet::file {

// Deeper directories are reported as not looked at.
inline constexpr uint32_t kMaxLevels = 20'000;

// Valid during the call that it is handed to.
struct WalkEntry {
  // For the …at() system calls.
  int dir_fd;
  const char* at;
  // The directory's path, and the name within it. The directory is empty, and
  // the name is the whole path, only for /.
  std::string_view directory;
  std::string_view name;
  FileType type;
  // 0 for the root of the walk, 1 for what is directly in it.
  uint32_t depth;

  std::string Path() const;
};

enum class WalkStep {
  kNext,
  // Go into this directory, later.
  kDescend,
  // End the whole walk.
  kStop,
};

class WalkVisitor {
 public:
  virtual ~WalkVisitor() = default;

  // Each entry once, the root included, of whatever type (never kUnknown).
  virtual WalkStep Visit(const WalkEntry& entry) = 0;

  // Around the visits of a directory's entries, for directories that Visit
  // wanted and that could be opened.
  virtual void Enter(std::string_view path, uint32_t depth) = 0;
  virtual void Leave(uint32_t depth) = 0;

  // Something was not looked at; what has merely vanished is not reported.
  virtual void NotLookedAt(std::string_view reason, std::string_view path) = 0;
};

struct WalkOptions {
  // So many directories of the current branch are kept open; those further up
  // are opened again on the way back.
  uint32_t open_levels = 64;
  // The first levels hold the names of a whole chunk of subdirectories; those
  // further down hold one at a time, so that depth × width stays bounded.
  uint32_t wide_levels = 64;
  uint32_t max_levels = kMaxLevels;
};

// Walks what is at the absolute path `root`, a directory or anything else.
// Pseudo and network file systems that are mounted beneath it are not entered. Returns when all is
// visited or a visit said kStop.
void WalkTree(const std::string& root, WalkVisitor& visitor, const WalkOptions& options = {});

}  // namespace dragnet::file
