// Sweeps and what agents tell of them, for tests. Header-only, tests only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "core/action.h"
#include "dragnet/v1/action.pb.h"
#include "modules/check/check.pb.h"

namespace dragnet::scheduler {

// Of one pack, "test-pack", with these checks.
inline v1::Action SweepDocument(std::string_view id, std::string_view cron, absl::Time begin,
                                absl::Time expires, const std::vector<std::string>& checks,
                                std::string_view fleet_id = "test-0123456789ab") {
  v1::Action action;
  action.set_id(std::string(id));
  action.set_fleet_id(std::string(fleet_id));
  action.set_name("test sweep");
  action.set_target("true");
  *action.mutable_not_before() = ToTimestamp(begin);
  *action.mutable_expires() = ToTimestamp(expires);
  action.mutable_recurrence()->set_cron(std::string(cron));
  action.mutable_recurrence()->set_time_zone("UTC");
  check::v1::CheckParameters pack;
  pack.set_pack("test-pack");
  pack.set_title("a pack for tests");
  for (const std::string& name : checks) {
    check::v1::Check* check = pack.add_checks();
    check->set_id(name);
    check->set_title("title of " + name);
    check->set_severity("high");
    check->set_module("file");
    check->mutable_expectation()->set_kind(check::v1::Expectation::KIND_FOUND);
  }
  v1::Operation* operation = action.add_operations();
  operation->set_module("check");
  operation->set_parameters(pack.SerializeAsString());
  return action;
}

inline std::string VerdictRow(std::string_view check, std::string_view status,
                              std::string_view reason = "because") {
  check::v1::Verdict verdict;
  verdict.set_check(std::string(check));
  verdict.set_status(std::string(status));
  verdict.set_reason(std::string(reason));
  return verdict.SerializeAsString();
}

}  // namespace dragnet::scheduler
