// Reads another process's memory without stopping it.
//
// process_vm_readv(2) never touches the memory of devices (the kernel refuses
// VM_IO and VM_PFNMAP), so it is the way for all that the process itself can
// read. What it can't read itself, and everything where that call is denied, is
// read from /proc/PID/mem.
//
// Pages that were never written to are not read but taken as zeros: reading them
// would make the kernel allocate page tables, for shared memory even pages, and
// could wait for ever for a process that serves its own page faults
// (userfaultfd). /proc/PID/pagemap says which they are.
//
// Not thread-safe.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/unique_fd.h"
#include "modules/memory/maps.h"
#include "modules/memory/process.h"

namespace dragnet::memory {

// 4 KiB, or 16 or 64 on some hosts.
inline const uint64_t kPage = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));

// Part of a region that there is something in.
struct Span {
  uint64_t start = 0;
  uint64_t end = 0;
};

// Memory that processes share: a file of tmpfs or the like, named or not.
bool IsSharedMemory(const Region& region, std::string_view name);

// Whether anything is swapped out, by the text of /proc/meminfo. True when it
// doesn't say.
bool SwapIsUsed(std::string_view meminfo);

enum class RegionKind {
  // The kernel's own data.
  kSkipped,
  // Only what is populated can hold anything: anonymous and shared memory.
  kSparse,
  // A file: what isn't in memory yet is read from it.
  kFile,
  // A device, or something else that isn't a file.
  kDevice,
};
RegionKind KindOf(const Region& region, std::string_view name);

class MemoryReader {
 public:
  // errno if it may not be read. `process` outlives the reader.
  static absl::StatusOr<MemoryReader> Open(const Process& process);

  // The parts of [from, to) of a region that are worth reading, in ascending
  // order, holes of up to 64 KiB included. Call it for at most kSlice at a time,
  // to bound `spans`.
  static constexpr uint64_t kSlice = uint64_t{1} << 30;
  void FindSpans(RegionKind kind, uint64_t from, uint64_t to, std::vector<Span>* spans);

  // Copies memory of one region from `address` on; returns how many bytes could
  // be read before one that couldn't.
  size_t Read(const Region& region, RegionKind kind, uint64_t address, char* to, size_t size);

  // Whether a page that could not be read is there nevertheless.
  bool IsPopulated(uint64_t address);

 private:
  MemoryReader(const Process& process, UniqueFd memory, UniqueFd pagemap)
      : process_(&process), memory_(std::move(memory)), pagemap_(std::move(pagemap)) {}

  // Entries of so many pages; all are populated if the kernel doesn't say.
  void ReadPagemap(uint64_t address, size_t pages);
  size_t ReadRaw(const Region& region, uint64_t address, char* to, size_t size);

  const Process* process_;
  UniqueFd memory_;
  UniqueFd pagemap_;
  bool use_call_ = true;
  std::vector<uint64_t> entries_;
};

}  // namespace dragnet::memory
