#include "modules/file/examine.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/strings.h"
#include "core/text.h"
#include "modules/file/open.h"

namespace dragnet::file {
namespace {

// From 64 KiB on, larger reads are no faster; this still fits the second-level cache.
constexpr size_t kBlockBytes = 128 * 1024;
// How much is looked at between two reports of progress.
constexpr uint64_t kProgressItems = 256;
constexpr uint64_t kProgressBytes = 16 * 1024 * 1024;

InodeFacts FromStat(const struct stat& info) {
  InodeFacts facts;
  facts.size = static_cast<uint64_t>(info.st_size);
  facts.mode = info.st_mode;
  facts.mode_text = ModeString(info.st_mode);
  facts.mtime =
      absl::FromUnixSeconds(info.st_mtim.tv_sec) + absl::Nanoseconds(info.st_mtim.tv_nsec);
  facts.uid = info.st_uid;
  facts.gid = info.st_gid;
  return facts;
}

ssize_t ReadRetrying(int fd, char* buffer, size_t size) {
  ssize_t count;
  do {
    count = read(fd, buffer, size);
  } while (count < 0 && errno == EINTR);
  return count;
}

}  // namespace

Examiner::Examiner(const CompiledSearches& searches, Reporter& reporter, absl::Time now)
    : searches_(searches),
      reporter_(reporter),
      now_(now),
      block_(new char[kBlockBytes]),
      scanner_(searches.line_patterns) {}

void Examiner::Examine(const WalkEntry& entry, std::vector<uint32_t>* candidates) {
  if (++items_ >= kProgressItems) ReportProgress();
  FileFacts facts;
  facts.type = entry.type;
  facts.name = entry.name;
  std::string valid_name;
  if (!IsValidUtf8(entry.name)) {
    valid_name = ToValidUtf8(entry.name);
    facts.name = valid_name;
  }
  Narrow(facts, candidates);

  if (AnyOf(*candidates, [](const Search& search) { return search.HasStatFilters(); })) {
    if (!LearnInode(entry, &facts)) return;
    Narrow(facts, candidates);
  }
  if (facts.type == FileType::kRegular &&
      AnyOf(*candidates, [](const Search& search) { return search.ReadsFiles(); })) {
    if (!LearnContent(entry, &facts, candidates)) return;
    NoteUndecided(entry, facts, *candidates);
  }
  std::erase_if(*candidates, [&](uint32_t index) {
    return Judge(searches_.searches[index], facts, now_) != Verdict::kYes;
  });
  if (candidates->empty()) return;
  if (!facts.inode && !LearnInode(entry, &facts)) return;
  const std::string path = entry.Path();
  for (uint32_t index : *candidates) reporter_.Found(index, path, facts, now_);
}

void Examiner::Narrow(const FileFacts& facts, std::vector<uint32_t>* candidates) const {
  std::erase_if(*candidates, [&](uint32_t index) {
    return Judge(searches_.searches[index], facts, now_) == Verdict::kNo;
  });
}

template <typename Predicate>
bool Examiner::AnyOf(const std::vector<uint32_t>& candidates, Predicate predicate) const {
  return std::any_of(candidates.begin(), candidates.end(),
                     [&](uint32_t index) { return predicate(searches_.searches[index]); });
}

bool Examiner::LearnInode(const WalkEntry& entry, FileFacts* facts) {
  struct stat info;
  if (fstatat(entry.dir_fd, entry.at, &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) {
    NoteMissing(entry, errno);
    return false;
  }
  if (TypeOfMode(info.st_mode) != facts->type) {
    reporter_.NotLookedAt(kReplaced, entry.Path());
    return false;
  }
  entry.sighting->Saw(info.st_ino);
  facts->inode = FromStat(info);
  return true;
}

bool Examiner::LearnContent(const WalkEntry& entry, FileFacts* facts,
                            std::vector<uint32_t>* candidates) {
  const UniqueFd fd = OpenForReading(entry.dir_fd, entry.at, 0);
  if (!fd.valid()) {
    const int error = errno;
    NoteMissing(entry, error);
    return error != ENOENT && !IsReplaced(error);
  }
  struct stat info;
  if (fstat(fd.get(), &info) != 0) {
    reporter_.NotLookedAt(ErrorWords(errno), entry.Path());
    return true;
  }
  // A pipe or device has taken its place; being open, it is left alone.
  if (!S_ISREG(info.st_mode)) {
    reporter_.NotLookedAt(kReplaced, entry.Path());
    return false;
  }
  entry.sighting->Saw(info.st_ino);
  // From here on this file is the one that counts, whatever was there before.
  facts->inode = FromStat(info);
  Narrow(*facts, candidates);
  if (AnyOf(*candidates, [](const Search& search) { return search.ReadsFiles(); }))
    Read(fd.get(), entry, *candidates, facts);
  return true;
}

void Examiner::NoteMissing(const WalkEntry& entry, int error) {
  // The walk looks for it under another name.
  if (error == ENOENT) return entry.sighting->SawNothing();
  reporter_.NotLookedAt(IsReplaced(error) ? kReplaced : ErrorWords(error), entry.Path());
}

void Examiner::Read(int fd, const WalkEntry& entry, const std::vector<uint32_t>& candidates,
                    FileFacts* facts) {
  wanted_patterns_.clear();
  DigestKinds digests = 0;
  for (uint32_t index : candidates) {
    const Search& search = searches_.searches[index];
    digests |= search.digests;
    for (const ContentFilter& filter : search.contents) wanted_patterns_.push_back(filter.pattern);
  }
  std::sort(wanted_patterns_.begin(), wanted_patterns_.end());
  wanted_patterns_.erase(std::unique(wanted_patterns_.begin(), wanted_patterns_.end()),
                         wanted_patterns_.end());
  scanner_.Start(wanted_patterns_);
  facts->content = &scanner_;
  if (const absl::Status status = digester_.Start(digests); !status.ok()) {
    reporter_.NotLookedAt(ToStd(status.message()), entry.Path());
    return;
  }

  uint64_t total = 0;
  while (!scanner_.settled() || digests != 0) {
    const ssize_t count = ReadRetrying(fd, block_.get(), kBlockBytes);
    if (count < 0) {
      reporter_.NotLookedAt(ErrorWords(errno), entry.Path());
      return;
    }
    const std::string_view block(block_.get(), static_cast<size_t>(count));
    digester_.Update(block);
    scanner_.Feed(block);
    total += block.size();
    bytes_ += block.size();
    if (bytes_ >= kProgressBytes) ReportProgress();
    // A short read that reaches the size is the end; asking again would be one
    // more system call for each small file.
    if (count == 0 || (block.size() < kBlockBytes && total == facts->inode->size)) break;
    if (reporter_.AllDone()) return;
  }
  scanner_.Finish();
  digester_.Finish();
  facts->digests = &digester_;
}

void Examiner::NoteUndecided(const WalkEntry& entry, const FileFacts& facts,
                             const std::vector<uint32_t>& candidates) {
  // Without digests, the reason was reported where reading failed.
  if (facts.digests == nullptr) return;
  for (uint32_t index : candidates) {
    if (Judge(searches_.searches[index], facts, now_) != Verdict::kUnknown) continue;
    reporter_.NotLookedAt("a match over more than 1 MiB of a line can't be ruled out",
                          entry.Path());
    return;
  }
}

void Examiner::ReportProgress() {
  if (items_ == 0 && bytes_ == 0) return;
  reporter_.AddExamined(items_, bytes_);
  items_ = bytes_ = 0;
}

}  // namespace dragnet::file
