#include "modules/file/examine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/strings.h"
#include "core/text.h"
#include "modules/file/open.h"

namespace dragnet::file {
namespace {

constexpr std::string_view kTooLarge =
    "too large for YARA or ELF filters, being compressed or in an archive";
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

ArchiveKind KindOf(int fd) {
  char head[kArchiveHead];
  const ssize_t size = pread(fd, head, sizeof head, 0);
  return size <= 0 ? ArchiveKind::kNone
                   : ArchiveKindOf(std::string_view(head, static_cast<size_t>(size)));
}

}  // namespace

Examiner::Examiner(const CompiledSearches& searches, const RunFacts& run,
                   const Prefilter& prefilter, Reporter& reporter, ReadQueue& queue)
    : searches_(searches),
      run_(run),
      reporter_(reporter),
      queue_(queue),
      reader_(searches, prefilter) {}

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
  std::vector<uint32_t> archive_candidates;
  if (searches_.any_archives && facts.type == FileType::kRegular) {
    // Their filters are for what is in it, too, whatever it is called itself.
    for (uint32_t index : *candidates)
      if (searches_.searches[index].archive_depth != 0) archive_candidates.push_back(index);
  }
  Narrow(facts, candidates);

  if (AnyOf(*candidates, [](const Search& search) { return search.HasStatFilters(); })) {
    if (!LearnInode(entry, &facts)) return;
    Narrow(facts, candidates);
  }
  Extras extras;
  const auto reads = [](const Search& search) { return search.ReadsFiles(); };
  if (!archive_candidates.empty() || WantsOpen(facts.type, *candidates)) {
    UniqueFd fd;
    if (!Open(entry, &facts, &fd)) return;
    Narrow(facts, candidates);
    if (fd.valid()) LearnExtras(fd.get(), entry, &facts, &extras, candidates);
    const ArchiveKind kind =
        fd.valid() && !archive_candidates.empty() ? KindOf(fd.get()) : ArchiveKind::kNone;
    if (fd.valid() && facts.type == FileType::kRegular &&
        (kind != ArchiveKind::kNone || AnyOf(*candidates, reads))) {
      OpenFile file = {std::move(fd),
                       entry.Path(),
                       std::string(facts.name),
                       *std::move(facts.inode),
                       std::move(extras),
                       std::move(*candidates),
                       std::move(archive_candidates),
                       kind};
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
  if (!file.candidates.empty()) ReadItself(file);
  if (file.archive_kind == ArchiveKind::kNone || lseek(file.fd.get(), 0, SEEK_SET) < 0) return;
  ArchiveBudget budget(file.inode.size, ArchiveLimits{});
  ArchiveReader archive(file.fd.get(), file.archive_kind, budget);
  ReadArchive(archive, file.path, 1, file.archive_candidates, budget);
}

void Examiner::ReadItself(OpenFile& file) {
  const auto decompresses = [&](uint32_t index) { return searches_.searches[index].decompress; };
  const auto split =
      std::stable_partition(file.candidates.begin(), file.candidates.end(), decompresses);
  if (split != file.candidates.begin()) {
    absl::StatusOr<std::unique_ptr<ByteSource>> source = OpenByteSource(file.fd.get());
    if (!source.ok()) {
      reporter_.NotLookedAt(ToStd(source.status().message()), file.path);
    } else if ((*source)->compression().empty()) {
      // It is for all what it is.
      return ReadSource(file, **source, file.candidates);
    } else {
      std::vector<uint32_t> candidates(file.candidates.begin(), split);
      ReadSource(file, **source, candidates);
    }
    file.candidates.erase(file.candidates.begin(), split);
    if (file.candidates.empty() || lseek(file.fd.get(), 0, SEEK_SET) < 0) return;
  }
  PlainSource source(file.fd.get(), file.inode.size);
  ReadSource(file, source, file.candidates);
}

void Examiner::ReadSource(const OpenFile& file, ByteSource& source,
                          std::vector<uint32_t>& candidates) {
  FileFacts facts;
  facts.type = FileType::kRegular;
  facts.name = file.name;
  facts.inode = file.inode;
  if (file.extras.attributes) facts.attributes = &*file.extras.attributes;
  if (file.extras.elf) facts.elf = &*file.extras.elf;
  const ReadHooks hooks = HooksFor(file.path);
  const auto scans = [](const Search& search) { return search.yara.has_value(); };
  const bool plain = source.compression().empty();
  std::string kept;
  const bool keeps = !plain && AnyOf(candidates, scans);
  bool whole = reader_.Read(source, candidates, hooks, &facts, keeps ? &kept : nullptr);
  Narrow(facts, &candidates);
  if (whole && AnyOf(candidates, scans)) {
    if (plain) {
      reader_.Scan(file.fd.get(), file.inode.size, {}, candidates, hooks, &facts);
    } else if (kept.size() == facts.content_size) {
      reader_.Scan(-1, kept.size(), kept, candidates, hooks, &facts);
    } else {
      hooks.not_looked_at(kTooLarge);
    }
  }
  if (const std::string_view reason = WhyUndecided(facts, candidates); !reason.empty())
    reporter_.NotLookedAt(reason, file.path);
  Report(file.path, facts, &candidates);
}

void Examiner::ReadArchive(ArchiveReader& archive, const std::string& path, uint32_t depth,
                           const std::vector<uint32_t>& searches, ArchiveBudget& budget) {
  std::vector<uint32_t> deeper = searches;
  std::erase_if(deeper,
                [&](uint32_t index) { return searches_.searches[index].archive_depth <= depth; });
  while (!reporter_.AllDone()) {
    const absl::StatusOr<std::optional<ArchiveMember>> member = archive.Next();
    if (!member.ok()) return reporter_.NotLookedAt(ToStd(member.status().message()), path);
    if (!*member) return;
    if (++items_ >= kProgressItems) ReportProgress();
    // Never above the archive, whatever its names say.
    const std::string member_path =
        StrCat(path, "!", (*member)->path.starts_with('/') ? "" : "/", (*member)->path);
    if ((*member)->encrypted) {
      reporter_.NotLookedAt("encrypted in an archive", member_path);
      continue;
    }
    MemberSource source(archive);
    std::string kept;
    const ArchiveKind kind = deeper.empty() ? ArchiveKind::kNone : source.Kind();
    ReadMember(source, **member, member_path, searches,
               kind == ArchiveKind::kNone ? nullptr : &kept);
    // The reason was told, of the member; the rest of the archive is not looked at.
    if (source.exhausted())
      return reporter_.NotLookedAt("archive that expands to more than may be", path);
    if (kind == ArchiveKind::kNone || source.failed()) continue;
    if (kept.empty() || kept_bytes_ + kept.size() > kMaxKept) {
      reporter_.NotLookedAt("archive in an archive, too large to look into", member_path);
      continue;
    }
    kept_bytes_ += kept.size();
    ArchiveReader inner(kept, kind, budget);
    ReadArchive(inner, member_path, depth + 1, deeper, budget);
    kept_bytes_ -= kept.size();
  }
}

void Examiner::ReadMember(MemberSource& source, const ArchiveMember& member,
                          const std::string& path, const std::vector<uint32_t>& searches,
                          std::string* kept) {
  FileFacts facts;
  facts.type = FileType::kRegular;
  facts.is_member = true;
  const std::string name = ToValidUtf8(path.substr(path.rfind('/') + 1));
  facts.name = name;
  InodeFacts inode;
  inode.mode = S_IFREG | (member.mode & 07777);
  inode.mode_text = ModeString(inode.mode);
  inode.mtime = member.mtime;
  inode.size = member.size.value_or(0);
  // A zip that was written as a stream tells sizes only at the end.
  if (member.size) facts.inode = inode;
  std::vector<uint32_t> candidates;
  for (uint32_t index : searches)
    if (!reporter_.Done(index)) candidates.push_back(index);
  Narrow(facts, &candidates);

  const ReadHooks hooks = HooksFor(path);
  const auto scans = [](const Search& search) { return search.yara.has_value(); };
  const auto elf = [](const Search& search) { return search.WantsElf(); };
  const auto reads = [](const Search& search) { return search.ReadsFiles() || search.WantsElf(); };
  std::optional<ElfInfo> elf_info;
  if (kept != nullptr || !facts.inode || AnyOf(candidates, reads)) {
    std::string own;
    if (kept == nullptr && (AnyOf(candidates, scans) || AnyOf(candidates, elf))) kept = &own;
    const bool whole = reader_.Read(source, candidates, hooks, &facts, kept, !facts.inode);
    if (whole && !facts.inode) {
      inode.size = facts.content_size;
      facts.inode = inode;
    }
    Narrow(facts, &candidates);
    if (whole && (AnyOf(candidates, scans) || AnyOf(candidates, elf))) {
      if (kept->size() != facts.content_size) {
        hooks.not_looked_at(kTooLarge);
      } else {
        elf_info = ReadElf([&](uint64_t offset, char* to, size_t size) {
          if (offset > kept->size() || size > kept->size() - offset) return false;
          memcpy(to, kept->data() + offset, size);
          return true;
        });
        facts.elf = &elf_info;
        Narrow(facts, &candidates);
        if (AnyOf(candidates, scans))
          reader_.Scan(-1, kept->size(), *kept, candidates, hooks, &facts);
      }
    }
  }
  if (!facts.inode) return;
  if (const std::string_view reason = WhyUndecided(facts, candidates); !reason.empty())
    reporter_.NotLookedAt(reason, path);
  Report(path, facts, &candidates);
}

ReadHooks Examiner::HooksFor(const std::string& path) {
  ReadHooks hooks;
  hooks.progress = [this](uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_ >= kProgressBytes) ReportProgress();
    return !reporter_.AllDone();
  };
  hooks.not_looked_at = [this, &path](std::string_view reason) {
    reporter_.NotLookedAt(reason, path);
  };
  return hooks;
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
  if (const int error = LookAtInode(entry.dir_fd, entry.at, AT_SYMLINK_NOFOLLOW, &inode, &number);
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
