#include "modules/file/elf.h"

#include <elf.h>
#include <string.h>

#include <algorithm>
#include <bit>

#include "core/strings.h"

namespace dragnet::file {
namespace {

constexpr size_t kMaxHeaders = 4096;
constexpr size_t kMaxDynamicBytes = 1024 * 1024;
constexpr size_t kMaxNoteBytes = 64 * 1024;
constexpr size_t kMaxNameBytes = 4096;
constexpr size_t kMaxBuildIdBytes = 64;

std::string TypeWord(uint16_t type) {
  switch (type) {
    case ET_EXEC:
      return "exec";
    case ET_DYN:
      return "dyn";
    case ET_REL:
      return "rel";
    case ET_CORE:
      return "core";
    default:
      return StrCat(type);
  }
}

std::string MachineWord(uint16_t machine) {
  switch (machine) {
    case EM_386:
      return "i386";
    case EM_X86_64:
      return "x86-64";
    case EM_ARM:
      return "arm";
    case EM_AARCH64:
      return "aarch64";
    case EM_RISCV:
      return "riscv";
    case EM_PPC64:
      return "ppc64";
    case EM_S390:
      return "s390";
    case EM_MIPS:
      return "mips";
    case EM_BPF:
      return "bpf";
    default:
      return StrCat(machine);
  }
}

// Types of the two classes.
struct Elf32 {
  using Header = Elf32_Ehdr;
  using Segment = Elf32_Phdr;
  using Section = Elf32_Shdr;
  using Dynamic = Elf32_Dyn;
};
struct Elf64 {
  using Header = Elf64_Ehdr;
  using Segment = Elf64_Phdr;
  using Section = Elf64_Shdr;
  using Dynamic = Elf64_Dyn;
};

template <typename Class>
class Reader {
 public:
  Reader(const ReadAt& read_at, bool swapped) : read_at_(read_at), swapped_(swapped) {}

  ElfInfo Read() {
    typename Class::Header header;
    if (!ReadOne(0, &header)) return Damaged();
    info_.type = TypeWord(Get(header.e_type));
    info_.machine = MachineWord(Get(header.e_machine));
    // More than 65534 of either is told elsewhere; only core files have so many.
    const size_t segments = Get(header.e_phnum), sections = Get(header.e_shnum);
    if (segments > 0) ReadSegments(Get(header.e_phoff), Get(header.e_phentsize), segments);
    // Kernel modules and other object files have their notes in sections only.
    if (info_.build_id.empty() && sections > 0)
      ReadSectionNotes(Get(header.e_shoff), Get(header.e_shentsize), sections);
    return std::move(info_);
  }

 private:
  template <typename Integer>
  Integer Get(Integer value) const {
    if (!swapped_) return value;
    auto* bytes = reinterpret_cast<unsigned char*>(&value);
    std::reverse(bytes, bytes + sizeof value);
    return value;
  }

  template <typename Record>
  bool ReadOne(uint64_t offset, Record* record) {
    return read_at_(offset, reinterpret_cast<char*>(record), sizeof *record);
  }

  ElfInfo Damaged() {
    info_.damaged = true;
    return std::move(info_);
  }

  template <typename Record>
  bool ReadTable(uint64_t offset, size_t entry_size, size_t count, std::vector<Record>* records) {
    if (entry_size != sizeof(Record)) return false;
    const size_t taken = std::min(count, kMaxHeaders);
    if (taken < count) info_.damaged = true;
    records->resize(taken);
    return taken == 0 ||
           read_at_(offset, reinterpret_cast<char*>(records->data()), taken * sizeof(Record));
  }

  void ReadSegments(uint64_t offset, size_t entry_size, size_t count) {
    if (!ReadTable(offset, entry_size, count, &segments_)) {
      segments_.clear();
      info_.damaged = true;
      return;
    }
    for (const auto& segment : segments_) {
      const uint64_t at = Get(segment.p_offset), size = Get(segment.p_filesz);
      switch (Get(segment.p_type)) {
        case PT_INTERP:
          if (!ReadString(at, std::min<uint64_t>(size, kMaxNameBytes), &info_.interpreter))
            info_.damaged = true;
          break;
        case PT_NOTE:
          // A core file's notes are other processes' state.
          if (info_.type != "core") ReadNotes(at, size);
          break;
        case PT_DYNAMIC:
          ReadDynamic(at, size);
          break;
      }
    }
  }

  void ReadSectionNotes(uint64_t offset, size_t entry_size, size_t count) {
    std::vector<typename Class::Section> sections;
    if (!ReadTable(offset, entry_size, count, &sections)) {
      // Nothing at run time needs them: a stripped tail is no damage.
      return;
    }
    for (const auto& section : sections) {
      if (Get(section.sh_type) == SHT_NOTE && info_.build_id.empty())
        ReadNotes(Get(section.sh_offset), Get(section.sh_size));
    }
  }

  void ReadNotes(uint64_t offset, uint64_t size) {
    if (size > kMaxNoteBytes) {
      size = kMaxNoteBytes;
      info_.damaged = true;
    }
    std::string notes(size, '\0');
    if (!read_at_(offset, notes.data(), notes.size())) {
      info_.damaged = true;
      return;
    }
    constexpr size_t kHeader = sizeof(Elf64_Nhdr);
    // Names and descriptions are padded to four bytes.
    for (size_t at = 0; notes.size() - at >= kHeader;) {
      Elf64_Nhdr note;
      memcpy(&note, notes.data() + at, sizeof note);
      at += kHeader;
      const size_t name_size = Get(note.n_namesz), desc_size = Get(note.n_descsz);
      const size_t left = notes.size() - at;
      if (name_size > left || desc_size > left) return;
      const size_t name_room = (name_size + 3) / 4 * 4, desc_room = (desc_size + 3) / 4 * 4;
      if (name_room > left || desc_size > left - name_room) return;
      const std::string_view name(notes.data() + at, name_size);
      if (Get(note.n_type) == NT_GNU_BUILD_ID && name == std::string_view("GNU\0", 4) &&
          desc_size <= kMaxBuildIdBytes && info_.build_id.empty()) {
        info_.build_id.assign(notes, at + name_room, desc_size);
      }
      at += std::min(left, name_room + desc_room);
    }
  }

  void ReadDynamic(uint64_t offset, uint64_t size) {
    if (size > kMaxDynamicBytes) {
      size = kMaxDynamicBytes;
      info_.damaged = true;
    }
    std::vector<typename Class::Dynamic> entries(size / sizeof(typename Class::Dynamic));
    if (entries.empty()) return;
    if (!read_at_(offset, reinterpret_cast<char*>(entries.data()),
                  entries.size() * sizeof entries[0])) {
      info_.damaged = true;
      return;
    }
    uint64_t strings = 0, strings_size = UINT64_MAX;
    std::vector<uint64_t> names;
    for (const auto& entry : entries) {
      const auto tag = Get(entry.d_tag);
      if (tag == DT_NULL) break;
      const uint64_t value = Get(entry.d_un.d_val);
      if (tag == DT_STRTAB) strings = value;
      if (tag == DT_STRSZ) strings_size = value;
      if (tag == DT_NEEDED) names.push_back(value);
    }
    if (names.empty()) return;
    const std::optional<uint64_t> table = OffsetOf(strings);
    for (uint64_t name : names) {
      std::string text;
      if (info_.needed.size() >= kMaxNeeded || !table || name >= strings_size ||
          !ReadString(*table + name, std::min<uint64_t>(strings_size - name, kMaxNameBytes),
                      &text)) {
        info_.damaged = true;
        return;
      }
      info_.needed.push_back(std::move(text));
    }
  }

  // Where in the file the address is.
  std::optional<uint64_t> OffsetOf(uint64_t address) const {
    for (const auto& segment : segments_) {
      if (Get(segment.p_type) != PT_LOAD) continue;
      const uint64_t start = Get(segment.p_vaddr);
      if (address >= start && address - start < Get(segment.p_filesz))
        return Get(segment.p_offset) + (address - start);
    }
    return std::nullopt;
  }

  // Up to a NUL, which must be within `size` bytes. In small steps, because the
  // end of the file may be near.
  bool ReadString(uint64_t offset, size_t size, std::string* text) {
    char buffer[64];
    for (size_t done = 0; done < size;) {
      size_t step = std::min(sizeof buffer, size - done);
      while (step > 0 && !read_at_(offset + done, buffer, step)) step /= 2;
      if (step == 0) return false;
      const char* end = static_cast<const char*>(memchr(buffer, '\0', step));
      text->append(buffer, end != nullptr ? end - buffer : step);
      if (end != nullptr) return true;
      done += step;
    }
    return false;
  }

  const ReadAt& read_at_;
  const bool swapped_;
  ElfInfo info_;
  std::vector<typename Class::Segment> segments_;
};

}  // namespace

std::optional<ElfInfo> ReadElf(const ReadAt& read_at) {
  unsigned char ident[EI_NIDENT];
  if (!read_at(0, reinterpret_cast<char*>(ident), sizeof ident) ||
      memcmp(ident, ELFMAG, SELFMAG) != 0) {
    return std::nullopt;
  }
  const unsigned char own = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;
  const bool swapped = ident[EI_DATA] != own;
  if (ident[EI_DATA] == ELFDATA2LSB || ident[EI_DATA] == ELFDATA2MSB) {
    if (ident[EI_CLASS] == ELFCLASS64) return Reader<Elf64>(read_at, swapped).Read();
    if (ident[EI_CLASS] == ELFCLASS32) return Reader<Elf32>(read_at, swapped).Read();
  }
  ElfInfo info;
  info.damaged = true;
  return info;
}

}  // namespace dragnet::file
