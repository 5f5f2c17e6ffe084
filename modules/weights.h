// Whose weight an operation needs (docs/trust.md): one answer for the scheduler and
// the agent's monitor. Data of manifests only, no code of modules. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dragnet/v1/action.pb.h"

namespace dragnet {

// The module that holds checks, and runs nothing itself.
inline constexpr std::string_view kCheckModule = "check";

// The modules that an operation runs: its own, or those of its checks, each once.
// Empty for checks that can't be read, or of which one would hold checks.
std::vector<std::string> ModulesRun(const v1::Operation& operation);
// Of all its operations, each once.
std::vector<std::string> ModulesRun(const v1::Action& action);

// A module and those whose powers it uses. Empty for one that isn't known here.
std::vector<std::string> WeightsNeeded(std::string_view module);

// Of all modules that the operation runs. Empty when one of them isn't known here.
std::vector<std::string> WeightsNeededBy(const v1::Operation& operation);

}  // namespace dragnet
