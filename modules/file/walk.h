// Goes through a directory tree of any size, depth and hostility with bounded
// descriptors and memory.
//
// Symbolic links are never followed; names are resolved relative to open
// directories, so that paths may be longer than PATH_MAX and a directory that
// is swapped for a link meanwhile leads nowhere. Entries of a directory come
// in the order of the disk, and a directory's own entries before what is in
// its subdirectories, but for chunks of a large one.
//
// Whoever owns a directory can rename what is in it while it is searched. What
// a directory listed and what then was not found under its name (or something
// else was, by its inode) is lost; at the end of the directory its listing is
// read a second time, and what it shows of the lost is visited. What is lost
// again is reported; what isn't listed any more is gone. Out of reach is what
// moves between directories, or within one that is too large to be listed in
// one go, so that no listing shows it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/unique_fd.h"
#include "modules/file/filters.h"
#include "modules/file/open.h"

namespace dragnet::file {

// Deeper directories are reported as not looked at.
inline constexpr uint32_t kMaxLevels = 20'000;

// Whether what a directory listed is what was looked at, told by the inode.
class Sighting {
 public:
  explicit Sighting(uint64_t listed_inode) : listed_(listed_inode), seen_(listed_inode) {}

  void Saw(uint64_t inode) {
    // Neither of two that took turns was looked at as a whole.
    seen_ = looked_ && inode != seen_ ? 0 : inode;
    looked_ = true;
  }
  void SawNothing() { Saw(0); }

  bool lost() const { return seen_ != listed_; }
  // The inode that was looked at; 0 for none, or no single one.
  uint64_t seen() const { return seen_; }

 private:
  uint64_t listed_;
  uint64_t seen_;
  bool looked_ = false;
};

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
  // Told by a visit that looks at the file, as often as it does.
  Sighting* sighting;

  std::string Path() const;
};

// What tells one directory from another.
struct DirectoryIdentity {
  uint32_t dev_major = 0;
  uint32_t dev_minor = 0;
  uint64_t inode = 0;

  bool operator==(const DirectoryIdentity&) const = default;
  bool SameDevice(const DirectoryIdentity& other) const {
    return dev_major == other.dev_major && dev_minor == other.dev_minor;
  }
};

// A directory that was entered, and is still to be read.
struct OpenDirectory {
  UniqueFd fd;
  DirectoryIdentity identity;
  std::string path;
  // Of the directory itself in the walk that it comes from.
  uint32_t depth = 0;
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

  // Each entry once, the root included, of whatever type (never kUnknown); once
  // more those that turned up again after they were lost.
  virtual WalkStep Visit(const WalkEntry& entry) = 0;

  // Whether to enter the directory at `path`, on which another file system is
  // mounted; asked before Enter or HandOver. Ordinary and network file systems
  // only: the others are passed over.
  virtual bool Cross(FileSystemKind kind, std::string_view path) = 0;

  // Around the visits of a directory's entries, for directories that Visit
  // wanted and that could be opened.
  virtual void Enter(std::string_view path, uint32_t depth) = 0;
  virtual void Leave(uint32_t depth) = 0;

  // Whether HandOver might take a directory now.
  virtual bool WouldHandOver() { return false; }
  // Takes `directory`, which Visit wanted, to walk it elsewhere (WalkDirectory);
  // this walk then goes on as if it were done. False, and it is left as it is,
  // to have it walked here.
  virtual bool HandOver(OpenDirectory&) { return false; }

  // Something was not looked at; what is gone from its directory is not reported.
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
// Pseudo file systems that are mounted beneath it are not entered.
// Returns when all that was not handed over is visited, or a visit said kStop.
void WalkTree(const std::string& root, WalkVisitor& visitor, const WalkOptions& options = {});

// Walks what is in a directory that another walk handed over.
void WalkDirectory(OpenDirectory directory, WalkVisitor& visitor, const WalkOptions& options = {});

}  // namespace dragnet::file
