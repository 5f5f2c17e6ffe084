// Directories and files of tests. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace dragnet::testing {

// A directory below /tmp that everyone may pass through (links and workers run
// as users of their own), removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// These fail the process, not only the test: nothing can go on without them.
std::string Read(const std::string& path);
void Write(const std::string& path, std::string_view content, mode_t mode = 0644);
void MakeDirectory(const std::string& path, mode_t mode = 0755);
void CopyFile(const std::string& from, const std::string& to, mode_t mode);
void CopyTree(const std::string& from, const std::string& to);
// `directory`, which it makes, with file-0, file-1, … in it.
std::string MakeEmptyFiles(const std::string& directory, int count);
// Names in a directory, sorted; none if it isn't there.
std::vector<std::string> Names(const std::string& directory);
// All paths beneath a directory, relative to it, sorted.
std::vector<std::string> Tree(const std::string& directory);

bool IsRoot();

// Replaces the line of a TOML file that sets `key` in its first table, or puts
// one in front. `value` is TOML: "\"text\"", "3", "[\"a\"]".
std::string WithTomlKey(std::string_view toml, std::string_view key, std::string_view value);

}  // namespace dragnet::testing
