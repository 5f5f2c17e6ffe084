#include "tests/load/behaviour.h"

#include "absl/strings/numbers.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "tests/load/answer.h"

namespace dragnet::load {
namespace {

constexpr std::pair<Lie, std::string_view> kNames[] = {{Lie::kNone, ""},
                                                       {Lie::kCounts, "counts"},
                                                       {Lie::kRepeat, "repeat"},
                                                       {Lie::kReorder, "reorder"},
                                                       {Lie::kIdentity, "identity"},
                                                       {Lie::kUnsent, "unsent"},
                                                       {Lie::kOversize, "oversize"},
                                                       {Lie::kEndless, "endless"},
                                                       {Lie::kEmpty, "empty"},
                                                       {Lie::kGarbage, "garbage"}};

// 0 to 1.
double Point(uint64_t seed, std::string_view what, uint32_t index) {
  return static_cast<double>(Chance(seed, what, index) % 1'000'000) / 1'000'000;
}

}  // namespace

std::string_view NameOf(Lie lie) {
  for (const auto& [kind, name] : kNames)
    if (kind == lie) return name;
  return "";
}

absl::StatusOr<double> ParseShare(std::string_view text) {
  double percent = 0;
  if (!text.ends_with('%') ||
      !absl::SimpleAtod(ToAbsl(text.substr(0, text.size() - 1)), &percent) || percent < 0 ||
      percent > 100)
    return absl::InvalidArgumentError(StrCat("'", text, "': expected a share, as in 2%"));
  return percent / 100;
}

absl::StatusOr<std::pair<Lie, double>> ParseLie(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals != std::string_view::npos) {
    for (const auto& [kind, name] : kNames) {
      if (kind == Lie::kNone || name != text.substr(0, equals)) continue;
      DRAGNET_ASSIGN_OR_RETURN(const double share, ParseShare(text.substr(equals + 1)));
      return std::pair(kind, share);
    }
  }
  return absl::InvalidArgumentError(
      StrCat("'", text,
             "': expected KIND=SHARE; kinds: counts, repeat, reorder, identity, unsent, oversize,"
             " endless, empty, garbage"));
}

Lie LieOf(const Misbehaviour& misbehaviour, uint64_t seed, uint32_t index) {
  double point = Point(seed, "lie", index);
  for (const auto& [lie, share] : misbehaviour.lies)
    if ((point -= share) < 0) return lie;
  return Lie::kNone;
}

bool IsSlowReader(const Misbehaviour& misbehaviour, uint64_t seed, uint32_t index) {
  return Point(seed, "slow", index) < misbehaviour.slow_readers;
}

bool IsBlackHole(const Misbehaviour& misbehaviour, uint64_t seed, uint32_t index) {
  return Point(seed, "hole", index) < misbehaviour.black_holes;
}

}  // namespace dragnet::load
