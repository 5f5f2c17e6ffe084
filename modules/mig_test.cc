#include "modules/mig.h"

#include "gtest/gtest.h"

namespace dragnet {
namespace {

// By Go's time.Duration.String.
TEST(GoDurationTest, IsWrittenAsGoDoes) {
  EXPECT_EQ(GoDuration(absl::ZeroDuration()), "0s");
  EXPECT_EQ(GoDuration(absl::Nanoseconds(7)), "7ns");
  EXPECT_EQ(GoDuration(0.000810997), "810.997µs");
  EXPECT_EQ(GoDuration(0.005278116), "5.278116ms");
  EXPECT_EQ(GoDuration(0.018319036), "18.319036ms");
  EXPECT_EQ(GoDuration(absl::Seconds(1)), "1s");
  EXPECT_EQ(GoDuration(absl::Milliseconds(62'500)), "1m2.5s");
  EXPECT_EQ(GoDuration(absl::Minutes(2)), "2m0s");
  EXPECT_EQ(GoDuration(absl::Hours(1) + absl::Seconds(3)), "1h0m3s");
  EXPECT_EQ(GoDuration(-absl::Milliseconds(1500)), "-1.5s");
}

}  // namespace
}  // namespace dragnet
