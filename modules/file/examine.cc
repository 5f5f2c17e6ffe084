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

absl::Time FromStatx(const struct statx_timestamp& time) {
  return absl::FromUnixSeconds(time.tv_sec) + absl::Nanoseconds(time.tv_nsec);
}

// 0 or errno.
int LookAtInode(int dir_fd, const char* at, int flags, InodeFacts* facts, uint64_t* inode) {
  struct statx info;
  if (statx(dir_fd, at, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME, &info) != 0)
    return errno;
  facts->size = info.stx_size;
  facts->mode = info.stx_mode;
  facts->mode_text = ModeString(info.stx_mode);
  facts->mtime = FromStatx(info.stx_mtime);
  facts->ctime = FromStatx(info.stx_ctime);
  facts->atime = FromStatx(info.stx_atime);
  if (info.stx_mask & STATX_BTIME) facts->btime = FromStatx(info.stx_btime);
  facts->uid = info.stx_uid;
  facts->gid = info.stx_gid;
  *inode = info.stx_ino;
  return 0;
}

ssize_t ReadRetrying(int fd, char* buffer, size_t size) {
  ssize_t count;
  do {
    count = read(fd, buffer, size);
  } while (count < 0 && errno == EINTR);
  return count;
}

}  // namespace

Examiner::Examiner(const CompiledSearches& searches, const RunFacts& run, Reporter& reporter,
                   ReadQueue& queue)
    : searches_(searches),
      run_(run),
      reporter_(reporter),
      queue_(queue),
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
  Extras extras;
  const auto reads = [](const Search& search) { return search.ReadsFiles(); };
  if (WantsOpen(facts.type, *candidates)) {
    UniqueFd fd;
    if (!Open(entry, &facts, &fd)) return;
    Narrow(facts, candidates);
    if (fd.valid()) LearnExtras(fd.get(), entry, &facts, &extras, candidates);
    if (fd.valid() && facts.type == FileType::kRegular && AnyOf(*candidates, reads)) {
      OpenFile file = {std::move(fd),          entry.Path(),      std::string(facts.name),
                       *std::move(facts.inode), std::move(extras), std::move(*candidates)};
      if (!queue_.WouldTake(file.inode.size) || !queue_.Take(file)) {
        Read(file);
        *candidates = std::move(file.candidates);
      }
      return;
    }
  }
  if (const std::string_view reason = WhyUndecided(facts, *candidates); !reason.empty())
    reporter_.NotLookedAt(reason, entry.Path());
  std::erase_if(*candidates, [&](uint32_t index) {
    return Judge(searches_.searches[index], facts, run_) != Verdict::kYes;
  });
  if (candidates->empty()) return;
  if (!facts.inode && !LearnInode(entry, &facts)) return;
  Report(entry.Path(), facts, candidates);
}

void Examiner::Read(OpenFile& file) {
  FileFacts facts;
  facts.type = FileType::kRegular;
  facts.name = file.name;
  facts.inode = file.inode;
  if (file.extras.attributes) facts.attributes = &*file.extras.attributes;
  if (file.extras.elf) facts.elf = &*file.extras.elf;
  ReadContent(file, &facts);
  if (const std::string_view reason = WhyUndecided(facts, file.candidates); !reason.empty())
    reporter_.NotLookedAt(reason, file.path);
  Report(file.path, facts, &file.candidates);
}

bool Examiner::WantsOpen(FileType type, const std::vector<uint32_t>& candidates) const {
  if (type == FileType::kRegular)
    return AnyOf(candidates, [](const Search& search) { return search.OpensFiles(); });
  if (type == FileType::kDirectory)
    return AnyOf(candidates, [](const Search& search) { return search.HasAttributeFilters(); });
  return false;
}

void Examiner::LearnExtras(int fd, const WalkEntry& entry, FileFacts* facts, Extras* extras,
                           std::vector<uint32_t>* candidates) {
  if (AnyOf(*candidates, [](const Search& search) { return search.HasAttributeFilters(); })) {
    Attributes attributes;
    if (const int error = ReadAttributes(fd, &attributes); error != 0) {
      reporter_.NotLookedAt(error == E2BIG ? "too many extended attributes" : ErrorWords(error),
                            entry.Path());
    } else {
      extras->attributes = std::move(attributes);
      facts->attributes = &*extras->attributes;
      Narrow(*facts, candidates);
    }
  }
  if (facts->type == FileType::kRegular &&
      AnyOf(*candidates, [](const Search& search) { return search.WantsElf(); })) {
    extras->elf = ReadElf([&](uint64_t offset, char* to, size_t size) {
      return offset <= facts->inode->size && size <= facts->inode->size - offset &&
             pread(fd, to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
    });
    facts->elf = &*extras->elf;
    Narrow(*facts, candidates);
  }
}

void Examiner::Report(const std::string& path, const FileFacts& facts,
                      std::vector<uint32_t>* candidates) {
  for (uint32_t index : *candidates) {
    if (Judge(searches_.searches[index], facts, run_) == Verdict::kYes)
      reporter_.Found(index, path, facts, run_);
  }
}

void Examiner::Narrow(const FileFacts& facts, std::vector<uint32_t>* candidates) const {
  std::erase_if(*candidates, [&](uint32_t index) {
    return Judge(searches_.searches[index], facts, run_) == Verdict::kNo;
  });
}

template <typename Predicate>
bool Examiner::AnyOf(const std::vector<uint32_t>& candidates, Predicate predicate) const {
  return std::any_of(candidates.begin(), candidates.end(),
                     [&](uint32_t index) { return predicate(searches_.searches[index]); });
}

bool Examiner::LearnInode(const WalkEntry& entry, FileFacts* facts) {
  InodeFacts inode;
  uint64_t number = 0;
  if (const int error =
          LookAtInode(entry.dir_fd, entry.at, AT_SYMLINK_NOFOLLOW, &inode, &number);
      error != 0) {
    NoteMissing(entry, error);
    return false;
  }
  if (TypeOfMode(inode.mode) != facts->type) {
    reporter_.NotLookedAt(kReplaced, entry.Path());
    return false;
  }
  entry.sighting->Saw(number);
  facts->inode = std::move(inode);
  return true;
}

bool Examiner::Open(const WalkEntry& entry, FileFacts* facts, UniqueFd* fd) {
  *fd = OpenForReading(entry.dir_fd, entry.at, 0);
  if (!fd->valid()) {
    const int error = errno;
    NoteMissing(entry, error);
    return error != ENOENT && !IsReplaced(error);
  }
  InodeFacts inode;
  uint64_t number = 0;
  if (const int error = LookAtInode(fd->get(), "", AT_EMPTY_PATH, &inode, &number); error != 0) {
    reporter_.NotLookedAt(ErrorWords(error), entry.Path());
    fd->Reset();
    return true;
  }
  // A pipe or device has taken its place; being open, it is left alone.
  if (TypeOfMode(inode.mode) != facts->type) {
    reporter_.NotLookedAt(kReplaced, entry.Path());
    return false;
  }
  entry.sighting->Saw(number);
  // From here on this file is the one that counts, whatever was there before.
  facts->inode = std::move(inode);
  return true;
}

void Examiner::NoteMissing(const WalkEntry& entry, int error) {
  // The walk looks for it under another name.
  if (error == ENOENT) return entry.sighting->SawNothing();
  reporter_.NotLookedAt(IsReplaced(error) ? kReplaced : ErrorWords(error), entry.Path());
}

void Examiner::ReadContent(const OpenFile& file, FileFacts* facts) {
  wanted_patterns_.clear();
  DigestKinds digests = 0;
  for (uint32_t index : file.candidates) {
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
    reporter_.NotLookedAt(ToStd(status.message()), file.path);
    return;
  }

  uint64_t total = 0;
  while (!scanner_.settled() || digests != 0) {
    const ssize_t count = ReadRetrying(file.fd.get(), block_.get(), kBlockBytes);
    if (count < 0) {
      reporter_.NotLookedAt(ErrorWords(errno), file.path);
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

std::string_view Examiner::WhyUndecided(const FileFacts& facts,
                                        const std::vector<uint32_t>& candidates) const {
  for (uint32_t index : candidates) {
    const Search& search = searches_.searches[index];
    if (Judge(search, facts, run_) != Verdict::kUnknown) continue;
    if (facts.inode && !facts.inode->btime && search.HasTime(TimeKind::kBorn))
      return "its file system doesn't keep the time of creation";
    if (facts.elf != nullptr && *facts.elf && (*facts.elf)->damaged && search.HasElfFilters())
      return "damaged ELF headers";
    // Without digests, the reason was reported where reading failed.
    if (facts.digests != nullptr && !search.contents.empty())
      return "a match over more than 1 MiB of a line can't be ruled out";
  }
  return {};
}

void Examiner::ReportProgress() {
  if (items_ == 0 && bytes_ == 0) return;
  reporter_.AddExamined(items_, bytes_);
  items_ = bytes_ = 0;
}

}  // namespace dragnet::file
