#include <gmock/gmock.h>

#include "console/testing/console_fixture.h"
#include "core/action.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;

class StatusCommandTest : public testing::ConsoleTest {
 protected:
  void Describe() {
    v1::GetStatusResponse& status = scheduler_->status;
    status.set_fleet_id("fleet-1");
    status.set_agents_online(9000);
    status.set_agents_idle(7);
    *status.mutable_started_at() = ToTimestamp(absl::FromUnixSeconds(1'800'000'000));
    *status.mutable_now() = ToTimestamp(absl::FromUnixSeconds(1'800'003'661));
    *status.mutable_trust_policy_expires() = ToTimestamp(absl::FromUnixSeconds(1'900'000'000));
  }
};

TEST_F(StatusCommandTest, SaysHowItIs) {
  Describe();
  const Outcome outcome = Dragnet({"status"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("9000 online, 7 idle"));
  EXPECT_THAT(outcome.out, HasSubstr("(1h1m1s ago)"));
  EXPECT_THAT(outcome.out, HasSubstr("until 2030-03-17"));
  EXPECT_THAT(outcome.out, HasSubstr("No problems."));
  EXPECT_EQ(Dragnet({"status", "--check"}).status, 0);
}

TEST_F(StatusCommandTest, ProblemsAreToldAndSafeToShow) {
  Describe();
  scheduler_->status.add_problems("little room\x1b[2J");
  const Outcome outcome = Dragnet({"status"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("  - little room\\x1b[2J\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("No problems")));
  EXPECT_EQ(Dragnet({"status", "--check"}).status, 1);
}

TEST_F(StatusCommandTest, ForPrograms) {
  Describe();
  scheduler_->status.add_problems("one");
  EXPECT_THAT(Dragnet({"status", "-o", "jsonl"}).out, HasSubstr(R"("problems":["one"])"));
  EXPECT_THAT(Dragnet({"status", "-o", "json"}).out, HasSubstr("\"agentsOnline\""));
}

TEST_F(StatusCommandTest, UnreachableIsFour) {
  scheduler_->error = absl::UnavailableError("gone");
  EXPECT_EQ(Dragnet({"status", "--check"}).status, 4);
}

}  // namespace
}  // namespace dragnet::console
