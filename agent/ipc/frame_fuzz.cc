// libFuzzer target: a stream of frames from a hostile peer, cut where the first
// byte says, as the monitor reads it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "agent/ipc/frame.h"
#include "agent/ipc/ipc.pb.h"
#include "core/strict_proto.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  constexpr size_t kBound = 4096;
  size_t step = size_t{data[0]} + 1;
  std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  dragnet::FrameDecoder decoder(kBound);
  while (!stream.empty()) {
    decoder.Append(stream.substr(0, step));
    stream.remove_prefix(std::min(step, stream.size()));
    for (;;) {
      absl::StatusOr<std::optional<std::string>> next = decoder.Next();
      if (!next.ok()) return 0;
      if (!next->has_value()) break;
      if ((*next)->size() > kBound) std::abort();
      dragnet::ipc::LinkToMonitor from_link;
      dragnet::ParseStrict(**next, kBound, &from_link).IgnoreError();
      dragnet::ipc::WorkerToMonitor from_worker;
      dragnet::ParseStrict(**next, kBound, &from_worker).IgnoreError();
    }
  }
  return 0;
}
