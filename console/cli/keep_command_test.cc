#include "console/cli/keep_command.h"

#include <gmock/gmock.h>

#include "console/testing/console_fixture.h"
#include "core/action.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Outcome;
using ::testing::SizeIs;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);  // 2027-01-15

TEST(KeepUntilTest, ADateIsKeptToItsEnd) {
  EXPECT_EQ(*ParseKeepUntil("2031-12-31", kNow), absl::FromUnixSeconds(1'956'527'999));
  EXPECT_TRUE(ParseKeepUntil("2027-01-15", kNow).ok());
  for (const char* wrong : {"2027-01-14", "2031-13-01", "2031-1-1", "31.12.2031", "", "5y"})
    EXPECT_FALSE(ParseKeepUntil(wrong, kNow).ok()) << wrong;
}

TEST(KeepForTest, CountsDaysWeeksMonthsYears) {
  const absl::Duration day = absl::Hours(24);
  EXPECT_EQ(*ParseKeepFor("90d", kNow), kNow + 90 * day);
  EXPECT_EQ(*ParseKeepFor("8w", kNow), kNow + 56 * day);
  EXPECT_EQ(*ParseKeepFor("6m", kNow), kNow + 180 * day);
  EXPECT_EQ(*ParseKeepFor("5y", kNow), kNow + 1825 * day);
  for (const char* wrong : {"", "5", "y", "0y", "-1y", "+1y", "1 y", "1h", "101y", "99999999999y"})
    EXPECT_FALSE(ParseKeepFor(wrong, kNow).ok()) << wrong;
}

class KeepCommandTest : public testing::ConsoleTest {};

TEST_F(KeepCommandTest, KeepsAnAction) {
  const v1::ActionInfo info = StoredAction(SampleAction(), {&fleet_.alice});
  scheduler_->actions = {info};
  const Outcome outcome = Dragnet({"keep", "last", "--until", "2099-12-31"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("kept until 2099-12-31"));
  ASSERT_THAT(scheduler_->kept, SizeIs(1));
  EXPECT_EQ(scheduler_->kept[0].action_id(), info.action_id());
  EXPECT_TRUE(scheduler_->kept[0].has_keep_until());

  EXPECT_EQ(Dragnet({"keep", "last", "--default"}).status, 0);
  ASSERT_THAT(scheduler_->kept, SizeIs(2));
  EXPECT_FALSE(scheduler_->kept[1].has_keep_until());
}

TEST_F(KeepCommandTest, WantsExactlyOneTime) {
  scheduler_->actions = {StoredAction(SampleAction(), {&fleet_.alice})};
  EXPECT_EQ(Dragnet({"keep", "last"}).status, 2);
  EXPECT_EQ(Dragnet({"keep", "last", "--for", "5y", "--default"}).status, 2);
  EXPECT_EQ(Dragnet({"keep", "last", "--for", "five years"}).status, 2);
  EXPECT_THAT(scheduler_->kept, IsEmpty());
}

TEST_F(KeepCommandTest, RemovedResultsAreNeverNothingFound) {
  v1::ActionInfo info = StoredAction(SampleAction(), {&fleet_.alice});
  info.mutable_progress()->set_rows(1234);
  *info.mutable_results_removed_at() = ToTimestamp(kNow);
  scheduler_->actions = {info};
  v1::WatchEvent end;
  end.mutable_end()->mutable_progress()->set_targeted(1);
  end.mutable_end()->mutable_progress()->set_found(1);
  scheduler_->streams = {{end}};
  const Outcome outcome = Dragnet({"results", "last"});
  EXPECT_EQ(outcome.status, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("1234 of them, were removed by retention on 2027-01-15"));
  EXPECT_THAT(Dragnet({"actions", "show", "last"}).out,
              HasSubstr("removed on 2027-01-15 by retention"));
}

}  // namespace
}  // namespace dragnet::console
