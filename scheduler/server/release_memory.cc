#include "scheduler/server/release_memory.h"

// gperftools/malloc_extension_c.h, of whose library only the program is linked.
extern "C" void MallocExtension_ReleaseFreeMemory() __attribute__((weak));

namespace dragnet::scheduler {

void ReleaseFreeMemory() {
  if (MallocExtension_ReleaseFreeMemory != nullptr) MallocExtension_ReleaseFreeMemory();
}

}  // namespace dragnet::scheduler
