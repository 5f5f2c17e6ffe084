#include "modules/mig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "modules/timedrift/timedrift.pb.h"

namespace dragnet::timedrift {
namespace {

const MigModule& Mig() { return *FindMigModule("timedrift"); }

TEST(TimedriftMigTest, WithoutADriftNobodyIsAsked) {
  const auto ours = Mig().TranslateParameters(MigJson::object());
  ASSERT_TRUE(ours.ok());
  EXPECT_EQ((*ours)->ShortDebugString(), "no_daemons: true");
  EXPECT_EQ(Mig().NewElements(MigJson::object())->FoundAnything(), std::optional(true));
  EXPECT_FALSE(Mig().TranslateParameters(MigJson::parse(R"({"drifts":"5s"})")).ok());
  EXPECT_FALSE(Mig().TranslateParameters(MigJson::parse(R"({"drift":5})")).ok());
}

TEST(TimedriftMigTest, AClockThatIsBehindIsFound) {
  const MigJson parameters = MigJson::parse(R"({"drift":"5s"})");
  const auto ours = Mig().TranslateParameters(parameters);
  ASSERT_TRUE(ours.ok());
  EXPECT_TRUE(Mig().module().Validate(**ours).ok());
  const auto elements = Mig().NewElements(parameters);
  v1::TimedriftRow row;
  row.set_source("ntp");
  row.set_server("time.nist.gov");
  row.mutable_local_time()->set_seconds(1'700'000'000);
  row.set_offset_ms(90'500);
  row.set_verdict("over");
  elements->Add(row);
  EXPECT_EQ(elements->Elements().dump(),
            R"({"hascheckeddrift":true,)"
            R"("drifts":["Local time is behind ntp host time.nist.gov by 1m30.5s"],)"
            R"("localtime":"2023-11-14T22:13:20Z"})");
  EXPECT_EQ(elements->FoundAnything(), std::optional(true));
}

}  // namespace
}  // namespace dragnet::timedrift
