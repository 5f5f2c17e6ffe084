// A second investigator for tests in which two have to sign. Not thread-safe.
#pragma once

#include <string>

#include "core/keys.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {

class SecondInvestigator {
 public:
  static constexpr char kName[] = "bob";

  // With a TLS identity of the fleet's CA. Before the scheduler is started: its
  // certificate is written into the store.
  explicit SecondInvestigator(TestFleet& fleet);

  // Publishes a trust policy under which `module` takes the fleet's investigator
  // and this one. The scheduler runs.
  void BeNeededFor(const std::string& module);

  std::string console_config() const { return directory_ + "/console.toml"; }
  const PrivateKey& key() const { return key_; }
  // Runs `dragnet` as this investigator.
  Finished Dragnet(std::vector<std::string> arguments) const;

 private:
  TestFleet& fleet_;
  const std::string directory_;
  const PrivateKey key_;
};

}  // namespace dragnet::testing
