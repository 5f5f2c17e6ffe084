// Sweeps for tests. Header-only, tests only.
#pragma once

#include <string>
#include <vector>

#include "console/sweeps/sweep.h"
#include "core/action.h"
#include "core/strings.h"
#include "core/testing.h"

namespace dragnet::console::testing {

inline check::v1::CheckParameters SamplePack(const std::string& module = "file") {
  check::v1::CheckParameters pack;
  pack.set_pack("ssh");
  pack.set_title("SSH servers that can be trusted");
  pack.set_version("1.2");
  const auto add = [&](const std::string& id, const std::string& severity) {
    check::v1::Check& check = *pack.add_checks();
    check.set_id(id);
    check.set_title(StrCat("Title of ", id));
    check.set_severity(severity);
    check.set_remediation(StrCat("Remedy for ", id));
    check.set_module(module);
    check.mutable_expectation()->set_kind(check::v1::Expectation::KIND_NOT_FOUND);
  };
  add("root-login", "high");
  add("host-keys", "critical");
  return pack;
}

// Valid for 90 days from a day before the fleet's now.
inline v1::Action SampleSweep(const dragnet::testing::Fleet& fleet,
                              const check::v1::CheckParameters& pack) {
  v1::Action action = fleet.ActionProto("check");
  action.set_name(StrCat("sweep: ", pack.title()));
  *action.mutable_not_before() = ToTimestamp(fleet.now - absl::Hours(24));
  *action.mutable_expires() = ToTimestamp(fleet.now + absl::Hours(24 * 89));
  action.mutable_recurrence()->set_cron("0 3 * * *");
  action.mutable_recurrence()->set_time_zone("UTC");
  action.mutable_operations(0)->set_parameters(pack.SerializeAsString());
  return action;
}

inline v1::SweepVerdict Verdict(const std::string& host, const std::string& check,
                                const std::string& status, int64_t occurrence = 1'800'000'000,
                                int64_t since = 0) {
  v1::SweepVerdict verdict;
  verdict.set_agent_id(StrCat("id-of-", host));
  verdict.set_agent_name(host);
  verdict.set_check(check);
  verdict.set_status(status);
  verdict.set_reason(StrCat("why it is ", status));
  verdict.mutable_occurrence()->set_seconds(occurrence);
  verdict.mutable_since()->set_seconds(since == 0 ? occurrence : since);
  return verdict;
}

// The entry of an agent that has no verdict.
inline v1::SweepVerdict Untold(const std::string& host, const std::string& reason = "") {
  v1::SweepVerdict entry;
  entry.set_agent_id(StrCat("id-of-", host));
  entry.set_agent_name(host);
  entry.set_silent(true);
  entry.set_reason(reason);
  return entry;
}

inline v1::SweepChange Change(const std::string& host, const std::string& check,
                              const std::string& from, const std::string& to, int64_t occurrence) {
  v1::SweepChange change;
  change.set_agent_id(StrCat("id-of-", host));
  change.set_agent_name(host);
  change.set_check(check);
  change.set_from(from);
  change.set_to(to);
  change.set_reason(StrCat("why it is ", to));
  change.mutable_occurrence()->set_seconds(occurrence);
  return change;
}

inline Sweep TestSweep(const dragnet::testing::Fleet& fleet) {
  Sweep sweep;
  sweep.action = SampleSweep(fleet, SamplePack());
  sweep.checks = ChecksOf(sweep.action);
  return sweep;
}

}  // namespace dragnet::console::testing
