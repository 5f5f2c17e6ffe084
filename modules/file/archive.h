// The files in an archive, one after the other, as libarchive reads them: zip,
// tar (compressed or not) and 7z, from an open file or from memory. The archive
// is hostile: what comes out of it is counted, and has limits. Not thread-safe;
// one thread's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "modules/file/decompress.h"

struct archive;
struct archive_entry;

namespace dragnet::file {

struct ArchiveLimits {
  // Of all that comes out of an archive, and of those in it.
  uint64_t max_bytes = uint64_t{4} * 1024 * 1024 * 1024;
  // Bytes out for each byte of the archive on disk, once more than
  // min_ratio_bytes came out.
  uint64_t max_ratio = 1000;
  uint64_t min_ratio_bytes = 16 * 1024 * 1024;
  uint64_t max_members = 100'000;
};

// What is left of the limits, for an archive on disk and all archives within it.
class ArchiveBudget {
 public:
  ArchiveBudget(uint64_t archive_size, const ArchiveLimits& limits);
  // ResourceExhausted, with a constant message, when more came out than may.
  absl::Status AddBytes(uint64_t bytes);
  absl::Status AddMember();

 private:
  uint64_t bytes_left_;
  uint64_t members_left_;
};

// How much of a file's beginning tells whether it may be an archive.
inline constexpr size_t kArchiveHead = 512;
enum class ArchiveKind {
  kNone,
  kArchive,
  // Compressed: a tar may be in it.
  kCompressed,
};
ArchiveKind ArchiveKindOf(std::string_view head);

struct ArchiveMember {
  // As the archive has it, in whatever encoding.
  std::string path;
  std::optional<uint64_t> size;
  mode_t mode = 0;
  absl::Time mtime;
  bool encrypted = false;
};

class ArchiveReader : public ByteSource {
 public:
  // Of an open file, at its start, or of memory; both, and the budget, outlive
  // the reader. `kind` is not kNone.
  ArchiveReader(int fd, ArchiveKind kind, ArchiveBudget& budget);
  ArchiveReader(std::string_view bytes, ArchiveKind kind, ArchiveBudget& budget);
  ~ArchiveReader() override;

  // The next regular file; nothing at the end, and for what turns out to be no
  // archive but compressed otherwise. DataLoss, PermissionDenied (encrypted as a
  // whole), ResourceExhausted, Unavailable: with constant messages. After an
  // error, call no more.
  absl::StatusOr<std::optional<ArchiveMember>> Next();

  // The content of the last member. Errors concern this member only, but for
  // ResourceExhausted.
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override;
  std::string_view compression() const override { return "archive"; }
  uint64_t file_bytes() const override { return 0; }

 private:
  struct Closer {
    void operator()(archive* reader) const;
  };

  ArchiveReader(ArchiveKind kind, ArchiveBudget& budget);
  // Reads past what is left of the last member, where that costs as much as
  // reading it.
  absl::Status Skip();
  absl::Status Error() const;

  const ArchiveKind kind_;
  ArchiveBudget& budget_;
  const std::unique_ptr<archive, Closer> reader_;
  int open_result_ = 0;
  bool first_ = true;
  bool member_open_ = false;
};

// A member's content, whose beginning is looked at first.
class MemberSource : public ByteSource {
 public:
  explicit MemberSource(ArchiveReader& archive) : archive_(archive) {}

  ArchiveKind Kind();
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override;
  std::string_view compression() const override { return "archive"; }
  uint64_t file_bytes() const override { return 0; }

  // Reading it has failed, or has reached a limit of the archive.
  bool failed() const { return !status_.ok(); }
  bool exhausted() const { return absl::IsResourceExhausted(status_); }

 private:
  absl::StatusOr<size_t> ReadOn(char* buffer, size_t size);

  ArchiveReader& archive_;
  std::string head_;
  size_t head_done_ = 0;
  absl::Status status_;
};

}  // namespace dragnet::file
