#include "console/release/elf.h"

#include <elf.h>

#include <cstdint>

#include "core/strings.h"

namespace dragnet::console {
namespace {

absl::Status Invalid(std::string_view problem) {
  return absl::InvalidArgumentError(ToAbsl(problem));
}

// Both halves are read in the order that the file states, whatever this machine's is.
uint16_t Number(std::string_view bytes, size_t offset, bool big_endian) {
  const auto byte = [&](size_t at) {
    return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]));
  };
  const uint16_t first = byte(offset);
  const uint16_t second = byte(offset + 1);
  return static_cast<uint16_t>(big_endian ? first << 8 | second : second << 8 | first);
}

// What uname -m says there; nothing where it says one of several things.
std::string_view ArchOf(uint16_t machine, bool big_endian) {
  switch (machine) {
    case EM_X86_64:
      return "x86_64";
    case EM_AARCH64:
      return big_endian ? "aarch64_be" : "aarch64";
    case EM_RISCV:
      return "riscv64";
    case EM_PPC64:
      return big_endian ? "ppc64" : "ppc64le";
    case EM_S390:
      return "s390x";
    default:
      return "";
  }
}

}  // namespace

bool IsElf(std::string_view bytes) { return bytes.starts_with(std::string_view(ELFMAG, SELFMAG)); }

absl::StatusOr<ProgramPlatform> PlatformOfProgram(std::string_view bytes) {
  if (!IsElf(bytes) || bytes.size() < sizeof(Elf64_Ehdr)) return Invalid("not an ELF program");
  if (bytes[EI_CLASS] != ELFCLASS64) return Invalid("not a 64-bit program");
  if (bytes[EI_DATA] != ELFDATA2LSB && bytes[EI_DATA] != ELFDATA2MSB) {
    return Invalid("its ELF header states no order of bytes");
  }
  const bool big_endian = bytes[EI_DATA] == ELFDATA2MSB;
  if (bytes[EI_OSABI] != ELFOSABI_SYSV && bytes[EI_OSABI] != ELFOSABI_LINUX) {
    return Invalid(StrCat("not a program of Linux (ELF OS ABI ",
                          static_cast<int>(static_cast<uint8_t>(bytes[EI_OSABI])), ")"));
  }
  const uint16_t type = Number(bytes, offsetof(Elf64_Ehdr, e_type), big_endian);
  if (type != ET_EXEC && type != ET_DYN) return Invalid("an ELF file, but no program");
  const uint16_t machine = Number(bytes, offsetof(Elf64_Ehdr, e_machine), big_endian);
  const std::string_view arch = ArchOf(machine, big_endian);
  if (arch.empty()) {
    return Invalid(StrCat("for a processor that isn't known here (ELF machine ",
                          static_cast<int>(machine), ")"));
  }
  return ProgramPlatform{"linux", std::string(arch)};
}

}  // namespace dragnet::console
