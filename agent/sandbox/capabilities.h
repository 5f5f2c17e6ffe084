// Capability sets by system call (capabilities(7)): libcap-ng allocates and
// keeps state, which won't do between fork and exec.
//
// Thread-safe and async-signal-safe; per thread, as the kernel has it.
#pragma once

#include <cstdint>
#include <string>

namespace dragnet::sandbox {

// Bit n stands for capability n.
using CapabilityMask = uint64_t;

constexpr CapabilityMask MaskOf(int capability) { return CapabilityMask{1} << capability; }

struct CapabilitySets {
  CapabilityMask effective = 0;
  CapabilityMask permitted = 0;
  CapabilityMask inheritable = 0;
};

// 0, or -1 with errno.
int GetCapabilities(CapabilitySets* sets);
int SetCapabilities(const CapabilitySets& sets);

// "CAP_SYS_ADMIN"; "capability 63" for one without a name. Not async-signal-safe.
std::string CapabilityName(int capability);

}  // namespace dragnet::sandbox
