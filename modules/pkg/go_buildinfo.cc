#include "modules/pkg/go_buildinfo.h"

#include <elf.h>
#include <string.h>

#include <algorithm>
#include <optional>

#include "core/strings.h"
#include "modules/pkg/little_endian.h"
#include "modules/pkg/rpm_database.h"

namespace dragnet::pkg {
namespace {

constexpr std::string_view kMagic = "\xff Go buildinf:";
constexpr size_t kInfoHeader = 32;
constexpr size_t kMaxHeaders = 1024;
// As Go's own reader: where there is no section of the name, the first 64 KiB
// of the first writable segment are looked through.
constexpr size_t kSearched = 64 * 1024;
constexpr uint64_t kMaxText = 4 * 1024 * 1024;
constexpr size_t kMaxModules = 20000;
constexpr unsigned char kBigEndian = 1;
constexpr unsigned char kInline = 2;

absl::Status NotGo() { return absl::NotFoundError("not an executable of Go"); }
absl::Status Malformed(std::string_view what) {
  return absl::DataLossError(StrCat("malformed build information of Go: ", what));
}

struct Segment {
  uint64_t address, offset, file_size;
  bool writable;
};

// Just enough of ELF: segments, and the place of one section.
class Elf {
 public:
  static std::optional<Elf> Open(int fd) {
    char header[64];
    if (!ReadExactly(fd, 0, header, sizeof header) || memcmp(header, ELFMAG, SELFMAG) != 0)
      return std::nullopt;
    Elf elf(fd, header[EI_CLASS] == ELFCLASS64, header[EI_DATA] == ELFDATA2MSB);
    const char* p = header;
    const uint64_t program_headers = elf.Address(p + (elf.wide_ ? 32 : 28));
    const uint64_t section_headers = elf.Address(p + (elf.wide_ ? 40 : 32));
    const size_t counts = elf.wide_ ? 54 : 42;
    elf.ReadSegments(program_headers, elf.Half(p + counts), elf.Half(p + counts + 2));
    elf.ReadSections(section_headers, elf.Half(p + counts + 4), elf.Half(p + counts + 6),
                     elf.Half(p + counts + 8));
    return elf;
  }

  // Where Go's information may be: address and bytes in the file.
  std::optional<Segment> Place() const {
    if (section_) return section_;
    const auto data = std::find_if(segments_.begin(), segments_.end(),
                                   [](const Segment& segment) { return segment.writable; });
    if (data == segments_.end()) return std::nullopt;
    return *data;
  }

  // Bytes at an address, from the file.
  bool ReadAt(uint64_t address, char* bytes, size_t size) const {
    for (const Segment& segment : segments_) {
      if (address < segment.address || address - segment.address >= segment.file_size) continue;
      const uint64_t within = address - segment.address;
      if (size > segment.file_size - within) return false;
      return ReadExactly(fd_, segment.offset + within, bytes, size);
    }
    return false;
  }

  int fd() const { return fd_; }

 private:
  Elf(int fd, bool wide, bool big) : fd_(fd), wide_(wide), big_(big) {}

  uint32_t Half(const char* p) const { return big_ ? Big16(p) : Little16(p); }
  uint32_t Word(const char* p) const { return big_ ? Big32(p) : Little32(p); }
  uint64_t Address(const char* p) const {
    if (!wide_) return Word(p);
    return big_ ? Big64(p) : Little64(p);
  }

  std::string Table(uint64_t offset, size_t size, size_t count, size_t least) const {
    std::string table;
    if (size < least || count == 0 || offset == 0) return table;
    table.resize(size * std::min(count, kMaxHeaders));
    if (!ReadExactly(fd_, offset, table.data(), table.size())) table.clear();
    return table;
  }

  void ReadSegments(uint64_t offset, size_t size, size_t count) {
    const std::string table = Table(offset, size, count, wide_ ? 56 : 32);
    for (size_t at = 0; at + size <= table.size() && size > 0; at += size) {
      const char* p = table.data() + at;
      if (Word(p) != PT_LOAD) continue;
      Segment segment{};
      segment.offset = Address(p + (wide_ ? 8 : 4));
      segment.address = Address(p + (wide_ ? 16 : 8));
      segment.file_size = Address(p + (wide_ ? 32 : 16));
      segment.writable = (Word(p + (wide_ ? 4 : 24)) & PF_W) != 0;
      segments_.push_back(segment);
    }
  }

  void ReadSections(uint64_t offset, size_t size, size_t count, size_t names_index) {
    const std::string table = Table(offset, size, count, wide_ ? 64 : 40);
    if (table.empty() || (names_index + 1) * size > table.size()) return;
    const auto place = [&](const char* p) {
      return Segment{Address(p + (wide_ ? 16 : 12)), Address(p + (wide_ ? 24 : 16)),
                     Address(p + (wide_ ? 32 : 20)), false};
    };
    const Segment names = place(table.data() + names_index * size);
    constexpr std::string_view kName(".go.buildinfo\0", 14);
    for (size_t at = 0; at + size <= table.size(); at += size) {
      const char* p = table.data() + at;
      const uint64_t name = Word(p);
      char text[kName.size()];
      if (name > names.file_size || names.file_size - name < kName.size()) continue;
      if (!ReadExactly(fd_, names.offset + name, text, sizeof text)) continue;
      if (std::string_view(text, sizeof text) == kName) {
        section_ = place(p);
        return;
      }
    }
  }

  int fd_;
  bool wide_;
  bool big_;
  std::vector<Segment> segments_;
  std::optional<Segment> section_;
};

// Go's varint: seven bits a byte, the lowest first.
std::optional<uint64_t> TakeVarint(std::string_view& bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 63 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[0]);
    bytes.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// A string that follows its length, at `*at` in the file; advances it.
std::optional<std::string> ReadInline(int fd, uint64_t* at) {
  char bytes[10];
  size_t got = sizeof bytes;
  // Near the file's end there may be fewer.
  while (got > 0 && !ReadExactly(fd, *at, bytes, got)) --got;
  std::string_view rest(bytes, got);
  const std::optional<uint64_t> size = TakeVarint(rest);
  if (!size || *size > kMaxText) return std::nullopt;
  std::string text(*size, '\0');
  *at += got - rest.size();
  if (!ReadExactly(fd, *at, text.data(), text.size())) return std::nullopt;
  *at += text.size();
  return text;
}

// A string of Go, which is its address and length, by a pointer to it.
std::optional<std::string> ReadByPointer(const Elf& elf, const char* pointer, size_t size,
                                         bool big) {
  const auto number = [&](const char* p) -> uint64_t {
    if (size == 4) return big ? Big32(p) : Little32(p);
    return big ? Big64(p) : Little64(p);
  };
  const uint64_t address = number(pointer);
  if (address == 0) return std::string();
  char header[16];
  if (!elf.ReadAt(address, header, size * 2)) return std::nullopt;
  const uint64_t length = number(header + size);
  if (length > kMaxText) return std::nullopt;
  std::string text(length, '\0');
  if (!elf.ReadAt(number(header), text.data(), text.size())) return std::nullopt;
  return text;
}

// The linker puts 16 bytes, which mark the place in memory, around the modules.
std::string_view WithoutMarks(std::string_view text) {
  if (text.size() < 33 || text[text.size() - 17] != '\n') return {};
  return text.substr(16, text.size() - 32);
}

std::string_view TakeField(std::string_view& line) {
  const std::string_view field = line.substr(0, line.find('\t'));
  line.remove_prefix(std::min(field.size() + 1, line.size()));
  return field;
}

}  // namespace

std::vector<GoModule> ParseGoModules(std::string_view text) {
  std::vector<GoModule> modules;
  while (!text.empty() && modules.size() < kMaxModules) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::string_view kind = TakeField(line);
    const std::string path(TakeField(line));
    const std::string version(TakeField(line));
    if (kind == "mod" || kind == "dep") {
      modules.push_back({path, version, ""});
    } else if (kind == "=>" && !modules.empty()) {
      modules.back().replaced_by = version.empty() ? path : StrCat(path, " ", version);
    }
  }
  return modules;
}

absl::StatusOr<GoBuildInfo> ReadGoBuildInfo(int fd) {
  const std::optional<Elf> elf = Elf::Open(fd);
  if (!elf) return NotGo();
  const std::optional<Segment> place = elf->Place();
  if (!place) return NotGo();
  std::string bytes(std::min<uint64_t>(place->file_size, kSearched), '\0');
  if (bytes.size() < kInfoHeader || !ReadExactly(fd, place->offset, bytes.data(), bytes.size()))
    return NotGo();
  size_t at = 0;
  while (true) {
    at = bytes.find(kMagic, at);
    if (at == std::string::npos || bytes.size() - at < kInfoHeader) return NotGo();
    if (at % 16 == 0) break;
    ++at;
  }
  const char* header = bytes.data() + at;
  const auto pointer_size = static_cast<size_t>(static_cast<unsigned char>(header[14]));
  const auto flags = static_cast<unsigned char>(header[15]);
  std::optional<std::string> version;
  std::optional<std::string> modules;
  if ((flags & kInline) != 0) {
    uint64_t offset = place->offset + at + kInfoHeader;
    version = ReadInline(fd, &offset);
    if (version) modules = ReadInline(fd, &offset);
  } else {
    if (pointer_size != 4 && pointer_size != 8)
      return Malformed(StrCat("pointers of ", pointer_size, " bytes"));
    const bool big = (flags & kBigEndian) != 0;
    version = ReadByPointer(*elf, header + 16, pointer_size, big);
    if (version) modules = ReadByPointer(*elf, header + 16 + pointer_size, pointer_size, big);
  }
  if (!version || version->empty()) return Malformed("no version");
  if (!modules) return Malformed("no modules");
  GoBuildInfo info;
  info.go_version = *std::move(version);
  info.modules = ParseGoModules(WithoutMarks(*modules));
  return info;
}

}  // namespace dragnet::pkg
