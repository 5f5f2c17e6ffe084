// What dragnet-worker's exit status tells the monitor beyond its messages.
#pragma once

namespace dragnet {

// A job was run; its summary, or why it failed, was written.
inline constexpr int kWorkerDone = 0;
// No job could be read, or its result not be written.
inline constexpr int kWorkerProtocol = 2;
// An allocation failed under RLIMIT_AS: there was no memory left to say so in.
inline constexpr int kWorkerOutOfMemory = 70;

}  // namespace dragnet
