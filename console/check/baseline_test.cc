#include "console/check/baseline.h"

#include <gmock/gmock.h>

#include "console/check/testing.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::CivilDay kToday(2027, 1, 10);

class BaselineTest : public ::testing::Test {
 protected:
  static Baseline Read(std::string_view text) {
    Problems problems;
    auto baseline = Baseline::Parse(text, "b.yaml", &problems);
    EXPECT_TRUE(baseline.has_value()) << problems.ToStatus();
    return baseline.value_or(Baseline());
  }
  bool Accepts(std::string_view text, const CheckResult& result, std::string_view host = "web1",
               absl::CivilDay day = kToday) {
    return Read(text).Accepts(result, host, day).has_value();
  }
  CheckResult Failure(const std::vector<std::string>& evidence = {}) {
    return testing::ResultOf(pack_, 0, CheckStatus::kFail, "bad", evidence);
  }

  const Pack pack_ = testing::DemoPack();
};

constexpr char kEntry[] = "- {check: root-login, reason: OPS-1, expires: 2027-01-10}\n";

TEST_F(BaselineTest, AcceptsAFailureThroughItsLastDay) {
  const auto accepted = Read(kEntry).Accepts(Failure(), "web1", kToday);
  ASSERT_TRUE(accepted.has_value());
  EXPECT_EQ(AcceptanceText(*accepted), "until 2027-01-10: OPS-1");
  EXPECT_FALSE(Accepts(kEntry, Failure(), "web1", kToday + 1));
  EXPECT_TRUE(Accepts("- {check: demo/root-login, reason: x, expires: 2027-02-01}", Failure()));
  EXPECT_FALSE(Accepts("- {check: other/root-login, reason: x, expires: 2027-02-01}", Failure()));
  EXPECT_FALSE(Accepts("- {check: ports, reason: x, expires: 2027-02-01}", Failure()));
  EXPECT_FALSE(Accepts("[]", Failure()));
}

TEST_F(BaselineTest, AnUnknownIsNeverAccepted) {
  EXPECT_FALSE(Accepts(kEntry, testing::ResultOf(pack_, 0, CheckStatus::kUnknown, "?")));
}

TEST_F(BaselineTest, HoldsOnItsHosts) {
  const std::string text =
      "- {check: root-login, reason: x, expires: 2027-02-01, hosts: [kiosk-*]}";
  EXPECT_TRUE(Accepts(text, Failure(), "kiosk-7"));
  EXPECT_FALSE(Accepts(text, Failure(), "web1"));
}

TEST_F(BaselineTest, OfAnImageNoHostIsKnown) {
  const std::string text = "- {check: root-login, reason: x, expires: 2027-02-01, hosts: '*'}";
  EXPECT_TRUE(Accepts(text, Failure(), "web1"));
  EXPECT_FALSE(Accepts(text, Failure(), ""));
  EXPECT_TRUE(Accepts(kEntry, Failure(), ""));
  std::vector<Pack> packs;
  packs.push_back(testing::DemoPack());
  EXPECT_THAT(Read(text).Remarks(packs, "", kToday), ElementsAre(HasSubstr("an image is none")));
  EXPECT_THAT(Read(text).Remarks(packs, "web1", kToday), IsEmpty());
}

TEST_F(BaselineTest, NewFindingsBesideTheAcceptedOnesFail) {
  const std::string text =
      "- {check: root-login, reason: x, expires: 2027-02-01, evidence: '\"path\":\"/a\"'}";
  EXPECT_TRUE(Accepts(text, Failure({R"({"path":"/a"})"})));
  EXPECT_FALSE(Accepts(text, Failure({R"({"path":"/a"})", R"({"path":"/b"})"})));
  EXPECT_FALSE(Accepts(text, Failure()));
  CheckResult more = Failure({R"({"path":"/a"})"});
  more.verdict.set_evidence_left_out(1);
  EXPECT_FALSE(Accepts(text, more));
}

TEST_F(BaselineTest, ExpiredAndUnknownEntriesAreSaid) {
  std::vector<Pack> packs;
  packs.push_back(testing::DemoPack());
  EXPECT_THAT(Read(kEntry).Remarks(packs, "web1", kToday), IsEmpty());
  EXPECT_THAT(
      Read(kEntry).Remarks(packs, "web1", kToday + 1),
      ElementsAre("b.yaml:1:3: root-login was accepted until 2027-01-10, and no longer is"));
  EXPECT_THAT(
      Read("- {check: root-logn, reason: x, expires: 2027-02-01}").Remarks(packs, "web1", kToday),
      ElementsAre("b.yaml:1:3: no pack has a check root-logn"));
}

TEST_F(BaselineTest, ReasonAndExpiryAreRequired) {
  for (const auto& [text, error] : std::initializer_list<std::pair<const char*, const char*>>{
           {"- {check: a, expires: 2027-01-01}", "b.yaml:1:3: [0]: the key reason is missing"},
           {"- {check: a, reason: b}", "b.yaml:1:3: [0]: the key expires is missing"},
           {"- {check: a, reason: ' ', expires: 2027-01-01}",
            "b.yaml:1:22: [0].reason: is empty: say why"},
           {"- {check: a, reason: b, expires: never}", "[0].expires: must be a day like"},
           {"- {check: a, reason: b, expires: 2027-02-31}", "[0].expires: must be a day like"},
           {"- {check: a, reason: b, expires: 99}", "[0].expires: must be a day like"},
           {"- {check: a, reason: b, expires: 2027-01-01, hots: [a]}",
            "[0].hots: unknown key; did you mean hosts?"},
           {"- {check: a, reason: b, expires: 2027-01-01, hosts: []}", "[0].hosts: is empty"},
           {"- {check: a, reason: b, expires: 2027-01-01, evidence: '('}",
            "[0].evidence: not a regular expression"},
           {"check: a", "b.yaml:1:1: must be a list"}}) {
    Problems problems;
    EXPECT_FALSE(Baseline::Parse(text, "b.yaml", &problems).has_value()) << text;
    EXPECT_THAT(problems.ErrorLines(), Contains(HasSubstr(error))) << text;
  }
}

TEST_F(BaselineTest, OneThatIsWrittenIsToBeFilledIn) {
  const std::string text = BaselineOf({Failure()}, kToday + 90);
  Problems problems;
  EXPECT_FALSE(Baseline::Parse(text, "b.yaml", &problems).has_value());
  EXPECT_THAT(problems.ErrorLines(), ElementsAre(HasSubstr("b.yaml:5:11: [0].reason: is empty")));
  std::string filled = text;
  filled.replace(filled.find("\"\""), 2, "OPS-2");
  EXPECT_TRUE(Accepts(filled, Failure(), "web1", kToday + 90));
  EXPECT_EQ(BaselineOf({}, kToday).find("check:"), std::string::npos);
}

}  // namespace
}  // namespace dragnet::console
