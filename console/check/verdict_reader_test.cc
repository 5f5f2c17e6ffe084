#include "console/check/verdict_reader.h"

#include <gmock/gmock.h>

#include "console/check/testing.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;

class VerdictReaderTest : public ::testing::Test {
 protected:
  const Pack pack_ = testing::DemoPack();
  VerdictReader reader_{pack_};
};

TEST_F(VerdictReaderTest, ReadsVerdictsInTheFormOfProtobufsJson) {
  const auto result = reader_.Line(
      R"({"verdict":{"check":"ciphers","status":"fail","severity":"low","title":"forged",)"
      R"("reason":"two rows","evidence":["{\"path\":\"/x\"}"],"evidence_left_out":"3",)"
      R"("rows":"5","selected":"5","wall_time_ms":"12"}})");
  ASSERT_TRUE(result.has_value()) << reader_.problem();
  EXPECT_EQ(result->status, CheckStatus::kFail);
  EXPECT_EQ(result->index, 1);
  EXPECT_EQ(result->verdict.evidence_left_out(), 3U);
  // The host doesn't say how bad it is.
  EXPECT_EQ(result->verdict.severity(), "medium");
  EXPECT_EQ(result->verdict.title(), "Ciphers are strong & <new>");
  EXPECT_FALSE(reader_.Line(R"({"summary":{"anything":[1]}})").has_value());
  EXPECT_EQ(reader_.problem(), "");
  EXPECT_FALSE(reader_.complete());
}

TEST_F(VerdictReaderTest, WhatIsNoVerdictIsNoVerdict) {
  for (const std::string& line : std::initializer_list<std::string>{
           std::string("garbage"), std::string("{}"), std::string("[]"), std::string(""),
           std::string(R"({"verdict":"x"})"), std::string(R"({"verdict":{"nonsense":1}})"),
           std::string(R"({"verdict":{"check":"ports","status":"pass","status":"fail"}})"),
           std::string(R"({"verdict":{"check":"nowhere","status":"pass"}})"),
           std::string(R"({"verdict":{"check":"ports","status":"pass"},"more":1})"),
           std::string("{\"verdict\":{\"check\":\"\xff\"}}"), std::string(5000, '[')}) {
    VerdictReader reader(pack_);
    EXPECT_FALSE(reader.Line(line).has_value()) << line;
    EXPECT_NE(reader.problem(), "") << line;
    EXPECT_EQ(reader.Missing("why").size(), 3U);
  }
}

TEST_F(VerdictReaderTest, ASecondVerdictChangesNothing) {
  EXPECT_TRUE(reader_.Line(R"({"verdict":{"check":"ports","status":"fail"}})").has_value());
  EXPECT_FALSE(reader_.Line(R"({"verdict":{"check":"ports","status":"pass"}})").has_value());
  EXPECT_THAT(reader_.problem(), HasSubstr("second verdict on ports"));
}

TEST_F(VerdictReaderTest, AStatusThatIsNoneIsUnknown) {
  const auto result = reader_.Line(R"({"verdict":{"check":"ports","status":"PASS"}})");
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->status, CheckStatus::kUnknown);
  EXPECT_EQ(result->verdict.status(), "unknown");
  EXPECT_THAT(result->verdict.reason(), HasSubstr("status \"PASS\""));
}

TEST_F(VerdictReaderTest, MissingVerdictsAreUnknownWithTheReason) {
  reader_.Line(R"({"verdict":{"check":"ciphers","status":"pass"}})");
  const std::vector<CheckResult> missing = reader_.Missing("it died");
  ASSERT_EQ(missing.size(), 2U);
  EXPECT_EQ(missing[0].check().id(), "root-login");
  EXPECT_EQ(missing[0].status, CheckStatus::kUnknown);
  EXPECT_EQ(missing[1].verdict.reason(), "it died");
}

TEST_F(VerdictReaderTest, TextsAndEvidenceAreBounded) {
  std::string evidence;
  for (int i = 0; i < 50; ++i)
    StrAppend(&evidence, i == 0 ? "" : ",", "\"", std::string(5000, 'x'), "\"");
  const auto result =
      reader_.Line(StrCat(R"({"verdict":{"check":"ports","status":"fail","reason":")",
                          std::string(5000, 'r'), R"(","evidence":[)", evidence, "]}}"));
  ASSERT_TRUE(result.has_value());
  EXPECT_LE(result->verdict.reason().size(), 1024U);
  EXPECT_EQ(result->verdict.evidence_size(), 10);
  EXPECT_EQ(result->verdict.evidence_left_out(), 40U);
  EXPECT_LE(result->verdict.evidence(0).size(), 4096U);
}

}  // namespace
}  // namespace dragnet::console
