#include "core/action.h"

#include "core/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::HasSubstr;

template <typename Change>
std::string ProblemOf(Change change) {
  v1::Action action = testing::Fleet().ActionProto();
  EXPECT_TRUE(ValidateAction(action).ok()) << ValidateAction(action);
  change(action);
  const absl::Status status = ValidateAction(action);
  EXPECT_FALSE(status.ok());
  return std::string(status.message());
}

v1::Recurrence Nightly() {
  v1::Recurrence recurrence;
  recurrence.set_cron("0 3 * * *");
  recurrence.set_time_zone("Europe/Berlin");
  recurrence.mutable_jitter()->set_seconds(1800);
  return recurrence;
}

TEST(ActionTest, EveryBoundNamesItsField) {
  EXPECT_THAT(ProblemOf([](auto& a) { a.set_id("x"); }), HasSubstr("id"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.set_id(NewUuidV4()); }), HasSubstr("id"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.set_fleet_id("A B"); }), HasSubstr("fleet_id"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.clear_name(); }), HasSubstr("name"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.set_name(std::string(201, 'x')); }), HasSubstr("name"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.set_name("two\nlines"); }), HasSubstr("name"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.set_description(std::string(4097, 'x')); }),
              HasSubstr("description"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.mutable_threat()->set_level(std::string(65, 'x')); }),
              HasSubstr("threat.level"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.clear_target(); }), HasSubstr("target"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.set_target("os ="); }), HasSubstr("target"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.clear_not_before(); }), HasSubstr("not_before"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.clear_expires(); }), HasSubstr("expires"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.mutable_expires()->set_seconds(INT64_MAX); }),
              HasSubstr("expires"));
  EXPECT_THAT(ProblemOf([](auto& a) { *a.mutable_expires() = a.not_before(); }),
              HasSubstr("expires"));
  EXPECT_THAT(ProblemOf([](auto& a) {
                a.mutable_expires()->set_seconds(a.not_before().seconds() + 367 * 86400);
              }),
              HasSubstr("366 days"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.clear_operations(); }), HasSubstr("operations"));
  EXPECT_THAT(ProblemOf([](auto& a) {
                for (int i = 0; i < 16; ++i) a.add_operations()->set_module("file");
              }),
              HasSubstr("at most 16"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.mutable_operations(0)->set_module("../file"); }),
              HasSubstr("operations[0].module"));
  EXPECT_THAT(ProblemOf([](auto& a) {
                a.mutable_operations(0)->set_parameters(std::string(kMaxParameterBytes + 1, 'x'));
              }),
              HasSubstr("operations[0].parameters"));
  EXPECT_THAT(ProblemOf([](auto& a) {
                a.mutable_operations(0)->mutable_limits()->mutable_wall_time()->set_seconds(-1);
              }),
              HasSubstr("limits"));
  EXPECT_THAT(
      ProblemOf([](auto& a) {
        a.mutable_operations(0)->mutable_limits()->mutable_cpu_time()->set_seconds(INT64_MAX);
      }),
      HasSubstr("limits"));
  EXPECT_THAT(
      ProblemOf([](auto& a) {
        a.mutable_operations(0)->mutable_limits()->set_cpu_share_percent(kMaxCpuSharePercent + 1);
      }),
      HasSubstr("cpu_share_percent"));
}

TEST(ActionTest, DispatchOptionsHaveTheirBounds) {
  EXPECT_THAT(ProblemOf([](auto& a) {
                a.mutable_dispatch()->set_agents_per_second(kMaxAgentsPerSecond + 1);
              }),
              HasSubstr("dispatch.agents_per_second"));
  EXPECT_THAT(
      ProblemOf([](auto& a) { a.mutable_dispatch()->set_canary_percent(kMaxCanaryPercent + 1); }),
      HasSubstr("dispatch.canary_percent"));
  EXPECT_THAT(ProblemOf([](auto& a) { a.mutable_dispatch()->set_stop_when_failed_percent(101); }),
              HasSubstr("dispatch.stop_when_failed_percent"));
  testing::Fleet fleet;
  v1::Action action = fleet.ActionProto();
  action.mutable_dispatch()->set_agents_per_second(kMaxAgentsPerSecond);
  action.mutable_dispatch()->set_canary_percent(kMaxCanaryPercent);
  action.mutable_dispatch()->set_agent_limit(UINT64_MAX);
  action.mutable_dispatch()->set_stop_when_failed_percent(100);
  action.mutable_operations(0)->mutable_limits()->set_cpu_share_percent(kMaxCpuSharePercent);
  EXPECT_TRUE(ValidateAction(action).ok()) << ValidateAction(action);
}

TEST(ActionTest, BlobsHaveAFieldADigestAndASize) {
  const auto problem = [](auto change) {
    return ProblemOf([&](v1::Action& action) {
      v1::Blob* blob = action.mutable_operations(0)->add_blobs();
      blob->set_field("searches[0].yara");
      blob->set_sha256(std::string(32, 'x'));
      blob->set_size(1);
      ASSERT_TRUE(ValidateAction(action).ok()) << ValidateAction(action);
      change(*blob);
    });
  };
  // It would be the parameters, in place of those that the signers read.
  EXPECT_THAT(problem([](v1::Blob& blob) { blob.clear_field(); }),
              HasSubstr("operations[0].blobs.field"));
  EXPECT_THAT(problem([](v1::Blob& blob) { blob.set_sha256("../../etc/passwd"); }),
              HasSubstr("operations[0].blobs.sha256"));
  EXPECT_THAT(problem([](v1::Blob& blob) { blob.clear_size(); }),
              HasSubstr("operations[0].blobs.size"));
  EXPECT_THAT(problem([](v1::Blob& blob) { blob.set_size(kMaxBlobBytes + 1); }),
              HasSubstr("operations[0].blobs.size"));
}

TEST(ActionTest, AScheduleIsReadBeforeItIsTaken) {
  const auto problem = [](auto&& change) {
    return ProblemOf([&](v1::Action& action) {
      *action.mutable_recurrence() = Nightly();
      change(*action.mutable_recurrence());
    });
  };
  v1::Action nightly = testing::Fleet().ActionProto();
  *nightly.mutable_recurrence() = Nightly();
  EXPECT_TRUE(ValidateAction(nightly).ok()) << ValidateAction(nightly);
  EXPECT_THAT(problem([](auto& r) { r.set_cron("0 25 * * *"); }), HasSubstr("recurrence"));
  EXPECT_THAT(problem([](auto& r) { r.set_time_zone("Mars/Olympus"); }), HasSubstr("recurrence"));
  EXPECT_THAT(problem([](auto& r) { r.mutable_jitter()->set_seconds(-1); }), HasSubstr("jitter"));
  EXPECT_THAT(problem([](auto& r) { r.mutable_jitter()->set_seconds(86400); }),
              HasSubstr("between two occurrences"));
  EXPECT_THAT(problem([](auto& r) { r.mutable_until()->set_seconds(253402300799); }),
              HasSubstr("after expires"));
  EXPECT_THAT(problem([](auto& r) { r.set_missed(static_cast<v1::Recurrence::Missed>(9)); }),
              HasSubstr("missed"));
}

TEST(ActionTest, AnExtraRunNamesItsSweepAndHasNoScheduleOfItsOwn) {
  constexpr char kSweep[] = "0190a2b4-7a3c-7cc1-9d6e-0123456789ab";
  v1::Action extra = testing::Fleet().ActionProto();
  extra.set_extra_run_of(kSweep);
  EXPECT_TRUE(ValidateAction(extra).ok()) << ValidateAction(extra);
  EXPECT_THAT(ProblemOf([](auto& a) { a.set_extra_run_of("x"); }), HasSubstr("extra_run_of"));
  EXPECT_THAT(ProblemOf([&](auto& a) {
                a.set_extra_run_of(kSweep);
                a.mutable_recurrence()->set_cron("@daily");
                a.mutable_recurrence()->set_time_zone("UTC");
              }),
              HasSubstr("not together"));
}

TEST(ActionTest, TimesGoBothWays) {
  const absl::Time time = absl::FromUnixNanos(1'234'567'890'123'456'789);
  EXPECT_EQ(*ToTime(ToTimestamp(time)), time);
  EXPECT_EQ(*ToTime(ToTimestamp(absl::FromUnixMillis(-1))), absl::FromUnixMillis(-1));
  google::protobuf::Timestamp bad;
  bad.set_nanos(-1);
  EXPECT_FALSE(ToTime(bad).ok());
  EXPECT_EQ(ToDuration(ToProtoDuration(absl::Milliseconds(1500))), absl::Milliseconds(1500));
}

}  // namespace
}  // namespace dragnet
