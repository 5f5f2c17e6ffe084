#include "modules/accounts/host_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/strings.h"
#include "core/text.h"
#include "modules/file/open.h"

namespace dragnet::accounts {
namespace {

// Reads from `offset` on, until `size` bytes or the end. 0, or errno.
int ReadFrom(int fd, uint64_t offset, size_t size, std::string* content) {
  constexpr size_t kBlock = 64 << 10;
  while (content->size() < size) {
    const size_t at = content->size();
    content->resize(std::min(size, at + kBlock));
    ssize_t count;
    do {
      count =
          pread(fd, content->data() + at, content->size() - at, static_cast<off_t>(offset + at));
    } while (count < 0 && errno == EINTR);
    content->resize(at + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0) return errno;
    if (count == 0) break;
  }
  return 0;
}

std::string_view WordsOf(int error) {
  return error == EINVAL ? std::string_view("is no regular file") : file::ErrorWords(error);
}

}  // namespace

bool IsMissing(int error) { return error == ENOENT || error == ENOTDIR; }

void HostFiles::NotLookedAt(std::string_view reason, std::string_view path) {
  context_.NoteUnexamined(reason, Text(path, 4096));
}

void HostFiles::NotLookedAt(std::string_view reason, std::string_view path, uint64_t line) {
  context_.NoteUnexamined(reason, StrCat(Text(path, 4096), ":", line));
}

std::optional<std::string> HostFiles::Read(std::string_view path, bool may_be_missing) {
  const UniqueFd fd = root_.OpenFile(path);
  if (!fd.valid()) {
    if (!may_be_missing || !IsMissing(errno)) NotLookedAt(WordsOf(errno), path);
    return std::nullopt;
  }
  std::string content;
  if (const int error = ReadFrom(fd.get(), 0, kMaxHostFile + 1, &content); error != 0) {
    NotLookedAt(file::ErrorWords(error), path);
    return std::nullopt;
  }
  if (content.size() > kMaxHostFile) {
    NotLookedAt("larger than 16 MiB: only its beginning was looked at", path);
    // Not half a line.
    content.resize(content.rfind('\n', kMaxHostFile - 1) + 1);
  }
  context_.AddExamined(1, content.size());
  return content;
}

std::optional<std::string> HostFiles::ReadTail(std::string_view path, size_t max_bytes,
                                               size_t record) {
  const UniqueFd fd = root_.OpenFile(path);
  struct stat info;
  if (!fd.valid() || fstat(fd.get(), &info) != 0) {
    if (!IsMissing(errno)) NotLookedAt(WordsOf(errno), path);
    return std::nullopt;
  }
  const auto size = static_cast<uint64_t>(std::max<off_t>(info.st_size, 0));
  const uint64_t from = size > max_bytes ? (size - max_bytes + record - 1) / record * record : 0;
  std::string content;
  if (const int error = ReadFrom(fd.get(), from, max_bytes, &content); error != 0) {
    NotLookedAt(file::ErrorWords(error), path);
    return std::nullopt;
  }
  context_.AddExamined(1, content.size());
  return content;
}

std::vector<std::string> HostFiles::List(std::string_view path, size_t max_names) {
  std::vector<std::string> names;
  const UniqueFd fd = root_.OpenAt(path, O_RDONLY | O_DIRECTORY);
  bool truncated = false;
  if (!fd.valid() || !pkg::ListDirectory(fd.get(), max_names, &names, &truncated)) {
    if (!IsMissing(errno)) NotLookedAt(file::ErrorWords(errno), path);
    return names;
  }
  if (truncated) NotLookedAt(StrCat("more than ", max_names, " files in the directory"), path);
  std::sort(names.begin(), names.end());
  return names;
}

bool HostFiles::IsLocal(const std::string& path) {
  const auto [known, is_new] = is_local_.try_emplace(path, true);
  if (!is_new) return known->second;
  // With O_PATH and nothing beneath it, it isn't mounted.
  const UniqueFd fd = root_.OpenAt(path, O_PATH);
  if (!fd.valid()) return true;
  const file::FileSystemKind kind = file::KindOfFileSystem(fd.get());
  if (kind == file::FileSystemKind::kNetwork) NotLookedAt("file system of another host", path);
  if (kind == file::FileSystemKind::kAutomount) NotLookedAt("is not mounted", path);
  known->second =
      kind != file::FileSystemKind::kNetwork && kind != file::FileSystemKind::kAutomount;
  return known->second;
}

std::vector<NumberedLine> LinesOf(std::string_view text) {
  std::vector<NumberedLine> lines;
  for (uint32_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back({number, text.substr(0, end)});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::optional<uint64_t> ParseNumber(std::string_view text, uint64_t max) {
  if (text.empty() || text.size() > 19) return std::nullopt;
  uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  if (number > max) return std::nullopt;
  return number;
}

std::string Text(std::string_view bytes, size_t max_bytes) {
  return Shorten(ToValidUtf8(bytes.substr(0, 2 * max_bytes)), max_bytes);
}

}  // namespace dragnet::accounts
