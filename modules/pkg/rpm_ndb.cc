// RPM's "ndb" Packages.db: 32 bytes of header, then slots of 16 bytes in pages
// of 4096, each with a package's number, and the place and length of its blob in
// blocks of 16 bytes. All little-endian. A blob has 16 bytes before it and 12
// after it.
#include <sys/stat.h>

#include <string>

#include "core/file_io.h"
#include "core/strings.h"
#include "modules/pkg/little_endian.h"
#include "modules/pkg/rpm_database.h"

namespace dragnet::pkg {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kSlot = 16;
constexpr size_t kBlock = 16;
constexpr size_t kHeader = 32;
constexpr size_t kBlobHead = 16;
constexpr size_t kBlobTail = 12;
// Half a million packages.
constexpr uint32_t kMaxSlotPages = 2048;

bool Is(const char* bytes, std::string_view magic) {
  return std::string_view(bytes, magic.size()) == magic;
}

}  // namespace

absl::Status ReadRpmNdb(int fd, const HeaderSink& sink, const PassedOver& passed_over) {
  struct stat status;
  if (fstat(fd, &status) != 0) return ErrnoStatus("stat", errno);
  const uint64_t file_size = static_cast<uint64_t>(status.st_size);
  char header[kHeader];
  if (!ReadExactly(fd, 0, header, kHeader) || !Is(header, "RpmP"))
    return absl::DataLossError("not a database of the format ndb");
  if (Little32(header + 4) != 0) {
    return absl::UnimplementedError(StrCat("ndb version ", Little32(header + 4)));
  }
  const uint32_t pages = Little32(header + 12);
  if (pages == 0 || pages > kMaxSlotPages || pages * uint64_t{kPage} > file_size)
    return absl::DataLossError(StrCat("ndb of ", pages, " pages of slots"));

  char page[kPage];
  std::string blob;
  for (uint32_t i = 0; i < pages; ++i) {
    if (!ReadExactly(fd, uint64_t{i} * kPage, page, kPage))
      return absl::DataLossError(StrCat("page of slots ", i, " can't be read"));
    for (size_t at = i == 0 ? kHeader : 0; at < kPage; at += kSlot) {
      const char* slot = page + at;
      if (!Is(slot, "Slot")) return absl::DataLossError(StrCat("malformed slot in page ", i));
      const uint32_t number = Little32(slot + 4);
      const uint64_t offset = uint64_t{Little32(slot + 8)} * kBlock;
      const uint64_t length = uint64_t{Little32(slot + 12)} * kBlock;
      if (offset == 0) continue;
      char head[kBlobHead];
      if (offset > file_size || length > file_size - offset || length < kBlobHead + kBlobTail ||
          !ReadExactly(fd, offset, head, kBlobHead) || !Is(head, "BlbS") ||
          Little32(head + 4) != number || Little32(head + 12) > length - kBlobHead - kBlobTail) {
        passed_over("malformed entry of the package database", number);
        continue;
      }
      const uint32_t size = Little32(head + 12);
      if (size > kMaxHeaderBytes) {
        passed_over("package header over 24 MiB", number);
        continue;
      }
      blob.resize(size);
      if (!ReadExactly(fd, offset + kBlobHead, blob.data(), size)) {
        passed_over("package header that can't be read", number);
        continue;
      }
      if (!sink(blob)) return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

}  // namespace dragnet::pkg
