#include "modules/memory/reader.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::memory {
namespace {

// linux/Documentation/admin-guide/mm/pagemap.rst: present, or swapped out.
constexpr uint64_t kPopulated = uint64_t{3} << 62;
// As many as the kernel fills at once: 2 MiB of memory each, times 16.
constexpr size_t kPagemapEntries = 8192;
constexpr uint64_t kMaxHole = 64 * 1024;

// "SwapFree:   123 kB"; nothing when it isn't there.
std::optional<uint64_t> FieldOf(std::string_view meminfo, std::string_view name) {
  for (absl::string_view line : absl::StrSplit(ToAbsl(meminfo), '\n')) {
    if (!absl::ConsumePrefix(&line, ToAbsl(name))) continue;
    uint64_t value = 0;
    line = absl::StripAsciiWhitespace(line);
    if (absl::ConsumeSuffix(&line, " kB") && absl::SimpleAtoi(line, &value)) return value;
  }
  return std::nullopt;
}

}  // namespace

bool IsSharedMemory(const Region& region, std::string_view name) {
  return name.starts_with("/memfd:") || name.starts_with("/SYSV") ||
         name.starts_with("/dev/zero") || name.starts_with("/dev/shm/") ||
         name.starts_with("/anon_hugepage") || (region.shared() && region.device_major == 0);
}

bool SwapIsUsed(std::string_view meminfo) {
  const std::optional<uint64_t> total = FieldOf(meminfo, "SwapTotal:");
  const std::optional<uint64_t> free = FieldOf(meminfo, "SwapFree:");
  return !total || !free || *free < *total;
}

RegionKind KindOf(const Region& region, std::string_view name) {
  if (name.starts_with("[vvar") || name.starts_with("[vsyscall")) return RegionKind::kSkipped;
  if (name.empty() || (name[0] == '[' && region.inode == 0)) return RegionKind::kSparse;
  if (IsSharedMemory(region, name)) return RegionKind::kSparse;
  if (name[0] != '/' || name.starts_with("/dev/") || name.starts_with("/dmabuf"))
    return RegionKind::kDevice;
  return RegionKind::kFile;
}

absl::StatusOr<MemoryReader> MemoryReader::Open(const Process& process) {
  // Asks the kernel the same as process_vm_readv does: may this one be traced?
  UniqueFd memory = process.OpenFile("mem");
  if (!memory.valid()) return ErrnoStatus("open its memory", errno);
  return MemoryReader(process, std::move(memory), process.OpenFile("pagemap"));
}

void MemoryReader::ReadPagemap(uint64_t address, size_t pages) {
  entries_.assign(pages, kPopulated);
  if (!pagemap_.valid()) return;
  size_t done = 0;
  while (done < pages * sizeof(uint64_t)) {
    const ssize_t got = ::pread(pagemap_.get(), reinterpret_cast<char*>(entries_.data()) + done,
                                pages * sizeof(uint64_t) - done,
                                static_cast<off_t>(address / kPage * sizeof(uint64_t) + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
}

void MemoryReader::FindSpans(RegionKind kind, uint64_t from, uint64_t to,
                             std::vector<Span>* spans) {
  spans->clear();
  if (kind == RegionKind::kSkipped) return;
  if (kind != RegionKind::kSparse) {
    spans->push_back({from, to});
    return;
  }
  const uint64_t first = from / kPage * kPage;
  for (uint64_t address = first; address < to;) {
    const size_t pages = std::min<uint64_t>(kPagemapEntries, (to - address + kPage - 1) / kPage);
    ReadPagemap(address, pages);
    for (size_t i = 0; i < pages; ++i, address += kPage) {
      if ((entries_[i] & kPopulated) == 0) continue;
      // With a page of the zeros around it, for what spans its ends.
      const uint64_t start = std::max(from, address < first + kPage ? first : address - kPage);
      const uint64_t end = to - address <= 2 * kPage ? to : address + 2 * kPage;
      if (!spans->empty() && start <= spans->back().end + kMaxHole) {
        spans->back().end = end;
      } else {
        spans->push_back({start, end});
      }
    }
  }
}

size_t MemoryReader::Read(const Region& region, RegionKind kind, uint64_t address, char* to,
                          size_t size) {
  if (kind != RegionKind::kSparse) return ReadRaw(region, address, to, size);
  const uint64_t first = address / kPage * kPage;
  const uint64_t end = address + size;
  const size_t pages = (end - first + kPage - 1) / kPage;
  ReadPagemap(first, pages);
  size_t page = 0;
  while (page < pages) {
    const bool populated = (entries_[page] & kPopulated) != 0;
    size_t next = page + 1;
    while (next < pages && ((entries_[next] & kPopulated) != 0) == populated) ++next;
    const uint64_t run_start = std::max(address, first + page * kPage);
    const uint64_t run_end = std::min(end, first + next * kPage);
    char* run_to = to + (run_start - address);
    if (!populated) {
      std::memset(run_to, 0, run_end - run_start);
    } else if (const size_t got = ReadRaw(region, run_start, run_to, run_end - run_start);
               got < run_end - run_start) {
      return run_start - address + got;
    }
    page = next;
  }
  return size;
}

size_t MemoryReader::ReadRaw(const Region& region, uint64_t address, char* to, size_t size) {
  size_t done = 0;
  while (use_call_ && region.readable() && done < size) {
    const iovec local{to + done, size - done};
    const iovec remote{reinterpret_cast<void*>(address + done), size - done};
    const ssize_t got = ::process_vm_readv(process_->pid(), &local, 1, &remote, 1, 0);
    if (got > 0) {
      done += static_cast<size_t>(got);
    } else if (got < 0 && (errno == ENOSYS || errno == EPERM)) {
      use_call_ = false;
    } else {
      return done;
    }
  }
  while (done < size) {
    const ssize_t got =
        ::pread(memory_.get(), to + done, size - done, static_cast<off_t>(address + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

bool MemoryReader::IsPopulated(uint64_t address) {
  if (!pagemap_.valid()) return true;
  uint64_t entry = 0;
  return ::pread(pagemap_.get(), &entry, sizeof(entry),
                 static_cast<off_t>(address / kPage * sizeof(entry))) == sizeof(entry) &&
         (entry & kPopulated) != 0;
}

}  // namespace dragnet::memory
