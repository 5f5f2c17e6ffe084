#include "agent/footprint/footprint.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace dragnet {
namespace {

int DropReadOnlySegments(dl_phdr_info* object, size_t, void* page_mask) {
  const auto mask = *static_cast<const uintptr_t*>(page_mask);
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    // Relocated constants (RELRO) are in writable segments: those pages differ
    // from the file and must stay.
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = (object->dlpi_addr + segment.p_vaddr) & ~mask;
    const uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_memsz) & ~mask;
    if (end <= begin) continue;
    // The kernel's own vDSO isn't a file and says EINVAL: nothing to drop there.
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void KeepHeapSmall() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  ::mallopt(M_MMAP_THRESHOLD, 64 * 1024);
}

void ReleaseUnusedMemory() {
  ::malloc_trim(0);
  uintptr_t page_mask = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE)) - 1;
  ::dl_iterate_phdr(DropReadOnlySegments, &page_mask);
}

}  // namespace dragnet
