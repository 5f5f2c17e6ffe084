#include "agent/monitor/check_command.h"

#include <signal.h>

#include <sstream>

#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

CheckSurroundings Surroundings() {
  ::signal(SIGPIPE, SIG_IGN);  // as main() does
  CheckSurroundings surroundings;
  surroundings.worker.program = DRAGNET_MISBEHAVING;
  surroundings.worker.allow_missing_walls = true;
  surroundings.facts.set_os("linux");
  return surroundings;
}

// Checks c0, c1, … whose workers behave so.
std::string PackOf(const std::vector<std::string>& behaviours) {
  check::v1::CheckParameters parameters;
  for (const std::string& behaviour : behaviours) {
    check::v1::Check& check = *parameters.add_checks();
    check.set_id(StrCat("c", parameters.checks_size() - 1));
    check.set_title("It is so");
    check.set_severity("low");
    check.set_module("file");
    check.set_parameters(StrCat("misbehave:", behaviour));
  }
  return parameters.SerializeAsString();
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(CheckCommandTest, VerdictsComeInThePacksOrderHoweverTheyEnd) {
  for (const int workers : {1, 64}) {
    CaptureStdout();
    EXPECT_EQ(
        RunCheckCommand(PackOf({"pass-later", "pass", "fail", "unknown"}), Surroundings(), workers),
        0);
    const std::vector<std::string> lines = LinesOf(GetCapturedStdout());
    ASSERT_EQ(lines.size(), 5u);
    EXPECT_THAT(lines, ElementsAre(HasSubstr(R"({"verdict":{"check":"c0","status":"pass")"),
                                   HasSubstr(R"({"verdict":{"check":"c1","status":"pass")"),
                                   HasSubstr(R"({"verdict":{"check":"c2","status":"fail")"),
                                   HasSubstr(R"({"verdict":{"check":"c3","status":"unknown")"),
                                   HasSubstr(R"({"summary":{"checks":4,"passed":2,"failed":1,)"
                                             R"("unknown":1,"not_applicable":0,"wall_time_ms":)")));
  }
}

TEST(CheckCommandTest, WhatIsNoPackIsSaid) {
  CaptureStderr();
  EXPECT_EQ(RunCheckCommand("rubbish\x1b[31m", Surroundings(), 2), 2);
  EXPECT_EQ(RunCheckCommand("", Surroundings(), 2), 2);
  EXPECT_EQ(RunCheckCommand(PackOf(std::vector<std::string>(257, "pass")), Surroundings(), 2), 2);
  const std::string errors = GetCapturedStderr();
  EXPECT_THAT(errors, HasSubstr("dragnet-agent: check: checks: "));
  EXPECT_EQ(errors.find('\x1b'), std::string::npos);
}

TEST(CheckCommandTest, WhereNoWorkerCanBeStartedNothingWasRun) {
  CheckSurroundings surroundings = Surroundings();
  surroundings.worker.program = "/nosuch/dragnet-worker";
  CaptureStdout();
  CaptureStderr();
  EXPECT_EQ(RunCheckCommand(PackOf({"pass", "pass"}), surroundings, 2), 3);
  EXPECT_THAT(GetCapturedStdout(), HasSubstr("\"unknown\":2"));
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("no check could be run: start /nosuch"));
}

TEST(CheckCommandTest, WhatATerminalCouldObeyIsEscaped) {
  check::v1::Verdict verdict;
  verdict.set_reason("\x1b[31m\u202e");
  verdict.add_evidence(R"({"a":"b"})");
  const std::string json = VerdictJson(verdict);
  EXPECT_THAT(json, HasSubstr(R"("reason":"\u001b[31m\u202e")"));
  EXPECT_THAT(json, HasSubstr(R"("evidence":["{\"a\":\"b\"}"])"));
}

}  // namespace
}  // namespace dragnet
