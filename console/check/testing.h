// Packs and results for tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "console/check/result.h"
#include "console/packs/pack_loader.h"

namespace dragnet::console::testing {

// Three checks of a pack "demo": root-login (high), ciphers (medium), ports (low).
inline Pack DemoPack() {
  Pack pack;
  pack.file = "packs/demo.yaml";
  pack.parameters.set_pack("demo");
  pack.parameters.set_title("A demo");
  pack.parameters.set_version("1.2");
  const auto file = std::make_shared<const std::string>(pack.file);
  const auto add = [&](std::string_view id, std::string_view title, std::string_view severity) {
    auto* check = pack.parameters.add_checks();
    check->set_id(std::string(id));
    check->set_title(std::string(title));
    check->set_severity(std::string(severity));
    pack.places.push_back({.file = file, .line = 5 * pack.parameters.checks_size(), .column = 5});
    return check;
  };
  auto* login = add("root-login", "Root can't log in", "high");
  login->add_references("CIS 5.1.20");
  login->add_references("https://example.org/root");
  login->set_remediation("Set \"PermitRootLogin no\".\nThen reload sshd.");
  add("ciphers", "Ciphers are strong & <new>", "medium");
  add("ports", "Few ports are open", "low");
  return pack;
}

inline CheckResult ResultOf(const Pack& pack, int index, CheckStatus status,
                            std::string_view reason,
                            const std::vector<std::string>& evidence = {}) {
  CheckResult result;
  result.pack = &pack;
  result.index = index;
  result.status = status;
  result.verdict.set_check(result.check().id());
  result.verdict.set_status(std::string(StatusWord(status)));
  result.verdict.set_severity(result.check().severity());
  result.verdict.set_title(result.check().title());
  result.verdict.set_reason(std::string(reason));
  for (const std::string& row : evidence) result.verdict.add_evidence(row);
  result.verdict.set_wall_time_ms(1250);
  return result;
}

}  // namespace dragnet::console::testing
