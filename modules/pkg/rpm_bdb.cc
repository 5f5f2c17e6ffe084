// "Packages" of older RPMs: a hash of Berkeley DB. The first page says how large
// pages are; pages of the type hash hold pairs of a package's number and its
// header; headers that don't fit are in chains of overflow pages. All pages are
// looked through in order: the hash itself isn't needed to read everything, and
// each page is read once, whatever its links say.
#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "core/file_io.h"
#include "core/strings.h"
#include "modules/pkg/little_endian.h"
#include "modules/pkg/rpm_database.h"

namespace dragnet::pkg {
namespace {

constexpr uint32_t kHashMagic = 0x00061561;
constexpr uint32_t kBtreeMagic = 0x00053162;
constexpr size_t kMetaSize = 512;
constexpr size_t kPageHeader = 26;
constexpr uint32_t kMinPage = 512;
constexpr uint32_t kMaxPage = 65536;
enum PageType : unsigned char { kUnsortedHash = 2, kOverflow = 7, kHash = 13 };
enum ItemType : unsigned char { kKeyData = 1, kOffPage = 3 };

class BdbReader {
 public:
  BdbReader(int fd, const HeaderSink& sink, const PassedOver& passed_over)
      : fd_(fd), sink_(sink), passed_over_(passed_over) {}

  absl::Status Read() {
    struct stat status;
    if (fstat(fd_, &status) != 0) return ErrnoStatus("stat", errno);
    char meta[kMetaSize];
    if (!ReadExactly(fd_, 0, meta, kMetaSize)) return absl::DataLossError("shorter than 512 bytes");
    big_ = Big32(meta + 12) == kHashMagic || Big32(meta + 12) == kBtreeMagic;
    const uint32_t magic = Word(meta + 12);
    if (magic == kBtreeMagic)
      return absl::UnimplementedError("a B-tree of Berkeley DB, not a hash");
    if (magic != kHashMagic) return absl::DataLossError("not a database of Berkeley DB");
    if (meta[24] != 0) return absl::UnimplementedError("encrypted database of Berkeley DB");
    const uint32_t version = Word(meta + 16);
    if (version < 7 || version > 10)
      return absl::UnimplementedError(StrCat("Berkeley DB hash version ", version));
    page_size_ = Word(meta + 20);
    if (page_size_ < kMinPage || page_size_ > kMaxPage || (page_size_ & (page_size_ - 1)) != 0)
      return absl::DataLossError(StrCat("pages of ", page_size_, " bytes"));
    const uint64_t pages = static_cast<uint64_t>(status.st_size) / page_size_;
    last_page_ = std::min<uint64_t>(Word(meta + 32), pages == 0 ? 0 : pages - 1);
    if (last_page_ < Word(meta + 32)) passed_over_("database shorter than it says", last_page_);
    page_.resize(page_size_);
    overflow_.resize(page_size_);
    for (uint64_t number = 1; number <= last_page_; ++number) {
      if (!ReadExactly(fd_, number * page_size_, page_.data(), page_size_)) {
        passed_over_("page that can't be read", number);
        continue;
      }
      const auto type = static_cast<unsigned char>(page_[25]);
      if (type != kHash && type != kUnsortedHash) continue;
      if (!ReadPage(number)) return absl::OkStatus();
    }
    return absl::OkStatus();
  }

 private:
  uint32_t Word(const char* bytes) const { return big_ ? Big32(bytes) : Little32(bytes); }
  uint32_t Half(const char* bytes) const { return big_ ? Big16(bytes) : Little16(bytes); }

  // False when the sink wants no more.
  bool ReadPage(uint64_t number) {
    const uint32_t items = Half(page_.data() + 20);
    if (items % 2 != 0 || kPageHeader + items * 2 > page_size_) {
      passed_over_("malformed page of the package database", number);
      return true;
    }
    uint32_t end = page_size_;
    for (uint32_t i = 0; i < items; i += 2) {
      const uint32_t key = Half(page_.data() + kPageHeader + i * 2);
      const uint32_t value = Half(page_.data() + kPageHeader + i * 2 + 2);
      // Items are put from the page's end towards its front.
      if (key >= end || value >= key || value < kPageHeader + items * 2) {
        passed_over_("malformed page of the package database", number);
        return true;
      }
      if (!IsCounter(key, end)) {
        if (!ReadValue(value, key, number)) return false;
      }
      end = value;
    }
    return true;
  }

  // Number 0 holds the next package's number, not a package.
  bool IsCounter(uint32_t begin, uint32_t end) const {
    const std::string_view key(page_.data() + begin, end - begin);
    return key.size() == 5 && key[0] == kKeyData &&
           key.substr(1) == std::string_view("\0\0\0\0", 4);
  }

  bool ReadValue(uint32_t begin, uint32_t end, uint64_t number) {
    const std::string_view item(page_.data() + begin, end - begin);
    if (item[0] == kKeyData) return sink_(item.substr(1));
    if (item[0] != kOffPage || item.size() < 12) {
      passed_over_("malformed entry of the package database", number);
      return true;
    }
    const uint32_t length = Word(item.data() + 8);
    if (length > kMaxHeaderBytes) {
      passed_over_("package header over 24 MiB", number);
      return true;
    }
    if (!ReadOverflow(Word(item.data() + 4), length)) {
      passed_over_("malformed entry of the package database", number);
      return true;
    }
    return sink_(blob_);
  }

  // A chain ends because each page of it must bring a byte at least.
  bool ReadOverflow(uint32_t page, uint32_t length) {
    blob_.clear();
    while (blob_.size() < length) {
      if (page == 0 || page > last_page_) return false;
      if (!ReadExactly(fd_, uint64_t{page} * page_size_, overflow_.data(), page_size_))
        return false;
      const uint32_t here = Half(overflow_.data() + 22);
      if (static_cast<unsigned char>(overflow_[25]) != kOverflow || here == 0 ||
          here > page_size_ - kPageHeader || here > length - blob_.size())
        return false;
      blob_.append(overflow_, kPageHeader, here);
      page = Word(overflow_.data() + 16);
    }
    return true;
  }

  const int fd_;
  const HeaderSink& sink_;
  const PassedOver& passed_over_;
  bool big_ = false;
  uint32_t page_size_ = 0;
  uint64_t last_page_ = 0;
  std::string page_;
  std::string overflow_;
  std::string blob_;
};

}  // namespace

absl::Status ReadRpmBdb(int fd, const HeaderSink& sink, const PassedOver& passed_over) {
  return BdbReader(fd, sink, passed_over).Read();
}

}  // namespace dragnet::pkg
