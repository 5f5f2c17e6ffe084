// `dragnet-scheduler init`: makes a fleet. Keys, certificates, the first trust
// policy, a store and the three configurations, ready to run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dragnet::scheduler {

struct InitOptions {
  std::string directory;
  // The fleet id is this and twelve random digits.
  std::string name = "fleet";
  std::string listen = "0.0.0.0:7443";
  // Further DNS names and IP addresses that the scheduler is reached by.
  std::vector<std::string> hosts;
  uint32_t root_keys = 1;
  uint32_t root_threshold = 1;
  // Keys for releases of the agent; without any only the root keys make one. Of one or
  // two all must sign, of more all but one, unless release_threshold says otherwise.
  uint32_t release_keys = 0;
  std::optional<uint32_t> release_threshold;
  std::string investigator;
  // The first policy lets the first investigator alone retire hosts. Without, it has no
  // rule for that module: one stolen key must not take a fleet's identities away.
  bool allow_retire = false;
  absl::Duration policy_lifetime = absl::Hours(365 * 24);
  absl::Duration token_lifetime = absl::Hours(24);
  uint32_t token_uses = 100;
  // The scheduler's part goes where its package's service reads it (install.h).
  bool install = false;
};

struct InitResult {
  std::string fleet_id;
  std::string token;
  absl::Time token_expires;
  absl::Time policy_expires;
};

// Built beside `directory` and renamed, so that a half-made fleet is never
// there. AlreadyExists for a directory that isn't empty; InvalidArgument for
// options that don't fit.
absl::StatusOr<InitResult> InitializeFleet(const InitOptions& options, absl::Time now);

// What to tell the person at the terminal.
std::string NextSteps(const InitOptions& options, const InitResult& result);

// A name for the first investigator: $SUDO_USER or $USER, made to fit;
// "investigator" when neither helps.
std::string DefaultInvestigator();

}  // namespace dragnet::scheduler
