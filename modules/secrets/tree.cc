#include "modules/secrets/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"
#include "modules/file/filters.h"
#include "modules/file/open.h"
#include "modules/file/pool.h"
#include "modules/file/walk.h"
#include "modules/secrets/fingerprint.h"
#include "modules/secrets/scanner.h"

namespace dragnet::secrets {
namespace {

constexpr size_t kMaxPathText = 8192;
constexpr size_t kMaxFindingsOfFile = 10'000;

struct FreeDeleter {
  void operator()(char* memory) const { free(memory); }
};

// Who gets to a directory through all that are above it. One for each thread.
class Reach {
 public:
  struct Of {
    bool everyone = true;
    // Members of this group, where it isn't everyone.
    bool group = true;
  };

  Of DirectoryFor(const std::string& directory, uint32_t gid) {
    if (directory.empty()) return {};
    Of of;
    for (size_t slash = 0; slash != std::string::npos;) {
      slash = directory.find('/', slash + 1);
      const Bits& bits = BitsOf(directory.substr(0, slash));
      of.everyone = of.everyone && bits.others;
      of.group = of.group && (bits.gid == gid ? bits.group : bits.others);
    }
    return of;
  }

 private:
  struct Bits {
    bool others = true;
    bool group = true;
    uint32_t gid = 0;
  };

  const Bits& BitsOf(const std::string& directory) {
    constexpr size_t kMaxKnown = 4096;
    if (known_.size() >= kMaxKnown) known_.clear();
    const auto [found, is_new] = known_.try_emplace(directory);
    struct stat info;
    // Where that can't be told, the file's own permissions count.
    if (is_new && lstat(directory.c_str(), &info) == 0)
      found->second = {(info.st_mode & S_IXOTH) != 0, (info.st_mode & S_IXGRP) != 0, info.st_gid};
    return found->second;
  }

  std::map<std::string, Bits> known_;
};

class SecretsRun {
 public:
  SecretsRun(const Search& search, RunContext& context, size_t threads)
      : search(search), context(context), pool(threads) {}

  const Search& search;
  RunContext& context;
  const Scanner scanner;
  std::set<std::string> roots;
  file::WorkPool pool;
};

// What a thread has for itself.
class SecretsWalk : public file::WalkVisitor {
 public:
  explicit SecretsWalk(SecretsRun& run) : run_(run), search_(run.search), context_(run.context) {}
  ~SecretsWalk() override { ReportProgress(); }

  file::WalkStep Visit(const file::WalkEntry& entry) override {
    if (context_.stopping()) return file::WalkStep::kStop;
    const bool is_directory = entry.type == file::FileType::kDirectory;
    if (!is_directory && entry.type != file::FileType::kRegular) return file::WalkStep::kNext;
    if (entry.depth > 0) {
      // Walked by itself, at least as deep: no row twice.
      if (run_.roots.size() > 1 && run_.roots.contains(entry.Path())) return file::WalkStep::kNext;
      if (!search_.exclude_paths.empty() || !search_.exclude_names.empty()) {
        if (search_.IsExcluded(search_.exclude_paths.empty() ? std::string() : entry.Path(),
                               entry.name)) {
          return file::WalkStep::kNext;
        }
      }
    }
    if (!is_directory) {
      Examine(entry);
      return file::WalkStep::kNext;
    }
    return search_.max_depth == 0 || entry.depth < search_.max_depth ? file::WalkStep::kDescend
                                                                     : file::WalkStep::kNext;
  }
  // A host that shares its homes has other hosts look through them, too.
  bool Cross(file::FileSystemKind kind, std::string_view path) override {
    if (kind != file::FileSystemKind::kNetwork) return true;
    NotLookedAt("file system of another host", path);
    return false;
  }
  void Enter(std::string_view, uint32_t) override {}
  void Leave(uint32_t) override {}
  bool WouldHandOver() override { return run_.pool.HasRoom(file::WorkPool::Length::kShort); }
  bool HandOver(file::OpenDirectory& directory) override;
  void NotLookedAt(std::string_view reason, std::string_view path) override {
    context_.NoteUnexamined(reason, Shorten(ToValidUtf8(path), kMaxPathText));
  }

 private:
  void Missed(const file::WalkEntry& entry, int error) {
    // Gone, or it turns up again: the walk looks after that.
    if (error == ENOENT) return entry.sighting->SawNothing();
    NotLookedAt(file::IsReplaced(error) ? file::kReplaced : file::ErrorWords(error), entry.Path());
  }

  void ReportProgress() {
    if (files_ > 0) context_.AddExamined(files_, bytes_);
    files_ = bytes_ = 0;
  }

  // Reads on until the buffer has `size` bytes, or the file ends. False with errno.
  bool ReadUpTo(int fd, size_t size) {
    if (buffer_.size() < size) buffer_.resize(size);
    while (filled_ < size) {
      const ssize_t count = read(fd, buffer_.data() + filled_, size - filled_);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return false;
      if (count == 0) break;
      filled_ += static_cast<size_t>(count);
    }
    return true;
  }

  void Examine(const file::WalkEntry& entry) {
    constexpr uint64_t kProgressFiles = 256;
    const UniqueFd fd = file::OpenForReading(entry.dir_fd, entry.at, 0);
    if (!fd.valid()) return Missed(entry, errno);
    struct stat info;
    if (fstat(fd.get(), &info) != 0) return Missed(entry, errno);
    if (!S_ISREG(info.st_mode)) return NotLookedAt(file::kReplaced, entry.Path());
    entry.sighting->Saw(info.st_ino);
    // Its directories can only take from that.
    if (search_.world_readable && (info.st_mode & S_IROTH) == 0) return;
    filled_ = 0;
    if (!ReadUpTo(fd.get(), kBeginning)) return NotLookedAt(file::ErrorWords(errno), entry.Path());
    const bool is_text =
        !IsBinary({buffer_.data(), filled_}) && !IsEncrypted({buffer_.data(), filled_});
    if (is_text && filled_ == kBeginning) {
      // One byte more than is taken tells a larger file, whatever its size is said
      // to be.
      const auto said = static_cast<uint64_t>(std::max<off_t>(info.st_size, 0));
      const size_t first =
          static_cast<size_t>(std::min<uint64_t>(said + 1, search_.max_file_size + 1));
      if (!ReadUpTo(fd.get(), std::max(first, kBeginning)) ||
          (filled_ >= first && !ReadUpTo(fd.get(), search_.max_file_size + 1))) {
        return NotLookedAt(file::ErrorWords(errno), entry.Path());
      }
    }
    ++files_;
    bytes_ += filled_;
    if (files_ >= kProgressFiles) ReportProgress();
    if (!is_text) return;
    std::string_view text(buffer_.data(), filled_);
    if (text.size() > search_.max_file_size) {
      NotLookedAt("larger than max_file_size: only its beginning was looked at", entry.Path());
      text = text.substr(0, search_.max_file_size);
    }
    FindIn(entry, info, text);
  }

  void FindIn(const file::WalkEntry& entry, const struct stat& info, std::string_view text) {
    const FileKind kind = FileKindOf(entry.directory, entry.name);
    const auto findings = run_.scanner.Find(text, kind, TextKindOf(kind, entry.name));
    if (findings.empty()) return;
    const std::string path = entry.Path();
    if (findings.size() >= kMaxFindingsOfFile)
      NotLookedAt("more than 10,000 findings: only those were told", path);
    v1::SecretsRow row;
    SetFileFacts(entry, path, info, kind, row);
    if (search_.world_readable && !row.world_readable()) return;
    size_t counted = 0;
    uint32_t line = 1;
    for (const Finding& finding : findings) {
      line += static_cast<uint32_t>(
          std::count(text.begin() + counted, text.begin() + finding.begin, '\n'));
      counted = finding.begin;
      if (!search_.Wants(finding.kind)) continue;
      std::string fingerprint = FingerprintOf(finding, path);
      if (search_.allow.contains(fingerprint)) continue;
      // user:password@ twice in a line, say.
      if (row.line() == line && row.kind() == finding.kind && row.fingerprint() == fingerprint)
        continue;
      row.set_kind(std::string(finding.kind));
      row.set_line(line);
      row.set_fingerprint(std::move(fingerprint));
      if (!context_.EmitRow(row)) return;
    }
  }

  void SetFileFacts(const file::WalkEntry& entry, const std::string& path, const struct stat& info,
                    FileKind kind, v1::SecretsRow& row) {
    const std::string valid = ToValidUtf8(path);
    row.set_path(Shorten(valid, kMaxPathText));
    if (row.path() != path) row.set_path_raw(path);
    row.set_file_kind(std::string(FileKindName(kind)));
    const Reach::Of reach = reach_.DirectoryFor(std::string(entry.directory), info.st_gid);
    row.set_world_readable(reach.everyone && (info.st_mode & S_IROTH) != 0);
    row.set_group_readable(reach.group && (info.st_mode & S_IRGRP) != 0);
    row.set_mode(file::ModeString(info.st_mode));
    row.set_uid(info.st_uid);
    row.set_gid(info.st_gid);
    // Protobuf's timestamps are of the years 1 to 9999.
    row.mutable_mtime()->set_seconds(
        std::clamp<int64_t>(info.st_mtim.tv_sec, -62135596800, 253402300799));
    row.mutable_mtime()->set_nanos(static_cast<int32_t>(info.st_mtim.tv_nsec));
  }

  SecretsRun& run_;
  const Search& search_;
  RunContext& context_;
  Reach reach_;
  std::string buffer_;
  size_t filled_ = 0;
  uint64_t files_ = 0;
  uint64_t bytes_ = 0;
};

class RootTask : public file::Task {
 public:
  RootTask(SecretsRun& run, std::string root) : run_(run), root_(std::move(root)) {}
  void Run(size_t) override {
    if (run_.context.stopping()) return;
    SecretsWalk walk(run_);
    file::WalkTree(root_, walk);
  }

 private:
  SecretsRun& run_;
  const std::string root_;
};

class DirectoryTask : public file::Task {
 public:
  DirectoryTask(SecretsRun& run, file::OpenDirectory directory)
      : run_(run), directory_(std::move(directory)) {}
  void Run(size_t) override {
    SecretsWalk walk(run_);
    file::WalkDirectory(std::move(directory_), walk);
  }
  file::OpenDirectory& directory() { return directory_; }

 private:
  SecretsRun& run_;
  file::OpenDirectory directory_;
};

bool SecretsWalk::HandOver(file::OpenDirectory& directory) {
  auto task = std::make_unique<DirectoryTask>(run_, std::move(directory));
  DirectoryTask& kept = *task;
  std::unique_ptr<file::Task> offered = std::move(task);
  if (run_.pool.Offer(offered, file::WorkPool::Length::kShort)) return true;
  directory = std::move(kept.directory());
  return false;
}

// Lies beneath a path that is excluded, or is one. Names are for what is found
// beneath a root: it was asked for by its own.
bool IsExcludedRoot(const Search& search, std::string_view root) {
  for (size_t slash = 0; slash != std::string_view::npos;) {
    slash = root.find('/', slash + 1);
    const std::string_view path = root.substr(0, slash);
    for (const file::Glob& glob : search.exclude_paths)
      if (glob.Matches(path)) return true;
  }
  return false;
}

}  // namespace

void SearchTrees(const Search& search, RunContext& context, size_t threads) {
  SecretsRun run(search, context, threads);
  for (const std::string& path : search.paths) {
    const std::unique_ptr<char, FreeDeleter> real(realpath(path.c_str(), nullptr));
    if (real) {
      if (!IsExcludedRoot(search, real.get())) run.roots.insert(real.get());
    } else if (errno != ENOENT && errno != ENOTDIR) {
      context.NoteUnexamined(file::ErrorWords(errno), path);
    }
  }
  for (const std::string& root : run.roots) run.pool.Add(std::make_unique<RootTask>(run, root));
  run.pool.Drain();
}

}  // namespace dragnet::secrets
