#include "modules/settings/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "core/strings.h"
#include "core/text.h"
#include "modules/file/glob.h"
#include "modules/pkg/errno_words.h"

namespace dragnet::settings {
namespace {

constexpr size_t kMaxNames = 65536;
// Of one wildcard.
constexpr size_t kMaxMatches = 4096;

bool IsMissing(int error) { return error == ENOENT || error == ENOTDIR; }

std::string Join(const std::string& directory, std::string_view name) {
  return directory == "/" ? StrCat("/", name) : StrCat(directory, "/", name);
}

// As glob(3): a dot in front is matched by a dot alone.
bool NameMatches(std::string_view pattern, std::string_view name) {
  if (name.starts_with('.') && !pattern.starts_with('.')) return false;
  return file::GlobNameMatches(pattern, name);
}

std::string_view TakeName(std::string_view* path) {
  while (path->starts_with('/')) path->remove_prefix(1);
  const size_t end = std::min(path->find('/'), path->size());
  const std::string_view name = path->substr(0, end);
  path->remove_prefix(end);
  return name;
}

}  // namespace

void ConfigFiles::Note(std::string_view what, std::string_view where) {
  complete_ = false;
  context_.NoteUnexamined(what, where);
}

void ConfigFiles::Note(std::string_view what, int error, std::string_view path) {
  Note(StrCat(what, ": ", pkg::ErrnoWords(error)), ToValidUtf8(path));
}

void ConfigFiles::NoteLine(std::string_view what, std::string_view path, uint32_t line) {
  Note(what, StrCat(ToValidUtf8(path), ":", line));
}

std::vector<std::string> ConfigFiles::List(const std::string& directory) {
  std::vector<std::string> names;
  const UniqueFd fd = root_.OpenAt(directory, O_RDONLY | O_DIRECTORY);
  bool truncated = false;
  if (!fd.valid() || !pkg::ListDirectory(fd.get(), kMaxNames, &names, &truncated)) {
    if (!IsMissing(errno)) Note("list directories", errno, directory);
    return names;
  }
  if (truncated) {
    Note("directories of more than 65536 names", ToValidUtf8(directory));
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool ConfigFiles::AnyIsThere(std::span<const std::string> paths) {
  bool any = false;
  for (const std::string& path : paths) {
    struct stat status{};
    if (root_.Status(path, &status)) return true;
    if (IsMissing(errno)) continue;
    Note("look for files", errno, path);
    any = true;
  }
  return any;
}

std::vector<std::string> ConfigFiles::Expand(std::string_view pattern) {
  if (!file::HasWildcard(pattern)) return {std::string(pattern)};
  std::vector<std::string> found = {"/"};
  std::string_view rest = pattern;
  for (std::string_view name = TakeName(&rest); !name.empty(); name = TakeName(&rest)) {
    std::vector<std::string> next;
    for (const std::string& directory : found) {
      if (!file::HasWildcard(name)) {
        next.push_back(Join(directory, name));
        continue;
      }
      for (const std::string& entry : List(directory)) {
        if (!NameMatches(name, entry)) continue;
        if (next.size() == kMaxMatches) {
          Note("more than 4096 files of a wildcard", ToValidUtf8(pattern));
          break;
        }
        next.push_back(Join(directory, entry));
      }
    }
    found = std::move(next);
  }
  // What a wildcard in the middle guessed, and directories.
  std::erase_if(found, [&](const std::string& path) {
    struct stat status;
    const UniqueFd fd = root_.OpenAt(path, O_PATH);
    return fd.valid() ? ::fstat(fd.get(), &status) == 0 && S_ISDIR(status.st_mode)
                      : IsMissing(errno);
  });
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<std::string> ConfigFiles::Read(const std::string& path, bool required) {
  if (files_read_ == kMaxFiles) {
    Note("more than 4096 files", ToValidUtf8(path));
    return std::nullopt;
  }
  ++files_read_;
  const UniqueFd fd = root_.OpenFile(path);
  if (!fd.valid()) {
    if (errno == EINVAL) {
      Note("not a regular file", ToValidUtf8(path));
    } else if (required || !IsMissing(errno)) {
      Note("read files", errno, path);
    }
    return std::nullopt;
  }
  std::string text(kMaxFileBytes + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      Note("read files", errno, path);
      return std::nullopt;
    }
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kMaxFileBytes) {
    Note("larger than 4 MiB", ToValidUtf8(path));
    return std::nullopt;
  }
  text.resize(size);
  text.shrink_to_fit();
  context_.AddExamined(1, size);
  return text;
}

std::vector<std::string> ConfigFiles::DropIns(std::span<const std::string> directories,
                                              std::string_view suffix) {
  std::map<std::string, std::string> by_name;
  for (const std::string& directory : directories) {
    for (const std::string& name : List(directory)) {
      if (name.starts_with('.') || !name.ends_with(suffix)) continue;
      by_name.try_emplace(name, Join(directory, name));
    }
  }
  std::vector<std::string> files;
  for (auto& [name, path] : by_name) {
    std::string target;
    if (root_.ReadLink(path, &target) && target == "/dev/null") continue;
    files.push_back(std::move(path));
  }
  return files;
}

}  // namespace dragnet::settings
