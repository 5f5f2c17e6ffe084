#include "modules/pkg/line_reader.h"

#include <errno.h>
#include <unistd.h>

namespace dragnet::pkg {
namespace {
constexpr size_t kBlock = 128 * 1024;
}  // namespace

bool LineReader::Fill() {
  if (fd_ < 0 || at_end_) return false;
  const size_t kept = text_.size();
  // What is left moves to the front; the buffer holds at most a line and a block.
  if (kept > 0) buffer_.erase(0, static_cast<size_t>(text_.data() - buffer_.data()));
  buffer_.resize(kept + kBlock);
  ssize_t count;
  do {
    count = read(fd_, buffer_.data() + kept, kBlock);
  } while (count < 0 && errno == EINTR);
  if (count <= 0) {
    at_end_ = true;
    if (count < 0) error_ = errno;
    count = 0;
  }
  buffer_.resize(kept + static_cast<size_t>(count));
  text_ = buffer_;
  bytes_ += static_cast<uint64_t>(count);
  return count > 0;
}

bool LineReader::Next(std::string_view* line) {
  bool skipping = false;
  size_t searched = 0;
  while (true) {
    const size_t newline = text_.find('\n', searched);
    const bool ended = newline != std::string_view::npos;
    if (!ended) {
      searched = text_.size();
      if (searched > kMaxLine) {
        skipping = true;
        text_.remove_prefix(searched);
        searched = 0;
      }
      if (Fill()) continue;
      if (text_.empty() && !skipping) return false;
    }
    ++line_number_;
    *line = text_.substr(0, newline);
    text_.remove_prefix(ended ? newline + 1 : text_.size());
    if (!skipping && line->size() <= kMaxLine) return true;
    ++too_long_;
    if (!ended) return false;
    skipping = false;
    searched = 0;
  }
}

}  // namespace dragnet::pkg
