// Reads the host's small text files. Not thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modules/module.h"
#include "modules/pkg/root.h"

namespace dragnet::accounts {

// Longer ones are read as far as that, and reported.
inline constexpr size_t kMaxHostFile = 16 << 20;

class HostFiles {
 public:
  // Both outlive it. Paths are seen from `root`, and links lead nowhere outside.
  HostFiles(const pkg::Root& root, RunContext& context) : root_(root), context_(context) {}

  // The content of a regular file. Nothing when there is none (`may_be_missing`),
  // or when it can't be read, which is reported.
  std::optional<std::string> Read(std::string_view path, bool may_be_missing = true);
  // Its last `max_bytes`, from a multiple of `record` bytes on.
  std::optional<std::string> ReadTail(std::string_view path, size_t max_bytes, size_t record);
  // Names in a directory, sorted, at most `max_names`; none when it isn't there.
  std::vector<std::string> List(std::string_view path, size_t max_names);

  // Whether the directory `path` is on this host, or isn't there; reports, once,
  // one that isn't: to look inside could mount it, or wait for another host.
  bool IsLocal(const std::string& path);

  void NotLookedAt(std::string_view reason, std::string_view path);
  void NotLookedAt(std::string_view reason, std::string_view path, uint64_t line);

  const pkg::Root& root() const { return root_; }
  RunContext& context() { return context_; }

 private:
  const pkg::Root& root_;
  RunContext& context_;
  std::map<std::string, bool> is_local_;
};

// Whether errno `error` says that nothing is there.
bool IsMissing(int error);

// Lines with their numbers, from 1.
struct NumberedLine {
  uint32_t number;
  std::string_view text;
};
std::vector<NumberedLine> LinesOf(std::string_view text);

// Decimal digits only, at most `max`.
std::optional<uint64_t> ParseNumber(std::string_view text, uint64_t max);

// UTF-8 of bounded length.
std::string Text(std::string_view bytes, size_t max_bytes = 1024);

}  // namespace dragnet::accounts
