#include "console/packs/advisories/interval.h"

#include <algorithm>
#include <utility>

#include "core/strings.h"

namespace dragnet::advisories {
namespace {

bool IsBeginning(const Event& event) {
  return event.kind == Event::Kind::kIntroduced && event.version == "0";
}

}  // namespace

absl::StatusOr<std::vector<pkg::VersionRange>> RangesOf(std::string_view type,
                                                        std::vector<Event> events) {
  for (const Event& event : events) {
    if (!IsBeginning(event) && !pkg::IsVersionOf(type, event.version))
      return absl::InvalidArgumentError(
          StrCat("version '", event.version, "' isn't one as ", type, " has them"));
  }
  // The schema leaves the order open. At one version what ends there comes first,
  // except that what is introduced there may be affected there last.
  std::stable_sort(events.begin(), events.end(), [&](const Event& a, const Event& b) {
    if (IsBeginning(a) != IsBeginning(b)) return IsBeginning(a);
    if (IsBeginning(a)) return false;
    const int order = pkg::CompareVersions(type, a.version, b.version);
    if (order != 0) return order < 0;
    const auto rank = [](const Event& event) {
      return event.kind == Event::Kind::kFixed ? 0 : event.kind == Event::Kind::kIntroduced ? 1 : 2;
    };
    return rank(a) < rank(b);
  });
  std::vector<pkg::VersionRange> ranges;
  bool open = false;
  pkg::VersionRange range;
  for (Event& event : events) {
    if (event.kind == Event::Kind::kIntroduced) {
      if (open) continue;
      open = true;
      range.clear();
      if (!IsBeginning(event))
        range.push_back({pkg::Comparison::kGreaterOrEqual, std::move(event.version)});
      continue;
    }
    if (!open) {
      // A second fix of what is fixed already (of another branch) says nothing new.
      if (!ranges.empty()) continue;
      return absl::InvalidArgumentError(
          StrCat("version '", event.version, "' ends a range that none begins"));
    }
    range.push_back(
        {event.kind == Event::Kind::kFixed ? pkg::Comparison::kLess : pkg::Comparison::kLessOrEqual,
         std::move(event.version)});
    ranges.push_back(std::move(range));
    range.clear();
    open = false;
  }
  if (open) ranges.push_back(std::move(range));
  return ranges;
}

bool Contains(std::string_view type, const std::vector<pkg::VersionRange>& ranges,
              std::string_view version) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const pkg::VersionRange& range) {
    return std::all_of(range.begin(), range.end(), [&](const pkg::VersionBound& bound) {
      return pkg::HoldsComparison(bound.comparison,
                                  pkg::CompareVersions(type, version, bound.version));
    });
  });
}

}  // namespace dragnet::advisories
