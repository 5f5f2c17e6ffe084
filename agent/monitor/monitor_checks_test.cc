// Operations of checks in the monitor: whose weight they take, and how they end.
#include "agent/monitor/monitor_fixture.h"

namespace dragnet {
namespace {

check::v1::Check CheckThat(std::string_view behaviour, std::string_view id,
                           std::string_view module = "file") {
  check::v1::Check check;
  check.set_id(std::string(id));
  check.set_title("It is so");
  check.set_severity("low");
  check.set_module(std::string(module));
  check.set_parameters(StrCat("misbehave:", behaviour));
  return check;
}

v1::Action ActionOf(v1::Action action, const std::vector<check::v1::Check>& checks) {
  check::v1::CheckParameters parameters;
  parameters.set_pack("test");
  for (const check::v1::Check& check : checks) *parameters.add_checks() = check;
  action.mutable_operations(0)->set_module("check");
  action.mutable_operations(0)->set_parameters(parameters.SerializeAsString());
  return action;
}

TEST_F(MonitorTest, ChecksRunAsOneOperation) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const v1::Action action =
      ActionOf(fleet_.ActionProto(),
               {CheckThat("pass", "a"), CheckThat("crash", "b"), CheckThat("fail", "c")});
  DeliverAction(SignedByAlice(action));
  RunUntil([&] { return SummaryOf(action).has_value(); });
  std::string statuses;
  uint64_t sequence = 0;
  for (const v1::ResultRecord& record : RecordsOf(action)) {
    EXPECT_EQ(record.sequence(), ++sequence);
    for (const std::string& row : record.rows().rows()) {
      check::v1::Verdict verdict;
      EXPECT_TRUE(verdict.ParseFromString(row));
      StrAppend(&statuses, verdict.check(), "=", verdict.status(), " ");
    }
  }
  EXPECT_EQ(statuses, "a=pass b=unknown c=fail ");
  EXPECT_EQ(SummaryOf(action)->outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(SummaryOf(action)->rows(), 3u);
}

// Alice alone has weight for `file`, and not for `memory`.
TEST_F(MonitorTest, ChecksNeedTheWeightOfEveryModuleThatTheyUse) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const auto refused = [&](const v1::Action& action, const std::vector<const PrivateKey*>& keys) {
    DeliverAction(fleet_.SignedAction(action, keys));
    const auto records = RecordsOf(action);
    EXPECT_THAT(records, SizeIs(1));
    return records.empty() ? v1::Refusal::REASON_UNSPECIFIED : records[0].refusal().reason();
  };
  const auto action_of = [&](const std::vector<check::v1::Check>& checks) {
    return ActionOf(fleet_.ActionProto(), checks);
  };
  const check::v1::Check file = CheckThat("pass", "a");
  const check::v1::Check memory = CheckThat("pass", "b", "memory");
  EXPECT_EQ(refused(action_of({memory}), {&fleet_.alice}), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  EXPECT_EQ(refused(action_of({file, memory}), {&fleet_.alice}),
            v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  // Also where it would not apply.
  check::v1::Check never = memory;
  never.set_applies_when("false");
  EXPECT_EQ(refused(action_of({file, never}), {&fleet_.alice}),
            v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  // No rule of the policy names it.
  EXPECT_EQ(refused(action_of({CheckThat("pass", "a", "netstat")}), {&fleet_.alice, &fleet_.bob}),
            v1::Refusal::REASON_MODULE_NOT_ALLOWED);
  EXPECT_EQ(refused(action_of({CheckThat("pass", "a", "no_such_module")}), {&fleet_.alice}),
            v1::Refusal::REASON_MODULE_NOT_ALLOWED);
  EXPECT_EQ(refused(action_of({}), {&fleet_.alice}), v1::Refusal::REASON_MODULE_NOT_ALLOWED);
  check::v1::Check nested = CheckThat("pass", "a", "check");
  nested.set_parameters(action_of({file}).operations(0).parameters());
  EXPECT_EQ(refused(action_of({file, nested}), {&fleet_.alice, &fleet_.bob}),
            v1::Refusal::REASON_MODULE_NOT_ALLOWED);
  v1::Action malformed = action_of({file});
  malformed.mutable_operations(0)->mutable_parameters()->append("\xf8\x07\x01");
  EXPECT_EQ(refused(malformed, {&fleet_.alice}), v1::Refusal::REASON_MODULE_NOT_ALLOWED);
  // A second list of checks, which another reader may not see.
  v1::Action doubled = action_of({file});
  doubled.mutable_operations(0)->mutable_parameters()->append(
      action_of({memory}).operations(0).parameters());
  EXPECT_EQ(refused(doubled, {&fleet_.alice}), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  EXPECT_THAT(*store_->Interrupted(), IsEmpty());

  const v1::Action both = action_of({file, memory});
  DeliverAction(fleet_.SignedAction(both, {&fleet_.alice, &fleet_.bob}));
  RunUntil([&] { return SummaryOf(both).has_value(); });
  EXPECT_EQ(SummaryOf(both)->outcome(), v1::OUTCOME_FOUND);
}

TEST_F(MonitorTest, BetweenTwoChecksTheActionIsAuthorisedAnew) {
  for (const bool by_policy : {true, false}) {
    v1::TrustPolicy policy = fleet_.PolicyProto(by_policy ? 1 : 3);
    DeliverPolicy(fleet_.SignedPolicy(policy));
    check::v1::Check hangs = CheckThat("hang", "b");
    hangs.mutable_limits()->mutable_wall_time()->set_seconds(1);
    const v1::Action action =
        ActionOf(fleet_.ActionProto(), {CheckThat("pass", "a"), hangs, CheckThat("pass", "c")});
    DeliverAction(SignedByAlice(action));
    RunUntil([&] { return !RecordsOf(action).empty(); });
    if (by_policy) {
      policy.set_version(2);
      policy.mutable_modules(0)->mutable_weights()->DeleteSubrange(0, 1);
      DeliverPolicy(fleet_.SignedPolicy(policy));
    } else {
      clock_.Set(*ToTime(action.expires()) + absl::Seconds(1));
    }
    RunUntil([&] { return SummaryOf(action).has_value(); });
    EXPECT_EQ(SummaryOf(action)->rows(), 2u) << "the third isn't run";
    EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_NOT_STARTED);
    EXPECT_EQ(SummaryOf(action)->outcome(), v1::OUTCOME_INCOMPLETE);
    EXPECT_THAT(SummaryOf(action)->detail(),
                HasSubstr("no longer allowed before 1 of 3 checks were run: "));
  }
}

TEST_F(MonitorTest, ChecksInterruptedInTheMiddleSayHowFarTheyCameAndDoNotRunAgain) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const v1::Action action =
      ActionOf(fleet_.ActionProto(), {CheckThat("pass", "a"), CheckThat("hang", "b")});
  DeliverAction(SignedByAlice(action));
  RunUntil([&] { return !Spool().empty(); });
  Restart();
  ASSERT_TRUE(SummaryOf(action).has_value());
  EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_INTERRUPTED);
  EXPECT_EQ(SummaryOf(action)->rows(), 1u);
  DeliverAction(SignedByAlice(action));
  EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_REPLAYED);
}

}  // namespace
}  // namespace dragnet
