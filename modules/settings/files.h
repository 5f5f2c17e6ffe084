// Configuration files: which ones a program reads, in which order, and their text.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "modules/module.h"
#include "modules/pkg/root.h"

namespace dragnet::settings {

// Larger files are noted and not read.
inline constexpr size_t kMaxFileBytes = 4 * 1024 * 1024;
// Files of one run, whoever includes them.
inline constexpr size_t kMaxFiles = 4096;
// Of all settings of one run.
inline constexpr size_t kMaxSettingsBytes = 64 * 1024 * 1024;

// Where formats get files from that others include. Not thread-safe.
class FileSource {
 public:
  virtual ~FileSource() = default;

  // The files that a path, maybe with wildcards, stands for, in byte order. One without
  // wildcards stands for itself, whether or not it is there.
  virtual std::vector<std::string> Expand(std::string_view pattern) = 0;

  // A file's text. Nothing when it isn't there, or can't be read, which is then
  // noted; so is one that isn't there if `required`.
  virtual std::optional<std::string> Read(const std::string& path, bool required) = 0;

  // A line that can't be understood.
  virtual void NoteLine(std::string_view what, std::string_view path, uint32_t line) = 0;

  // Takes so much of the memory that a run's settings may have. False when it is used up.
  bool Charge(size_t bytes) {
    left_ -= std::min(left_, bytes);
    return left_ > 0;
  }

 private:
  size_t left_ = kMaxSettingsBytes;
};

// Those of a system. Not thread-safe.
class ConfigFiles : public FileSource {
 public:
  ConfigFiles(const pkg::Root& root, RunContext& context) : root_(root), context_(context) {}

  std::vector<std::string> Expand(std::string_view pattern) override;
  std::optional<std::string> Read(const std::string& path, bool required) override;
  void NoteLine(std::string_view what, std::string_view path, uint32_t line) override;

  // Everything that is there was read and understood so far.
  bool complete() const { return complete_; }

  // Whether any of them is there. One of which that can't be told counts as there, and
  // is noted.
  bool AnyIsThere(std::span<const std::string> paths);

  // The files *`suffix` of `directories` in the order of their names; of the same
  // name only that of the first directory. Those that mask others without a
  // content of their own (links to /dev/null) are left out.
  std::vector<std::string> DropIns(std::span<const std::string> directories,
                                   std::string_view suffix);

 private:
  std::vector<std::string> List(const std::string& directory);
  void Note(std::string_view what, int error, std::string_view path);
  void Note(std::string_view what, std::string_view where);

  const pkg::Root& root_;
  RunContext& context_;
  size_t files_read_ = 0;
  bool complete_ = true;
};

}  // namespace dragnet::settings
