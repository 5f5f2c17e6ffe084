// Parameters of the module `check`, which two functions read: whose weight they take
// (modules/weights.h) and what the monitor runs (agent/monitor/check_run.h).
#include <algorithm>

#include "agent/monitor/check_run.h"
#include "core/action.h"
#include "modules/manifest.h"
#include "modules/weights.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {

std::vector<std::string> Seeds() {
  check::v1::CheckParameters parameters;
  parameters.set_pack("seed");
  std::vector<std::string> seeds;
  for (const char* module : {"file", "memory", "sshkey", "netstat", "check", "nothing"}) {
    check::v1::Check& check = *parameters.add_checks();
    check.set_id(module);
    check.set_title("It is so");
    check.set_severity("low");
    check.set_module(module);
    check.set_parameters("\x0a\x02\x08\x01");
    check.mutable_expectation()->set_kind(check::v1::Expectation::KIND_FOUND);
    check.mutable_limits()->mutable_wall_time()->set_seconds(5);
    seeds.push_back(parameters.SerializeAsString());
  }
  return seeds;
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  v1::Operation operation;
  operation.set_module("check");
  operation.set_parameters(std::string(fuzz::ToView(data, size)));
  const auto checks = ParseChecks(operation.parameters(), kMaxParameterBytes);
  const std::vector<std::string> needed = WeightsNeededBy(operation);
  // Refused when it is authorised, or when its turn comes.
  if (!checks.ok() || needed.empty()) return 0;
  std::vector<std::string> ids;
  for (const check::v1::Check& check : checks->checks()) {
    const auto has_weight = [&](std::string_view module) {
      return std::find(needed.begin(), needed.end(), module) != needed.end();
    };
    fuzz::Must(check.module() != kCheckModule, "no check holds checks");
    const ModuleManifest* manifest = FindManifest(check.module());
    fuzz::Must(manifest != nullptr, "what runs is there");
    fuzz::Must(has_weight(check.module()), "what runs was signed for with its weight");
    for (const std::string_view used : manifest->uses_powers_of) {
      fuzz::Must(has_weight(used), "so was what it uses");
    }
    fuzz::Must(std::find(ids.begin(), ids.end(), check.id()) == ids.end(),
               "a verdict is known by its check");
    ids.push_back(check.id());
  }
  return 0;
}
