#include "modules/file/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>

#include <algorithm>

#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::file {
namespace {

constexpr size_t kBlockBytes = 64 * 1024;
constexpr size_t kMaxMemberPath = 4096;

// libarchive converts names to the locale's encoding, which must hold them all.
// For this thread, for as long as it lives.
class Utf8Locale {
 public:
  Utf8Locale() : previous_(uselocale(Shared())) {}
  ~Utf8Locale() { uselocale(previous_); }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  // Null, which changes nothing, on a host that lacks it.
  static locale_t Shared() {
    static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return locale;
  }
  const locale_t previous_;
};

bool HasBytes(std::string_view head, size_t at, std::string_view bytes) {
  return head.size() >= at + bytes.size() && head.substr(at, bytes.size()) == bytes;
}

// Old tars have no magic, but a checksum of their first header.
bool IsOldTar(std::string_view head) {
  if (head.size() < 512 || head[0] == '\0') return false;
  unsigned sum = 0, stated = 0;
  for (size_t i = 0; i < 512; ++i)
    sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(head[i]);
  size_t i = 148;
  while (i < 156 && head[i] == ' ') ++i;
  const size_t digits = i;
  for (; i < 156 && head[i] >= '0' && head[i] <= '7'; ++i)
    stated = stated * 8 + static_cast<unsigned>(head[i] - '0');
  return i > digits && sum == stated;
}

}  // namespace

ArchiveBudget::ArchiveBudget(uint64_t archive_size, const ArchiveLimits& limits)
    : bytes_left_(std::min(
          limits.max_bytes,
          std::max(limits.min_ratio_bytes, archive_size > limits.max_bytes / limits.max_ratio
                                               ? limits.max_bytes
                                               : archive_size * limits.max_ratio))),
      members_left_(limits.max_members) {}

absl::Status ArchiveBudget::AddBytes(uint64_t bytes) {
  if (bytes > bytes_left_) {
    bytes_left_ = 0;
    return absl::ResourceExhaustedError("archive that expands to more than may be");
  }
  bytes_left_ -= bytes;
  return absl::OkStatus();
}

absl::Status ArchiveBudget::AddMember() {
  if (members_left_ == 0) return absl::ResourceExhaustedError("archive of more files than may be");
  --members_left_;
  return absl::OkStatus();
}

ArchiveKind ArchiveKindOf(std::string_view head) {
  using std::literals::operator""sv;
  for (const std::string_view magic : {"PK\3\4"sv, "PK\5\6"sv, "7z\xbc\xaf\x27\x1c"sv})
    if (HasBytes(head, 0, magic)) return ArchiveKind::kArchive;
  if (HasBytes(head, 257, "ustar") || IsOldTar(head)) return ArchiveKind::kArchive;
  for (const std::string_view magic :
       {"\x1f\x8b"sv, "BZh"sv, "\xfd\x37zXZ\0"sv, "\x28\xb5\x2f\xfd"sv, "\x04\x22\x4d\x18"sv}) {
    if (HasBytes(head, 0, magic)) return ArchiveKind::kCompressed;
  }
  return ArchiveKind::kNone;
}

void ArchiveReader::Closer::operator()(archive* reader) const { archive_read_free(reader); }

ArchiveReader::ArchiveReader(ArchiveKind kind, ArchiveBudget& budget)
    : kind_(kind), budget_(budget), reader_(archive_read_new()) {
  archive* reader = reader_.get();
  // One by one: what else libarchive reads would come along into the program.
  archive_read_support_format_zip_seekable(reader);
  archive_read_support_format_zip_streamable(reader);
  archive_read_support_format_tar(reader);
  archive_read_support_format_7zip(reader);
  archive_read_support_filter_gzip(reader);
  archive_read_support_filter_bzip2(reader);
  archive_read_support_filter_xz(reader);
  archive_read_support_filter_zstd(reader);
  archive_read_support_filter_lz4(reader);
}

ArchiveReader::ArchiveReader(int fd, ArchiveKind kind, ArchiveBudget& budget)
    : ArchiveReader(kind, budget) {
  open_result_ = archive_read_open_fd(reader_.get(), fd, kBlockBytes);
}

ArchiveReader::ArchiveReader(std::string_view bytes, ArchiveKind kind, ArchiveBudget& budget)
    : ArchiveReader(kind, budget) {
  open_result_ = archive_read_open_memory(reader_.get(), bytes.data(), bytes.size());
}

ArchiveReader::~ArchiveReader() = default;

absl::Status ArchiveReader::Error() const {
  if (archive_read_has_encrypted_entries(reader_.get()) > 0)
    return absl::PermissionDeniedError("encrypted archive");
  return absl::DataLossError("corrupt archive, or of a kind that is not known");
}

absl::Status ArchiveReader::Skip() {
  if (!member_open_) return absl::OkStatus();
  member_open_ = false;
  // In a zip on disk or in memory this is a jump. Elsewhere all that lies before
  // the next member must be decompressed, which is counted.
  if ((archive_format(reader_.get()) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_ZIP)
    return absl::OkStatus();
  const void* block;
  size_t size;
  la_int64_t offset;
  for (int result;
       (result = archive_read_data_block(reader_.get(), &block, &size, &offset)) != ARCHIVE_EOF;) {
    // Reading the next header tells what is wrong.
    if (result < ARCHIVE_WARN) return absl::OkStatus();
    DRAGNET_RETURN_IF_ERROR(budget_.AddBytes(size));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<ArchiveMember>> ArchiveReader::Next() {
  const Utf8Locale locale;
  if (open_result_ < ARCHIVE_WARN) {
    if (kind_ == ArchiveKind::kCompressed) return std::nullopt;
    return Error();
  }
  while (true) {
    DRAGNET_RETURN_IF_ERROR(Skip());
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(reader_.get(), &entry);
    if (result == ARCHIVE_EOF) return std::nullopt;
    if (result == ARCHIVE_RETRY) continue;
    if (result < ARCHIVE_WARN) {
      // Something that is compressed, but no tar.
      if (first_ && kind_ == ArchiveKind::kCompressed && archive_format(reader_.get()) == 0) {
        return std::nullopt;
      }
      return Error();
    }
    first_ = false;
    member_open_ = true;
    DRAGNET_RETURN_IF_ERROR(budget_.AddMember());
    // A hard link's content stands where it points.
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr)
      continue;
    ArchiveMember member;
    const char* path = archive_entry_pathname(entry);
    if (path == nullptr) path = archive_entry_pathname_utf8(entry);
    member.path = path != nullptr ? std::string(path).substr(0, kMaxMemberPath) : "?";
    if (archive_entry_size_is_set(entry) && archive_entry_size(entry) >= 0)
      member.size = static_cast<uint64_t>(archive_entry_size(entry));
    member.mode = archive_entry_mode(entry);
    if (archive_entry_mtime_is_set(entry)) {
      member.mtime = absl::FromUnixSeconds(archive_entry_mtime(entry)) +
                     absl::Nanoseconds(archive_entry_mtime_nsec(entry));
    }
    member.encrypted = archive_entry_is_encrypted(entry) > 0;
    return member;
  }
}

absl::StatusOr<size_t> ArchiveReader::Read(char* buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    const la_ssize_t count = archive_read_data(reader_.get(), buffer + done, size - done);
    if (count == ARCHIVE_RETRY) continue;
    if (count < 0)
      return absl::DataLossError("corrupt in its archive, or packed by a method that is not known");
    if (count == 0) break;
    DRAGNET_RETURN_IF_ERROR(budget_.AddBytes(static_cast<uint64_t>(count)));
    done += static_cast<size_t>(count);
  }
  return done;
}

absl::StatusOr<size_t> MemberSource::ReadOn(char* buffer, size_t size) {
  if (!status_.ok()) return status_;
  absl::StatusOr<size_t> count = archive_.Read(buffer, size);
  if (!count.ok()) status_ = count.status();
  return count;
}

ArchiveKind MemberSource::Kind() {
  head_.resize(kArchiveHead);
  const absl::StatusOr<size_t> count = ReadOn(head_.data(), head_.size());
  head_.resize(count.ok() ? *count : 0);
  return ArchiveKindOf(head_);
}

absl::StatusOr<size_t> MemberSource::Read(char* buffer, size_t size) {
  const size_t from_head = std::min(size, head_.size() - head_done_);
  memcpy(buffer, head_.data() + head_done_, from_head);
  head_done_ += from_head;
  DRAGNET_ASSIGN_OR_RETURN(const size_t rest, ReadOn(buffer + from_head, size - from_head));
  return from_head + rest;
}

}  // namespace dragnet::file
