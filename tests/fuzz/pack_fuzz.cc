// Packs: any text as the file of a pack, which includes itself under other names, and
// as a baseline.
#include "console/check/baseline.h"
#include "console/packs/pack_loader.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/check/validate.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {

std::vector<std::string> Seeds() {
  return {
      "id: demo\ntitle: Demo\nversion: 1\nvariables: {where: /etc, names: [a, b], n: 3}\n"
      "checks:\n  - id: a\n    title: In ${where}\n    severity: high\n    reference: [x, y]\n"
      "    module: file\n    parameters:\n      searches:\n        - paths: ${where}\n"
      "          names: ${names}\n          max_depth: ${n}\n          yara: {file: rules}\n"
      "    expect: {all: \"uid = 0\", at_least: 0}\n    limits: {wall_time: 30s}\n",
      "id: demo\ntitle: Demo\nchecks:\n  - {id: a, title: A, severity: low, command: \"file --path "
      "/etc --name '^passwd$'\", expect: found, applies_when: os='linux'}\n",
      "id: demo\ntitle: Demo\ninclude:\n  - other.yaml\n  - {file: sub/x.yaml, only: [\"a*\"], "
      "except: b, variables: {where: /x}, severity: {a: low}}\n",
      "id: demo\ntitle: Demo\nchecks:\n  - id: a\n    title: A\n    severity: low\n    module: "
      "pkg\n"
      "    parameters: {compares: ['openssl < 3']}\n    expect: {count: {where: name = 'x', min: "
      "1}}\n",
      "- check: demo/a\n  reason: because\n  expires: 2027-03-31\n  hosts: [a*, b]\n"
      "  evidence: '\"path\":\"/x\"'\n",
      "a: &x [*x, *x]\n",
      "{{{{[[[[- - - - ? : |\n  >\n",
      "a: |+\n  text\n\n\nb: >-\n  more\n'c': \"\\x1b\\u202e\"\n",
  };
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  using namespace dragnet::console;
  static const ModuleCatalog modules{AllModules(), ModuleDescriptorSet};
  const std::string text(fuzz::ToView(data, size));
  const auto check_lines = [](const Problems& problems) {
    fuzz::Must(problems.ErrorLines().size() <= kMaxProblems + 1, "errors are bounded");
    for (const std::string& line : problems.ErrorLines()) {
      fuzz::Must(line == ForTerminal(line), "an error is one line that can be shown");
    }
  };
  Problems problems;
  std::map<std::string, bool> used;
  const PackFileSource source = [&](const std::string& path,
                                    size_t) -> absl::StatusOr<std::string> {
    fuzz::Must(path.find("..") == std::string::npos || path.find("/../") == std::string::npos,
               "files are within the directory");
    fuzz::Must(!path.empty() && path.front() != '/', "files are within the directory");
    return text;
  };
  const auto pack = LoadPackFrom(
      source, "", "p.yaml", {.modules = modules, .now = absl::UnixEpoch(), .set = {{"n", "4"}}},
      &used, &problems);
  check_lines(problems);
  fuzz::Must(pack.has_value() == problems.ok(), "there is a pack or an error");
  if (pack.has_value()) {
    fuzz::Must(ValidateChecks(pack->parameters, FindModule).ok(), "a pack that loads can run");
    fuzz::Must(pack->places.size() == static_cast<size_t>(pack->parameters.checks_size()),
               "each check has its place");
  }
  Problems of_baseline;
  const auto baseline = Baseline::Parse(text, "b.yaml", &of_baseline);
  check_lines(of_baseline);
  fuzz::Must(baseline.has_value() == of_baseline.ok(), "there is a baseline or an error");
  return 0;
}
