// Versions as scribe's documents compare them. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string_view>

namespace dragnet::scribe {

// Whose ordering a version follows.
enum class Ordering : uint8_t { kRpm, kDpkg, kApk };

// Negative, 0 or positive when `a` is older than, as old as, or newer than `b`.
// By RPM's rules, [epoch:]version[-release], where no release is the oldest one.
int CompareVersions(Ordering ordering, std::string_view a, std::string_view b);

}  // namespace dragnet::scribe
