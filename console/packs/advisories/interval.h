// OSV's events as ranges of versions. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/pkg/vulnerable.h"

namespace dragnet::advisories {

struct Event {
  enum class Kind { kIntroduced, kFixed, kLastAffected } kind = Kind::kIntroduced;
  // 0 of an introduced one is the beginning.
  std::string version;
};

// Ranges that are bad, in order. InvalidArgument for a version that isn't one, and for an
// end without a beginning.
absl::StatusOr<std::vector<pkg::VersionRange>> RangesOf(std::string_view type,
                                                        std::vector<Event> events);

// Whether one of the ranges has the version.
bool Contains(std::string_view type, const std::vector<pkg::VersionRange>& ranges,
              std::string_view version);

}  // namespace dragnet::advisories
