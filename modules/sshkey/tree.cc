#include "modules/sshkey/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_split.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"
#include "modules/file/filters.h"
#include "modules/file/open.h"
#include "modules/file/walk.h"
#include "modules/sshkey/key_file.h"

namespace dragnet::sshkey {
namespace {

constexpr size_t kBeginning = 16 << 10;
constexpr size_t kMaxFile = 4 << 20;
constexpr size_t kMaxPathText = 8192;
constexpr size_t kMaxDefaultPaths = 4096;

struct FreeDeleter {
  void operator()(char* memory) const { free(memory); }
};

// Reads on until `content` has `size` bytes or the file ends. 0, or errno.
int ReadUpTo(int fd, size_t size, std::string* content) {
  size_t at = content->size();
  content->resize(size);
  while (at < size) {
    const ssize_t count = read(fd, content->data() + at, size - at);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) break;
    at += static_cast<size_t>(count);
  }
  content->resize(at);
  return 0;
}

void SetFileFacts(const std::string& path, const struct stat& info, v1::SshkeyRow& row) {
  const std::string valid = ToValidUtf8(path);
  if (valid.size() > kMaxPathText) {
    row.set_path(Shorten(valid, kMaxPathText));
  } else {
    row.set_path(valid);
  }
  if (row.path() != path) row.set_path_raw(path);
  row.set_uid(info.st_uid);
  row.set_gid(info.st_gid);
  row.set_mode(file::ModeString(info.st_mode));
  // Protobuf's timestamps are of the years 1 to 9999.
  row.mutable_mtime()->set_seconds(
      std::clamp<int64_t>(info.st_mtim.tv_sec, -62135596800, 253402300799));
  row.mutable_mtime()->set_nanos(static_cast<int32_t>(info.st_mtim.tv_nsec));
}

// What people wrote into the file, as against what the key is.
void ClearText(v1::SshkeyRow& row) {
  row.clear_comment();
  row.clear_options();
  row.clear_hosts();
  if (!row.has_certificate()) return;
  v1::Certificate& certificate = *row.mutable_certificate();
  certificate.clear_key_id();
  certificate.clear_principals();
  certificate.clear_critical_options();
  certificate.clear_extensions();
}

class KeyWalk : public file::WalkVisitor {
 public:
  KeyWalk(const Search& search, const std::set<std::string>& roots, RunContext& context)
      : search_(search), roots_(roots), context_(context) {}

  file::WalkStep Visit(const file::WalkEntry& entry) override {
    if (context_.stopping()) return file::WalkStep::kStop;
    const bool is_directory = entry.type == file::FileType::kDirectory;
    if (!is_directory && entry.type != file::FileType::kRegular) return file::WalkStep::kNext;
    // Walked by itself, at least as deep: no row twice.
    if (entry.depth > 0 && roots_.size() > 1 && roots_.contains(entry.Path()))
      return file::WalkStep::kNext;
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
  void NotLookedAt(std::string_view reason, std::string_view path) override {
    context_.NoteUnexamined(reason, Shorten(ToValidUtf8(path), kMaxPathText));
  }

 private:
  void Missed(const file::WalkEntry& entry, int error) {
    // Gone, or it turns up again: the walk looks after that.
    if (error == ENOENT) return entry.sighting->SawNothing();
    NotLookedAt(file::IsReplaced(error) ? file::kReplaced : file::ErrorWords(error), entry.Path());
  }

  void Examine(const file::WalkEntry& entry) {
    const FileRole role = RoleOf(entry.directory, entry.name);
    if (role == FileRole::kKnownHosts && !search_.Wants("known_host")) return;
    const UniqueFd fd = file::OpenForReading(entry.dir_fd, entry.at, 0);
    if (!fd.valid()) return Missed(entry, errno);
    struct stat info;
    if (fstat(fd.get(), &info) != 0) return Missed(entry, errno);
    if (!S_ISREG(info.st_mode)) return NotLookedAt(file::kReplaced, entry.Path());
    entry.sighting->Saw(info.st_ino);
    std::string content;
    if (const int error = ReadUpTo(fd.get(), kBeginning, &content); error != 0)
      return NotLookedAt(file::ErrorWords(error), entry.Path());
    const bool is_candidate = role != FileRole::kAny || MayHoldKeys(content);
    if (is_candidate && content.size() == kBeginning) {
      // One byte more than is taken tells a larger file, whatever its size is said to be.
      if (const int error = ReadUpTo(fd.get(), kMaxFile + 1, &content); error != 0)
        return NotLookedAt(file::ErrorWords(error), entry.Path());
    }
    context_.AddExamined(1, content.size());
    if (!is_candidate) return;
    if (content.size() > kMaxFile) {
      NotLookedAt("larger than 4 MiB: only its beginning was looked at", entry.Path());
      // Not half a line.
      content.resize(content.rfind('\n', kMaxFile - 1) + 1);
    }
    FindIn(entry, role, info, content);
  }

  void FindIn(const file::WalkEntry& entry, FileRole role, const struct stat& info,
              std::string_view content) {
    const std::string path = entry.Path();
    KeyFileEvents events;
    events.key = [&](v1::SshkeyRow row) {
      SetFileFacts(path, info, row);
      if (search_.no_text) ClearText(row);
      return context_.EmitRow(row);
    };
    events.damaged = [&](std::string_view reason, uint32_t line) {
      NotLookedAt(reason, line == 0 ? path : StrCat(path, ":", line));
    };
    events.beside = [&]() -> std::string {
      std::string beside;
      const UniqueFd fd = file::OpenForReading(entry.dir_fd, StrCat(entry.at, ".pub").c_str(), 0);
      struct stat facts;
      if (!fd.valid() || fstat(fd.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return beside;
      if (ReadUpTo(fd.get(), kBeginning, &beside) != 0) beside.clear();
      return beside;
    };
    FindKeys(content, role, search_, events);
  }

  const Search& search_;
  const std::set<std::string>& roots_;
  RunContext& context_;
};

bool IsBeneath(std::string_view path, std::string_view root) {
  if (root == "/") return true;
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

}  // namespace

std::vector<std::string> DefaultPaths(std::string_view passwd) {
  std::vector<std::string> paths = {"/etc/ssh", "/home", "/root"};
  std::set<std::string> homes;
  for (absl::string_view line : absl::StrSplit(ToAbsl(passwd), '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ':');
    if (fields.size() != 7 || fields[5].empty() || fields[5].front() != '/') continue;
    const std::string_view home = ToStd(fields[5]);
    if (IsBeneath(home, "/home") || IsBeneath(home, "/root") || home.size() > 4000) continue;
    if (homes.size() < kMaxDefaultPaths) homes.insert(StrCat(home == "/" ? "" : home, "/.ssh"));
  }
  paths.insert(paths.end(), homes.begin(), homes.end());
  return paths;
}

void SearchTrees(const Search& search, RunContext& context) {
  std::vector<std::string> paths = search.paths;
  if (paths.empty()) {
    const auto passwd = ReadFile("/etc/passwd");
    if (!passwd.ok()) context.NoteUnexamined(ToStd(passwd.status().message()), "/etc/passwd");
    paths = DefaultPaths(passwd.ok() ? *passwd : std::string());
  }
  std::set<std::string> roots;
  for (const std::string& path : paths) {
    const std::unique_ptr<char, FreeDeleter> real(realpath(path.c_str(), nullptr));
    if (real) {
      roots.insert(real.get());
    } else if (errno != ENOENT && errno != ENOTDIR) {
      context.NoteUnexamined(file::ErrorWords(errno), path);
    }
  }
  KeyWalk walk(search, roots, context);
  for (const std::string& root : roots) {
    if (context.stopping()) return;
    file::WalkTree(root, walk);
  }
}

}  // namespace dragnet::sshkey
