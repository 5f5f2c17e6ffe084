// Lines of a file, or of text in memory, one after the other with bounded
// memory. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dragnet::pkg {

class LineReader {
 public:
  // Longer lines are passed over, and counted.
  static constexpr size_t kMaxLine = 1024 * 1024;

  // Reads from `fd`, which must stay open.
  explicit LineReader(int fd) : fd_(fd) {}
  // Reads `text`, which must stay.
  explicit LineReader(std::string_view text) : text_(text) {}

  // The next line without its newline, valid until the next call. False at the
  // end or when reading failed.
  bool Next(std::string_view* line);

  // Of the last line, from 1.
  uint64_t line_number() const { return line_number_; }
  uint64_t too_long() const { return too_long_; }
  uint64_t bytes() const { return bytes_; }
  // errno of read(2), or 0.
  int error() const { return error_; }

 private:
  bool Fill();

  const int fd_ = -1;
  std::string buffer_;
  // Read and not yet given out.
  std::string_view text_;
  bool at_end_ = false;
  uint64_t line_number_ = 0;
  uint64_t too_long_ = 0;
  uint64_t bytes_ = 0;
  int error_ = 0;
};

}  // namespace dragnet::pkg
