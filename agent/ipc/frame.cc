#include "agent/ipc/frame.h"

#include <errno.h>
#include <unistd.h>

#include "core/file_io.h"
#include "core/strict_proto.h"
#include "core/strings.h"

namespace dragnet {
namespace {

constexpr size_t kHeaderBytes = 4;

uint32_t DecodeLength(const char* header) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(header);
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 |
         uint32_t{bytes[3]};
}

std::string EncodeLength(uint32_t length) {
  return {static_cast<char>(length >> 24), static_cast<char>(length >> 16),
          static_cast<char>(length >> 8), static_cast<char>(length)};
}

absl::Status CheckLength(size_t length, size_t max_bytes) {
  if (length <= max_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("frame of ", length, " bytes, over the bound of ", max_bytes));
}

// Fills `out` unless the stream ends; the number of bytes read.
absl::StatusOr<size_t> ReadUpTo(int fd, char* out, size_t count) {
  size_t done = 0;
  while (done < count) {
    ssize_t got = ::read(fd, out + done, count - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("read frame", errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

absl::Status Truncated() {
  return absl::InvalidArgumentError("stream ended in the middle of a frame");
}

}  // namespace

absl::StatusOr<std::string> EncodeFrame(const google::protobuf::Message& message,
                                        size_t max_bytes) {
  size_t length = message.ByteSizeLong();
  if (absl::Status status = CheckLength(length, max_bytes); !status.ok()) return status;
  std::string frame = EncodeLength(static_cast<uint32_t>(length));
  frame.reserve(kHeaderBytes + length);
  if (!message.AppendToString(&frame)) return absl::InternalError("frame does not serialise");
  return frame;
}

absl::StatusOr<std::optional<std::string>> FrameDecoder::Next() {
  size_t available = buffer_.size() - consumed_;
  if (available < kHeaderBytes) return std::nullopt;
  size_t length = DecodeLength(buffer_.data() + consumed_);
  if (absl::Status status = CheckLength(length, max_bytes_); !status.ok()) return status;
  if (available < kHeaderBytes + length) return std::nullopt;

  std::string message = buffer_.substr(consumed_ + kHeaderBytes, length);
  consumed_ += kHeaderBytes + length;
  // Moving the rest down after each of many small frames would be quadratic.
  if (consumed_ == buffer_.size() || consumed_ > max_bytes_) {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
  }
  return message;
}

absl::Status ReadFrame(int fd, google::protobuf::Message* message, size_t max_bytes) {
  char header[kHeaderBytes];
  absl::StatusOr<size_t> got = ReadUpTo(fd, header, kHeaderBytes);
  if (!got.ok()) return got.status();
  if (*got == 0) return absl::OutOfRangeError("end of stream");
  if (*got < kHeaderBytes) return Truncated();

  size_t length = DecodeLength(header);
  if (absl::Status status = CheckLength(length, max_bytes); !status.ok()) return status;
  std::string bytes(length, '\0');
  got = ReadUpTo(fd, bytes.data(), length);
  if (!got.ok()) return got.status();
  if (*got < length) return Truncated();
  return ParseStrict(bytes, max_bytes, message);
}

absl::Status WriteFrame(int fd, const google::protobuf::Message& message, size_t max_bytes) {
  absl::StatusOr<std::string> frame = EncodeFrame(message, max_bytes);
  if (!frame.ok()) return frame.status();
  return WriteAll(fd, *frame);
}

}  // namespace dragnet
