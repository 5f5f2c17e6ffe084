#include "modules/file/decompress.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/file/decoder.h"
#include "modules/file/open.h"

namespace dragnet::file {
namespace {

constexpr size_t kInputBytes = 64 * 1024;

// Fewer than `size` only at the end of the file.
absl::StatusOr<size_t> ReadFully(int fd, char* buffer, size_t size) {
  size_t total = 0;
  while (total < size) {
    const ssize_t count = read(fd, buffer + total, size - total);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::UnavailableError(ToAbsl(ErrorWords(errno)));
    if (count == 0) break;
    total += static_cast<size_t>(count);
  }
  return total;
}

class PlainSource : public ByteSource {
 public:
  // `begin` was read already.
  PlainSource(int fd, std::string begin) : fd_(fd), begin_(std::move(begin)), rest_(begin_) {
    file_bytes_ = begin_.size();
  }

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    const size_t kept = std::min(size, rest_.size());
    memcpy(buffer, rest_.data(), kept);
    rest_.remove_prefix(kept);
    if (kept == size) return size;
    DRAGNET_ASSIGN_OR_RETURN(const size_t count, ReadFully(fd_, buffer + kept, size - kept));
    file_bytes_ += count;
    return kept + count;
  }
  std::string_view compression() const override { return {}; }
  uint64_t file_bytes() const override { return file_bytes_; }

 private:
  const int fd_;
  const std::string begin_;
  std::string_view rest_;
  uint64_t file_bytes_ = 0;
};

class CompressedSource : public ByteSource {
 public:
  CompressedSource(int fd, std::string_view begin, Compression compression,
                   std::unique_ptr<Decoder> decoder, const DecompressLimits& limits)
      : fd_(fd),
        limits_(limits),
        compression_(compression),
        decoder_(std::move(decoder)),
        input_(new char[kInputBytes]) {
    memcpy(input_.get(), begin.data(), begin.size());
    rest_ = {input_.get(), begin.size()};
    file_bytes_ = begin.size();
  }

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    size_t room = size;
    while (room > 0 && status_.ok() && !ended_) status_ = Step(&buffer, &room);
    // What came before the error first.
    if (!status_.ok() && room == size) return status_;
    return size - room;
  }

  std::string_view compression() const override { return CompressionName(compression_); }
  uint64_t file_bytes() const override { return file_bytes_; }

 private:
  absl::Status Step(char** buffer, size_t* room) {
    if (rest_.empty()) DRAGNET_RETURN_IF_ERROR(Refill());
    if (between_streams_ && !SkipPadding()) {
      ended_ = at_end_;
      return absl::OkStatus();
    }
    if (rest_.empty() && at_end_ && !may_have_more_)
      return absl::DataLossError("the compressed data ends early");
    return Decode(buffer, room);
  }

  absl::Status Refill() {
    if (at_end_) return absl::OkStatus();
    DRAGNET_ASSIGN_OR_RETURN(const size_t count, ReadFully(fd_, input_.get(), kInputBytes));
    rest_ = {input_.get(), count};
    file_bytes_ += count;
    at_end_ = count < kInputBytes;
    return absl::OkStatus();
  }

  // Zeros may follow a stream, to fill up a tape's or a disk's block. False if
  // there is nothing else in what was read.
  bool SkipPadding() {
    const size_t begin = rest_.find_first_not_of('\0');
    rest_.remove_prefix(std::min(begin, rest_.size()));
    return !rest_.empty();
  }

  absl::Status Decode(char** buffer, size_t* room) {
    const size_t room_before = *room;
    const size_t input_before = rest_.size();
    const Decoder::Result result = decoder_->Decode(&rest_, buffer, room);
    const size_t written = room_before - *room;
    bytes_ += written;
    // With its output full it may hold back more, without more input.
    may_have_more_ = *room == 0 || written > 0 || input_before > rest_.size();
    const bool was_between = between_streams_;
    between_streams_ = result == Decoder::Result::kEnd;
    if (result == Decoder::Result::kMemory)
      return absl::ResourceExhaustedError("decompressing it takes too much memory");
    if (result == Decoder::Result::kCorrupt) {
      return absl::DataLossError(was_between ? "something else follows the compressed data"
                                             : "the compressed data is corrupt");
    }
    if (bytes_ > limits_.max_bytes)
      return absl::ResourceExhaustedError("it decompresses to too many bytes");
    const uint64_t taken = file_bytes_ - rest_.size();
    if (bytes_ > limits_.min_ratio_bytes &&
        bytes_ / std::max<uint64_t>(taken, 1) >= limits_.max_ratio)
      return absl::ResourceExhaustedError("it decompresses to too many bytes for its size");
    return absl::OkStatus();
  }

  const int fd_;
  const DecompressLimits limits_;
  const Compression compression_;
  const std::unique_ptr<Decoder> decoder_;
  const std::unique_ptr<char[]> input_;
  // Of the input, what wasn't decoded yet.
  std::string_view rest_;
  absl::Status status_;
  bool ended_ = false;
  // The file's end was read.
  bool at_end_ = false;
  bool between_streams_ = false;
  bool may_have_more_ = true;
  uint64_t file_bytes_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ByteSource>> OpenByteSource(int fd, const DecompressLimits& limits) {
  std::string begin(kCompressionMagic, '\0');
  DRAGNET_ASSIGN_OR_RETURN(const size_t count, ReadFully(fd, begin.data(), begin.size()));
  begin.resize(count);
  const std::optional<Compression> compression = DetectCompression(begin);
  if (!compression) return std::make_unique<PlainSource>(fd, std::move(begin));
  std::unique_ptr<Decoder> decoder = NewDecoder(*compression);
  if (decoder == nullptr)
    return absl::ResourceExhaustedError("decompressing it takes too much memory");
  return std::make_unique<CompressedSource>(fd, begin, *compression, std::move(decoder), limits);
}

}  // namespace dragnet::file
