// Verdicts counted, and what is made of the counts. Thread-safe: no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

// From the best to the worst.
enum class VerdictStatus { kNotApplicable, kPass, kUnknown, kFail };

// "pass", "fail", "not_applicable". Any other word is kUnknown: never a pass.
VerdictStatus VerdictStatusOf(std::string_view word);
std::string_view WordOf(VerdictStatus status);

void Count(VerdictStatus status, v1::VerdictCounts* counts);
void Add(const v1::VerdictCounts& more, v1::VerdictCounts* counts);
// All of them; those that count for the score.
uint64_t AllOf(const v1::VerdictCounts& counts);
uint64_t ScoredOf(const v1::VerdictCounts& counts);
// kNotApplicable also where there are none.
VerdictStatus WorstOf(const v1::VerdictCounts& counts);

// passed / (passed + failed + unknown), in tenths of a percent, rounded down: 1000 is
// every one. What is unknown counts as not passed, what isn't applicable doesn't count.
// Nothing when none count.
std::optional<int> ScoreOf(const v1::VerdictCounts& counts);
// "98.6%"; "–" when there is none.
std::string ScoreText(const v1::VerdictCounts& counts);

}  // namespace dragnet::console
