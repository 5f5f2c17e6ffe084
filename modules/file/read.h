// Reads one file's content, once, for all that the searches want of it: lines,
// hashes, YARA rules.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "modules/file/content.h"
#include "modules/file/decompress.h"
#include "modules/file/digest.h"
#include "modules/file/match.h"
#include "modules/file/search.h"
#include "modules/scan/yara.h"

namespace dragnet::file {

// Of what is not a file on disk (a member of an archive, decompressed content)
// so much is kept for what must see it as a whole: YARA, ELF headers, archives
// within. For each thread.
inline constexpr size_t kMaxKept = 16 * 1024 * 1024;

// The bytes of an open file, from where it is, as they are.
class PlainSource : public ByteSource {
 public:
  // `size` is what fstat said: a read that reaches it is taken for the last one,
  // because asking again would be one more system call for each small file.
  PlainSource(int fd, uint64_t size) : fd_(fd), size_(size) {}

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override;
  std::string_view compression() const override { return {}; }
  uint64_t file_bytes() const override { return total_; }

 private:
  const int fd_;
  const uint64_t size_;
  uint64_t total_ = 0;
};

// What reading tells its owner.
struct ReadHooks {
  // After each block; false ends it.
  std::function<bool(uint64_t bytes)> progress;
  // Something could not be looked at.
  std::function<void(std::string_view reason)> not_looked_at;
};

// Not thread-safe; one per thread, used for one file after the other. What it
// says of a file is valid until the next one.
class FileReader {
 public:
  // Both outlive the reader.
  FileReader(const CompiledSearches& searches, const Prefilter& prefilter);

  // Reads `source` to its end, for `candidates`, unless nothing more can come of
  // it, and adds what it learns to `facts`. If `kept` is given, the content is
  // put there; what is longer than kMaxKept is not kept whole, and `kept` is
  // then cleared. With `to_the_end`, its length is asked for, too. False if it was not read to its
  // end: the reason was told.
  bool Read(ByteSource& source, const std::vector<uint32_t>& candidates, const ReadHooks& hooks,
            FileFacts* facts, std::string* kept, bool to_the_end = false);

  // YARA, for those of the candidates that want it: of a file on disk, or, if
  // `fd` is negative, of `content`. Adds to `facts`.
  void Scan(int fd, uint64_t size, std::string_view content,
            const std::vector<uint32_t>& candidates, const ReadHooks& hooks, FileFacts* facts);

 private:
  void StartContent(const std::vector<uint32_t>& candidates);

  const CompiledSearches& searches_;
  const std::unique_ptr<char[]> block_;
  ContentScanner scanner_;
  Digester digester_;
  std::vector<uint32_t> wanted_;
  std::vector<uint32_t> on_all_lines_;
  std::vector<uint32_t> collected_;
  // By index in CompiledSearches::yara_rules; made when they are first needed.
  std::vector<std::unique_ptr<scan::YaraScanner>> scanners_;
  YaraResults yara_;
};

}  // namespace dragnet::file
