// Gives back the memory that an idling process doesn't use. Thread-safe.
#pragma once

namespace dragnet {

// Free heap, and the mapped pages of the program's own code: the kernel maps 16
// pages around each one that is touched, so starting up leaves nearly all of a
// program resident. What is still needed is mapped again from the page cache
// when it is next used, some microseconds for each 64 KiB.
void ReturnIdleMemory();

}  // namespace dragnet
