// The files of a system, read with bounds: regular files alone, no waiting, and
// what can't be read is noted. Paths are absolute, seen from the root. Belongs to
// one thread.
#pragma once

#include <sys/stat.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modules/module.h"
#include "modules/pkg/root.h"

namespace dragnet::persistence {

struct Account {
  std::string name;
  // Without a slash at its end; empty is the root directory.
  std::string home;
};

class Host {
 public:
  static constexpr size_t kMaxFile = 1 << 20;

  Host(const pkg::Root& root, RunContext& context) : root_(root), context_(context) {}

  const pkg::Root& root() const { return root_; }
  RunContext& context() { return context_; }

  // Reason and path, as NoteUnexamined.
  void Note(std::string_view reason, std::string_view path);

  // The content of a file. Nothing when there is none; also when it can't be read,
  // which is noted. Of a larger one the lines within `max_bytes`, noted.
  std::optional<std::string> Read(const std::string& path, size_t max_bytes = kMaxFile);

  // Names in a directory, sorted; none if there is no directory.
  std::vector<std::string> List(const std::string& directory);

  // Of what is at the end of links. False when there is nothing.
  bool Status(const std::string& path, struct stat* status);
  bool IsRegular(const std::string& path);
  // A regular file that somebody may execute.
  bool IsExecutable(const std::string& path);

  // With every link on the way resolved, as far as the path exists. The path itself
  // when it goes in circles.
  std::string RealPath(const std::string& path);

  // Of /etc/passwd and the directories in /home, each home once, without those on
  // file systems of other hosts (noted).
  const std::vector<Account>& Accounts();
  // The first name that /etc/passwd has for a number, or the number.
  std::string NameOf(uint32_t uid);

  // Whether the path was there already, by device and inode: /lib and /usr/lib may
  // be one. True too when it can't be told.
  bool IsNewDirectory(const std::string& path, std::vector<std::pair<dev_t, ino_t>>* seen);

 private:
  void ReadPasswd();
  bool MayEnterHome(const std::string& home);

  const pkg::Root& root_;
  RunContext& context_;
  std::optional<std::vector<Account>> accounts_;
  std::map<uint32_t, std::string> names_;
  std::map<std::string, std::string> real_directories_;
};

// DIRECTORY/NAME.
std::string Join(std::string_view directory, std::string_view name);
// The part after the last slash.
std::string_view BaseName(std::string_view path);
// Without blanks (space, tab, carriage return) at both ends.
std::string_view Trim(std::string_view text);
// The first word of `*text` (up to a blank), taken off with the blanks after it.
std::string_view TakeWord(std::string_view* text);

// Calls `take` with each line and its number, from 1, until it returns false.
template <typename Take>
void ForEachLine(std::string_view text, Take take) {
  for (uint32_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() == text.size() ? text.size() : line.size() + 1);
    if (!take(line, number)) return;
  }
}

}  // namespace dragnet::persistence
