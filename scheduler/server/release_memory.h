// Gives back to the system what the allocator keeps for later: after a fleet has
// connected, handshakes leave tens of megabytes. Thread-safe; without tcmalloc
// it does nothing.
#pragma once

namespace dragnet::scheduler {

void ReleaseFreeMemory();

}  // namespace dragnet::scheduler
