// What every fuzz target here defines. A target looks at one input from someone
// who may be hostile, and aborts when something that must always hold doesn't.
//
// Built twice: with clang and DRAGNET_FUZZ as a libFuzzer program (fuzz.sh), and
// always as a test that runs the seeds and some thousand mutations of them,
// the same ones each time (replay_test.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace dragnet::fuzz {

// Inputs to begin with: what honest programs send.
std::vector<std::string> Seeds();

inline std::string_view ToView(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline void Must(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz: this must hold and doesn't: %s\n", what);
  std::abort();
}

}  // namespace dragnet::fuzz
