// For tests: a directory tree that is removed with all that is in it, however
// deep, and what to fill it with.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/unique_fd.h"

namespace dragnet::file {

class TempTree {
 public:
  TempTree() {
    std::string name = testing::TempDir() + "/dragnet-file-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    char* real = realpath(name.c_str(), nullptr);
    root_ = real;
    free(real);
    chmod(root_.c_str(), 0755);
  }
  ~TempTree() {
    // rm copes with paths of any length.
    EXPECT_EQ(system(("chmod -R u+rwX '" + root_ + "' && rm -rf '" + root_ + "'").c_str()), 0);
  }
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;

  const std::string& root() const { return root_; }
  std::string Path(std::string_view name) const { return root_ + "/" + std::string(name); }

  std::string Directory(std::string_view name) const {
    EXPECT_EQ(mkdir(Path(name).c_str(), 0755), 0) << name;
    return Path(name);
  }
  std::string File(std::string_view name, std::string_view content = {}) const {
    const UniqueFd fd(open(Path(name).c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644));
    EXPECT_TRUE(fd.valid()) << name;
    EXPECT_EQ(write(fd.get(), content.data(), content.size()), ssize_t(content.size()));
    return Path(name);
  }
  std::string Link(std::string_view name, std::string_view to) const {
    EXPECT_EQ(symlink(std::string(to).c_str(), Path(name).c_str()), 0) << name;
    return Path(name);
  }
  std::string Fifo(std::string_view name) const {
    EXPECT_EQ(mkfifo(Path(name).c_str(), 0644), 0) << name;
    return Path(name);
  }
  // `levels` directories of this name, each in the other; the open innermost one.
  UniqueFd Nest(const std::string& name, int levels) const {
    UniqueFd at(open(root_.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
    for (int i = 0; i < levels; ++i) {
      EXPECT_EQ(mkdirat(at.get(), name.c_str(), 0755), 0);
      at.Reset(openat(at.get(), name.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
      EXPECT_TRUE(at.valid());
    }
    return at;
  }

 private:
  std::string root_;
};

// Runs `test` without privileges, in a child process if this one has them; it
// says by its result whether all was well.
inline bool WithoutPrivileges(const std::function<bool()>& test) {
  if (geteuid() != 0) return test();
  const pid_t child = fork();
  if (child == 0) {
    const uid_t nobody = 65534;
    if (setresgid(nobody, nobody, nobody) != 0 || setresuid(nobody, nobody, nobody) != 0) _exit(2);
    _exit(test() ? 0 : 1);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

// What a command prints, cut at each `separator`.
inline std::vector<std::string> OutputOf(const std::string& command, char separator = '\0') {
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  char buffer[4096];
  for (size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    output.append(buffer, count);
  pclose(pipe);
  std::vector<std::string> parts;
  for (size_t at = 0; at < output.size();) {
    const size_t end = std::min(output.find(separator, at), output.size());
    parts.push_back(output.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

}  // namespace dragnet::file
