// YARA: rules compiled from source, and scans of files, buffers and memory with
// exactly the matches that the `yara` command prints.
//
// Rules are plain text. `include` is refused; the modules that Debian's libyara
// has (pe, elf, math, hash, dotnet, dex, time, console, tests…) can be
// imported. Where it can be proven that a rule needs one of some literals to
// match, a literal search in front of libyara (prefilter.h) decides whether, and
// on which parts of the data, libyara runs at all.
//
// YaraRules is immutable and thread-safe. A YaraScanner is one thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragnet::scan {

// Longer sources are refused.
inline constexpr size_t kMaxRuleSource = 32 << 20;

struct YaraLimits {
  // Strings reported per rule match, and bytes per string.
  int max_strings = 32;
  int max_match_bytes = 64;
};

struct YaraStringMatch {
  std::string identifier;  // with its $
  // In a file or buffer from its beginning, in memory the address.
  uint64_t offset = 0;
  uint64_t length = 0;
  // The first max_match_bytes of the match.
  std::string bytes;
};

struct YaraMatch {
  std::string rule;
  std::string rule_namespace;
  std::vector<std::string> tags;
  std::vector<std::pair<std::string, std::string>> meta;
  // In the order of the strings in the rule, then by offset; private strings
  // are left out.
  std::vector<YaraStringMatch> strings;
  // There were more than max_strings.
  bool strings_cut = false;
};

class YaraRules {
 public:
  struct Compiled;
  explicit YaraRules(std::unique_ptr<const Compiled> compiled);
  ~YaraRules();
  YaraRules(const YaraRules&) = delete;
  YaraRules& operator=(const YaraRules&) = delete;

  // InvalidArgument: `line 3, column 14: undefined string "$b"`. Externals are
  // NAME=VALUE: true and false, integers, floats, else a string.
  static absl::StatusOr<std::shared_ptr<const YaraRules>> Compile(
      std::string_view source, std::span<const std::string> externals);

  const Compiled& compiled() const { return *compiled_; }

 private:
  const std::unique_ptr<const Compiled> compiled_;
};

class YaraScanner {
 public:
  YaraScanner(std::shared_ptr<const YaraRules> rules, YaraLimits limits);
  ~YaraScanner();
  YaraScanner(YaraScanner&&) noexcept;
  YaraScanner& operator=(YaraScanner&&) noexcept;

  // Every error below means that the item was not (completely) looked at:
  // ResourceExhausted when it has more matches than libyara counts (a million of
  // a string), or is a file of more than 24 MiB and there are rules that must see
  // all of it at once; Unavailable when it can't be read. Such rules are those
  // with a string that can't be filtered (a regular expression without any fixed
  // byte, a hex string with a jump of more than 200 bytes), with `entrypoint`,
  // and with modules that parse files (pe, elf, …) if the rule can match without
  // its strings or some string of the rule set is found. A stretch of more than
  // 24 MiB in which strings are everywhere counts the same.

  // The file from its beginning, read with pread, never mapped: a file that is
  // cut while it is read can't hurt. `size` as fstat said; what grows beyond it
  // is not looked at.
  absl::StatusOr<std::vector<YaraMatch>> ScanFile(int fd, uint64_t size);

  absl::StatusOr<std::vector<YaraMatch>> ScanBuffer(std::string_view bytes);

  // Blocks of memory that need not be contiguous, in ascending order.
  struct Block {
    uint64_t base = 0;
    uint64_t size = 0;
  };
  // Copies up to `size` bytes at `address`; returns how many were readable. A
  // page that can't be read is passed over, and reading goes on behind it.
  using ReadBlock = std::function<size_t(uint64_t address, char* to, size_t size)>;

  // As `yara PID`: conditions see no file size, and a match lies within one
  // block. Rules that can't be filtered, and modules that parse files, see a
  // block of more than 24 MiB in pieces of that size, which overlap by 64 KiB.
  absl::StatusOr<std::vector<YaraMatch>> ScanMemory(std::span<const Block> blocks,
                                                    const ReadBlock& read);
  // Whether the last scan did so: such a rule may then have been missed.
  bool saw_pieces() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dragnet::scan
