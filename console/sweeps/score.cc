#include "console/sweeps/score.h"

#include "core/strings.h"

namespace dragnet::console {

VerdictStatus VerdictStatusOf(std::string_view word) {
  if (word == "pass") return VerdictStatus::kPass;
  if (word == "fail") return VerdictStatus::kFail;
  if (word == "not_applicable") return VerdictStatus::kNotApplicable;
  return VerdictStatus::kUnknown;
}

std::string_view WordOf(VerdictStatus status) {
  switch (status) {
    case VerdictStatus::kNotApplicable:
      return "not_applicable";
    case VerdictStatus::kPass:
      return "pass";
    case VerdictStatus::kFail:
      return "fail";
    case VerdictStatus::kUnknown:
      break;
  }
  return "unknown";
}

void Count(VerdictStatus status, v1::VerdictCounts* counts) {
  switch (status) {
    case VerdictStatus::kNotApplicable:
      return counts->set_not_applicable(counts->not_applicable() + 1);
    case VerdictStatus::kPass:
      return counts->set_passed(counts->passed() + 1);
    case VerdictStatus::kFail:
      return counts->set_failed(counts->failed() + 1);
    case VerdictStatus::kUnknown:
      return counts->set_unknown(counts->unknown() + 1);
  }
}

void Add(const v1::VerdictCounts& more, v1::VerdictCounts* counts) {
  counts->set_passed(counts->passed() + more.passed());
  counts->set_failed(counts->failed() + more.failed());
  counts->set_unknown(counts->unknown() + more.unknown());
  counts->set_not_applicable(counts->not_applicable() + more.not_applicable());
}

uint64_t ScoredOf(const v1::VerdictCounts& counts) {
  return counts.passed() + counts.failed() + counts.unknown();
}

uint64_t AllOf(const v1::VerdictCounts& counts) {
  return ScoredOf(counts) + counts.not_applicable();
}

VerdictStatus WorstOf(const v1::VerdictCounts& counts) {
  if (counts.failed() > 0) return VerdictStatus::kFail;
  if (counts.unknown() > 0) return VerdictStatus::kUnknown;
  return counts.passed() > 0 ? VerdictStatus::kPass : VerdictStatus::kNotApplicable;
}

std::optional<int> ScoreOf(const v1::VerdictCounts& counts) {
  const uint64_t scored = ScoredOf(counts);
  if (scored == 0) return std::nullopt;
  // A product of hostile counts could overflow; a share can't.
  if (counts.passed() >= scored) return counts.failed() + counts.unknown() == 0 ? 1000 : 999;
  const long double share =
      static_cast<long double>(counts.passed()) / static_cast<long double>(scored);
  const int tenths = static_cast<int>(share * 1000);
  return tenths > 999 ? 999 : tenths;
}

std::string ScoreText(const v1::VerdictCounts& counts) {
  const std::optional<int> score = ScoreOf(counts);
  if (!score.has_value()) return "–";
  return StrCat(*score / 10, ".", *score % 10, "%");
}

}  // namespace dragnet::console
