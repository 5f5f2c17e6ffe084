// Whether a search's filters hold for a file, from what is known of it so far.
// Thread-safe: no state.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "modules/file/attributes.h"
#include "modules/file/content.h"
#include "modules/file/digest.h"
#include "modules/file/elf.h"
#include "modules/file/names.h"
#include "modules/file/search.h"
#include "modules/scan/yara.h"

namespace dragnet::file {

struct InodeFacts {
  uint64_t size = 0;
  mode_t mode = 0;
  std::string mode_text;
  absl::Time mtime;
  absl::Time ctime;
  absl::Time atime;
  // Not kept by every file system.
  std::optional<absl::Time> btime;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// By index in CompiledSearches::yara_rules: what matched, or nothing if that is
// not known.
using YaraResults = std::vector<std::optional<std::vector<scan::YaraMatch>>>;

// What is the same for all files of a run.
struct RunFacts {
  // The start of the run, from which ages count.
  absl::Time now;
  OwnerNames names;
};

// Learned step by step, the cheapest first; what is not known yet is absent.
struct FileFacts {
  FileType type = FileType::kUnknown;
  // Valid UTF-8.
  std::string_view name;
  std::optional<InodeFacts> inode;
  // In an archive: most facts of its inode are not known, and never will be.
  bool is_member = false;
  // Null before they were read, or if that failed.
  const Attributes* attributes = nullptr;
  // Null before it was read; nothing in it if the file is not ELF.
  const std::optional<ElfInfo>* elf = nullptr;
  // Null before the file was read. After reading failed, what was found before
  // that stands, and the rest is unknown.
  const ContentScanner* content = nullptr;
  // Null unless the file was read to its end.
  const Digester* digests = nullptr;
  // Of the content as it was read, once it was read.
  uint64_t content_size = 0;
  // Null before the rules were asked.
  const YaraResults* yara = nullptr;
};

enum class Verdict { kNo, kYes, kUnknown };

// kNo is final: nothing that is still to be learned can change it.
Verdict Judge(const Search& search, const FileFacts& facts, const RunFacts& run);

// The filters that hold, as FileRow.matched has them.
std::vector<std::string> MatchedFilters(const Search& search, const FileFacts& facts,
                                        const RunFacts& run);

}  // namespace dragnet::file
