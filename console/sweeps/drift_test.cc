#include "console/sweeps/drift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/sweeps/testing.h"

namespace dragnet::console {
namespace {

using testing::Change;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Verdict;

class DriftTest : public ::testing::Test {
 protected:
  // "newly failing web root-login", "new host web".
  std::vector<std::string> Drift(const std::vector<v1::SweepChange>& changes,
                                 const std::vector<v1::SweepVerdict>& one_check = {}) const {
    std::vector<std::string> lines;
    for (const DriftEntry& entry : DriftOf(sweep_, changes, one_check, absl::FromUnixSeconds(100)))
      lines.push_back(StrCat(WordsOf(entry.kind), " ", entry.agent_name,
                             entry.check.empty() ? "" : " ", entry.check));
    return lines;
  }

  dragnet::testing::Fleet fleet_;
  Sweep sweep_ = testing::TestSweep(fleet_);
};

TEST_F(DriftTest, WorstKindsFirstThenSeverity) {
  EXPECT_THAT(Drift({Change("a", "root-login", "pass", "fail", 200),
                     Change("b", "host-keys", "unknown", "fail", 200),
                     Change("c", "root-login", "fail", "pass", 200),
                     Change("d", "root-login", "pass", "unknown", 200),
                     Change("e", "root-login", "unknown", "pass", 200),
                     Change("f", "root-login", "fail", "not_applicable", 200)}),
              ElementsAre("newly failing b host-keys", "newly failing a root-login",
                          "newly unknown d root-login", "fixed c root-login", "fixed f root-login",
                          "changed e root-login"));
}

TEST_F(DriftTest, ThereAndBackAgainIsNoDrift) {
  // Newest first.
  EXPECT_THAT(Drift({Change("a", "root-login", "fail", "pass", 300),
                     Change("a", "root-login", "pass", "fail", 200)}),
              IsEmpty());
  const std::vector<DriftEntry> entries =
      DriftOf(sweep_,
              {Change("a", "root-login", "unknown", "fail", 300),
               Change("a", "root-login", "pass", "unknown", 200)},
              {}, absl::FromUnixSeconds(100));
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].kind, DriftKind::kNewlyFailing);
  EXPECT_EQ(entries[0].from, "pass");
  EXPECT_EQ(entries[0].to, "fail");
  EXPECT_EQ(entries[0].occurrence, absl::FromUnixSeconds(300));
}

TEST_F(DriftTest, NewAndSilentHostsAreToldOnce) {
  v1::SweepVerdict silent = Verdict("s", "root-login", "pass", 90, 50);
  silent.set_silent(true);
  EXPECT_THAT(
      Drift({Change("n", "host-keys", "", "fail", 200), Change("n", "root-login", "", "fail", 200)},
            {// Passes since before.
             Verdict("old", "root-login", "pass", 200, 50),
             // It fails on two checks, and is new once.
             Verdict("n", "root-login", "fail", 200, 200),
             // A first verdict that passes is told by no change.
             Verdict("m", "root-login", "pass", 200, 200), silent}),
      ElementsAre("newly failing n host-keys", "newly failing n root-login", "new host m",
                  "new host n", "silent host s"));
}

TEST_F(DriftTest, AHostThatNeverToldIsSilentAndNotNew) {
  const std::vector<DriftEntry> entries = DriftOf(
      sweep_, {}, {testing::Untold("s", "it refused the sweep")}, absl::FromUnixSeconds(100));
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].kind, DriftKind::kSilentHost);
  EXPECT_EQ(entries[0].agent_name, "s");
  EXPECT_EQ(entries[0].occurrence, absl::InfinitePast());
  EXPECT_EQ(entries[0].reason, "it refused the sweep");
}

TEST_F(DriftTest, AHostWhoseVerdictChangedIsNotNew) {
  EXPECT_THAT(Drift({Change("a", "root-login", "fail", "pass", 200)},
                    {Verdict("a", "root-login", "pass", 200, 200)}),
              ElementsAre("fixed a root-login"));
}

TEST_F(DriftTest, ChecksThatWereNotSignedAreLeftOut) {
  EXPECT_THAT(Drift({Change("a", "made-up", "pass", "fail", 200)}), IsEmpty());
}

}  // namespace
}  // namespace dragnet::console
