#include "tests/harness/files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace fs = std::filesystem;

TemporaryDirectory::TemporaryDirectory() : path_("/tmp/dragnet-test.XXXXXX") {
  Need(::mkdtemp(path_.data()) != nullptr, "mkdtemp", path_);
  Need(::chmod(path_.c_str(), 0755) == 0, "chmod", path_);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string Read(const std::string& path) {
  absl::StatusOr<std::string> content = ReadFile(path, 256 << 20);
  Need(content.ok(), "read", content.status().ToString());
  return *std::move(content);
}

void Write(const std::string& path, std::string_view content, mode_t mode) {
  const absl::Status status = WriteFileAtomically(path, content, mode);
  Need(status.ok(), "write", status.ToString());
}

void MakeDirectory(const std::string& path, mode_t mode) {
  std::error_code error;
  fs::create_directories(path, error);
  Need(!error, "mkdir", path);
  Need(::chmod(path.c_str(), mode) == 0, "chmod", path);
}

void CopyFile(const std::string& from, const std::string& to, mode_t mode) {
  std::error_code error;
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  Need(!error, "copy", StrCat(from, " to ", to, ": ", error.message()));
  Need(::chmod(to.c_str(), mode) == 0, "chmod", to);
}

void CopyTree(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive, error);
  Need(!error, "copy", StrCat(from, " to ", to, ": ", error.message()));
}

std::string MakeEmptyFiles(const std::string& directory, int count) {
  MakeDirectory(directory);
  for (int i = 0; i < count; ++i) {
    const std::string path = StrCat(directory, "/file-", i);
    const UniqueFd file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    Need(file.valid(), "make", path);
  }
  return directory;
}

std::vector<std::string> Names(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> Tree(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(directory, error)) {
    names.push_back(fs::relative(entry.path(), directory));
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool IsRoot() { return ::geteuid() == 0; }

std::string WithTomlKey(std::string_view toml, std::string_view key, std::string_view value) {
  std::vector<std::string> lines = absl::StrSplit(ToAbsl(toml), '\n');
  std::vector<std::string> kept = {StrCat(key, " = ", value)};
  bool in_table = false;
  for (std::string& line : lines) {
    if (absl::StartsWith(line, "[")) in_table = true;
    const bool sets_key =
        absl::StartsWith(line, StrCat(key, " ")) || absl::StartsWith(line, StrCat(key, "="));
    if (!in_table && sets_key) continue;
    kept.push_back(std::move(line));
  }
  return absl::StrJoin(kept, "\n");
}

}  // namespace dragnet::testing
