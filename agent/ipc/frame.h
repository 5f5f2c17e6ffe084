// Frames on a byte stream between processes of one host: a 4-byte big-endian
// length, then that many bytes of one serialised message.
//
// The reader takes nothing on trust: a length over its bound, a message that
// doesn't parse strictly, or an end in the middle of a frame is an error, and
// the stream is then of no further use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace dragnet {

// Envelope bound plus framing of the message around it.
inline constexpr size_t kMaxFrameBytes = 1024 * 1024 + 4096;

// The frame's bytes: header and message.
absl::StatusOr<std::string> EncodeFrame(const google::protobuf::Message& message,
                                        size_t max_bytes = kMaxFrameBytes);

// Cuts a stream into frames. Holds at most one frame. Not thread-safe.
class FrameDecoder {
 public:
  explicit FrameDecoder(size_t max_bytes = kMaxFrameBytes) : max_bytes_(max_bytes) {}

  // Takes what was read from the stream.
  void Append(std::string_view bytes) { buffer_.append(bytes); }

  // The next whole frame's message bytes; nothing when more must be read.
  // InvalidArgument when the announced length is over the bound.
  absl::StatusOr<std::optional<std::string>> Next();

  // True when no part of a frame is waiting: an end of stream is then clean.
  bool empty() const { return consumed_ == buffer_.size(); }

 private:
  size_t max_bytes_;
  std::string buffer_;
  size_t consumed_ = 0;
};

// Blocking, for processes with one stream to read.
// OutOfRange at a clean end of stream.
absl::Status ReadFrame(int fd, google::protobuf::Message* message,
                       size_t max_bytes = kMaxFrameBytes);
absl::Status WriteFrame(int fd, const google::protobuf::Message& message,
                        size_t max_bytes = kMaxFrameBytes);

}  // namespace dragnet
