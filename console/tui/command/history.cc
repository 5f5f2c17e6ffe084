#include "console/tui/command/history.h"

#include <fcntl.h>
#include <sys/file.h>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"

namespace dragnet::console::tui {
namespace {

std::string PathIn(const std::string& directory) { return StrCat(directory, "/history"); }

absl::StatusOr<std::vector<std::string>> Read(const std::string& directory) {
  absl::StatusOr<std::string> content = ReadFile(PathIn(directory));
  if (absl::IsNotFound(content.status())) return std::vector<std::string>();
  if (!content.ok()) return content.status();
  std::vector<std::string> lines = absl::StrSplit(*content, '\n', absl::SkipEmpty());
  // Others than this program may have written it.
  std::erase_if(lines, [](const std::string& line) { return !IsValidUtf8(line); });
  if (lines.size() > kMaxHistory)
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kMaxHistory));
  return lines;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> LoadHistory(const std::string& directory) {
  if (directory.empty()) return std::vector<std::string>();
  return Read(directory);
}

absl::StatusOr<std::vector<std::string>> AddToHistory(const std::string& directory,
                                                      std::string_view line) {
  if (directory.empty()) return std::vector<std::string>{std::string(line)};
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(directory, 0700));
  // The file itself is replaced, so the lock is on another one.
  const std::string lock_path = StrCat(PathIn(directory), ".lock");
  const UniqueFd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.get() < 0) return ErrnoStatus(StrCat("open ", lock_path), errno);
  while (::flock(lock.get(), LOCK_EX) != 0)
    if (errno != EINTR) return ErrnoStatus(StrCat("lock ", lock_path), errno);
  DRAGNET_ASSIGN_OR_RETURN(std::vector<std::string> lines, Read(directory));
  std::erase(lines, line);
  if (!line.empty() && line.find('\n') == std::string_view::npos) lines.emplace_back(line);
  if (lines.size() > kMaxHistory) lines.erase(lines.begin());
  DRAGNET_RETURN_IF_ERROR(
      WriteFileAtomically(PathIn(directory), StrCat(absl::StrJoin(lines, "\n"), "\n"), 0600));
  return lines;
}

}  // namespace dragnet::console::tui
