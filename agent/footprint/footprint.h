// A small resident size for processes that mostly wait. Used by the monitor and
// the link. Thread-safe.
#pragma once

namespace dragnet {

// First thing in main(): one malloc arena, and memory given back early.
void KeepHeapSmall();

// When there is nothing to do: gives free heap back, and unmaps the pages of
// code and constants that were touched so far (madvise(2), MADV_DONTNEED on
// segments that are never written). What is needed again is mapped again from
// the page cache, so that only what an idle process really uses stays resident.
void ReleaseUnusedMemory();

}  // namespace dragnet
