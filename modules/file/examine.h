// Looks at one file after the other: learns no more about each than the
// searches need, cheapest first, and reads it at most once for all of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "modules/file/content.h"
#include "modules/file/digest.h"
#include "modules/file/match.h"
#include "modules/file/report.h"
#include "modules/file/search.h"
#include "modules/file/walk.h"

namespace dragnet::file {

// Not thread-safe; one per thread, all with the same searches and reporter.
class Examiner {
 public:
  // `searches` and `reporter` outlive the examiner. `now` is the start of the run.
  Examiner(const CompiledSearches& searches, Reporter& reporter, absl::Time now);
  ~Examiner() { ReportProgress(); }
  Examiner(const Examiner&) = delete;
  Examiner& operator=(const Examiner&) = delete;

  // Reports `entry` for each of `candidates` (indexes of searches that its path
  // and type are right for) that finds it. Leaves `candidates` changed.
  void Examine(const WalkEntry& entry, std::vector<uint32_t>* candidates);

 private:
  // Keeps the candidates that may still find the file.
  void Narrow(const FileFacts& facts, std::vector<uint32_t>* candidates) const;
  template <typename Predicate>
  bool AnyOf(const std::vector<uint32_t>& candidates, Predicate predicate) const;

  // False if the file is not there any more, which `entry` is told, or something
  // of another type is, which is reported as what can't be read is.
  bool LearnInode(const WalkEntry& entry, FileFacts* facts);
  bool LearnContent(const WalkEntry& entry, FileFacts* facts, std::vector<uint32_t>* candidates);
  void NoteMissing(const WalkEntry& entry, int error);
  void Read(int fd, const WalkEntry& entry, const std::vector<uint32_t>& candidates,
            FileFacts* facts);
  void NoteUndecided(const WalkEntry& entry, const FileFacts& facts,
                     const std::vector<uint32_t>& candidates);
  void ReportProgress();

  const CompiledSearches& searches_;
  Reporter& reporter_;
  const absl::Time now_;
  const std::unique_ptr<char[]> block_;
  ContentScanner scanner_;
  Digester digester_;
  std::vector<uint32_t> wanted_patterns_;
  uint64_t items_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace dragnet::file
