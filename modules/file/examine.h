// Looks at one file after the other: learns no more about each than the
// searches need, cheapest first, and reads it at most once for all of them.
// What is learned of it where it was found (its name, its inode, its open
// descriptor) and reading it can be done by different threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/unique_fd.h"
#include "modules/file/archive.h"
#include "modules/file/attributes.h"
#include "modules/file/content.h"
#include "modules/file/digest.h"
#include "modules/file/elf.h"
#include "modules/file/match.h"
#include "modules/file/read.h"
#include "modules/file/report.h"
#include "modules/file/search.h"
#include "modules/file/walk.h"

namespace dragnet::file {

// What is learned of an open file before it is read as a whole, where a search
// asks for it.
struct Extras {
  std::optional<Attributes> attributes;
  std::optional<std::optional<ElfInfo>> elf;
};

// A regular file that is still to be read. Nothing of it depends on where it was
// found any more.
struct OpenFile {
  UniqueFd fd;
  std::string path;
  // Its own name, in valid UTF-8.
  std::string name;
  InodeFacts inode;
  Extras extras;
  // The searches that may find it.
  std::vector<uint32_t> candidates;
  // Those that may find something in it, if it is an archive.
  std::vector<uint32_t> archive_candidates;
  ArchiveKind archive_kind = ArchiveKind::kNone;
};

// Takes files to have them read by whichever examiner.
class ReadQueue {
 public:
  virtual ~ReadQueue() = default;
  // Whether Take might take a file of this size now.
  virtual bool WouldTake(uint64_t size) = 0;
  // False, and `file` left as it is, to have it read at once.
  virtual bool Take(OpenFile& file) = 0;
};

// Not thread-safe; one per thread, all with the same searches and reporter.
class Examiner {
 public:
  // All outlive the examiner.
  Examiner(const CompiledSearches& searches, const RunFacts& run, const Prefilter& prefilter,
           Reporter& reporter, ReadQueue& queue);
  ~Examiner() { ReportProgress(); }
  Examiner(const Examiner&) = delete;
  Examiner& operator=(const Examiner&) = delete;

  // Reports `entry` for each of `candidates` (indexes of searches that its path
  // and type are right for) that finds it. Leaves `candidates` changed.
  void Examine(const WalkEntry& entry, std::vector<uint32_t>* candidates);

  // The rest of the examination of a file that the queue took.
  void Read(OpenFile& file);

 private:
  // Keeps the candidates that may still find the file.
  void Narrow(const FileFacts& facts, std::vector<uint32_t>* candidates) const;
  template <typename Predicate>
  bool AnyOf(const std::vector<uint32_t>& candidates, Predicate predicate) const;

  // False if the file is not there any more, which `entry` is told, or something
  // of another type is, which is reported as what can't be read is.
  bool LearnInode(const WalkEntry& entry, FileFacts* facts);
  // As above; the file's descriptor, or an invalid one where it can't be read.
  bool Open(const WalkEntry& entry, FileFacts* facts, UniqueFd* fd);
  // Of the open file, no more than the candidates ask for, whom it narrows.
  void LearnExtras(int fd, const WalkEntry& entry, FileFacts* facts, Extras* extras,
                   std::vector<uint32_t>* candidates);
  void NoteMissing(const WalkEntry& entry, int error);
  void ReadItself(OpenFile& file);
  // For the candidates that mean these bytes when they speak of its content.
  void ReadSource(const OpenFile& file, ByteSource& source, std::vector<uint32_t>& candidates);
  // What is in an archive, `depth` archives deep (from 1), whose path is `path`.
  void ReadArchive(ArchiveReader& archive, const std::string& path, uint32_t depth,
                   const std::vector<uint32_t>& searches, ArchiveBudget& budget);
  void ReadMember(MemberSource& source, const ArchiveMember& member, const std::string& path,
                  const std::vector<uint32_t>& searches, std::string* kept);
  // `path` outlives them.
  ReadHooks HooksFor(const std::string& path);
  bool WantsOpen(FileType type, const std::vector<uint32_t>& candidates) const;
  // Why a candidate's filters can't be decided, once all is known that will be;
  // empty if they can, or if the reason was reported when it was met.
  std::string_view WhyUndecided(const FileFacts& facts,
                                const std::vector<uint32_t>& candidates) const;
  void Report(const std::string& path, const FileFacts& facts, std::vector<uint32_t>* candidates);
  void ReportProgress();

  const CompiledSearches& searches_;
  const RunFacts& run_;
  Reporter& reporter_;
  ReadQueue& queue_;
  FileReader reader_;
  // Of the archives within archives that are being read.
  size_t kept_bytes_ = 0;
  uint64_t items_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace dragnet::file
