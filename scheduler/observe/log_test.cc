#include "scheduler/observe/log.h"

#include <gmock/gmock.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "core/journal_testing.h"
#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

using ::testing::EndsWith;

constexpr char kAction[] = "0190a000-0000-7000-8000-000000000001";
constexpr char kAgent[] = "11111111-2222-4333-8444-555555555555";

std::string Line(LogFormat format, const std::string& payload,
                 spdlog::level::level_enum level = spdlog::level::warn) {
  return FormatLogLine(format,
                       spdlog::details::log_msg(spdlog::source_loc(), "log", level, payload));
}

nlohmann::json Json(const std::string& payload) {
  return nlohmann::json::parse(Line(LogFormat::kJson, payload));
}

TEST(LogTest, IdsAreFields) {
  const nlohmann::json line = Json(About({.action = kAction, .agent = kAgent}) + "sent");
  EXPECT_EQ(line["action"], kAction);
  EXPECT_EQ(line["agent"], kAgent);
  EXPECT_EQ(line["message"], "sent");
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(Json(About({.agent = kAgent}) + "gone")["agent"], kAgent);
  EXPECT_EQ(Json(std::string("action ") + kAction + " launched by x")["message"], "launched by x");
}

TEST(LogTest, OnlyWholeIdsInTheirPlaceAre) {
  for (const std::string& payload :
       {std::string("agent web-1: hello"), std::string("hello agent ") + kAgent,
        std::string("action "), std::string("agent 11111111-2222-4333-8444-55555555555"),
        std::string("")}) {
    const nlohmann::json line = Json(payload);
    EXPECT_FALSE(line.contains("agent")) << payload;
    EXPECT_FALSE(line.contains("action")) << payload;
    EXPECT_EQ(line["message"], payload);
  }
}

TEST(LogTest, HostileTextStaysInItsLineAndItsField) {
  const std::string hostile = "x\",\"level\":\"info\"}\n{\"agent\":\"\\ \x1b[2J\xff\xe2\x80\xae";
  const std::string json = Line(LogFormat::kJson, hostile);
  EXPECT_EQ(json.find('\n'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(json)["level"], "warning");
  const std::string text = Line(LogFormat::kText, "a\nb\x1b");
  EXPECT_THAT(text, EndsWith("warning a\\nb\\x1b"));
}

TEST(LogTest, WordsOfTheSettings) {
  LogFormat format = LogFormat::kText;
  EXPECT_TRUE(ParseLogFormat("json", &format).ok());
  EXPECT_EQ(format, LogFormat::kJson);
  EXPECT_FALSE(ParseLogFormat("xml", &format).ok());
  spdlog::level::level_enum level = spdlog::level::info;
  EXPECT_TRUE(ParseLogLevel("error", &level).ok());
  EXPECT_EQ(level, spdlog::level::err);
  EXPECT_FALSE(ParseLogLevel("loud", &level).ok());
}

class JournalLogTest : public ::testing::Test {
 protected:
  void TearDown() override { SetUpLog(LogFormat::kText, spdlog::level::info); }

  dragnet::testing::JournalEntry Next() {
    const auto entry = socket_.Next();
    EXPECT_TRUE(entry.has_value());
    return entry.value_or(dragnet::testing::JournalEntry());
  }

  const std::string path_ = StrCat("/tmp/dragnet-log-test-", ::getpid());
  dragnet::testing::JournalSocket socket_{path_};
};

TEST_F(JournalLogTest, IdsAndLevelAreFieldsOfTheJournal) {
  using ::testing::Pair;
  using ::testing::UnorderedElementsAre;
  SetUpLog(LogFormat::kText, spdlog::level::info, Journal::Open(path_, "dragnet-scheduler"));
  spdlog::warn("action {} agent {}: sent", kAction, kAgent);
  spdlog::debug("not asked for");
  spdlog::info("agent web-1\nDRAGNET_AGENT=forged: hello");
  EXPECT_THAT(Next(), UnorderedElementsAre(
                          Pair("MESSAGE", StrCat("action ", kAction, " agent ", kAgent, ": sent")),
                          Pair("PRIORITY", "4"), Pair("SYSLOG_IDENTIFIER", "dragnet-scheduler"),
                          Pair("DRAGNET_ACTION", kAction), Pair("DRAGNET_AGENT", kAgent)));
  EXPECT_THAT(Next(), UnorderedElementsAre(
                          Pair("MESSAGE", "agent web-1\\nDRAGNET_AGENT=forged: hello"),
                          Pair("PRIORITY", "6"), Pair("SYSLOG_IDENTIFIER", "dragnet-scheduler")));
  EXPECT_FALSE(socket_.Next().has_value());
}

TEST_F(JournalLogTest, JsonStaysJson) {
  SetUpLog(LogFormat::kJson, spdlog::level::info, Journal::Open(path_, "dragnet-scheduler"));
  spdlog::error("action {}: failed", kAction);
  const auto entry = Next();
  EXPECT_EQ(entry.find("PRIORITY")->second, "3");
  EXPECT_EQ(nlohmann::json::parse(entry.find("MESSAGE")->second)["action"], kAction);
}

TEST_F(JournalLogTest, WhatTheJournalDoesntTakeGoesToStandardError) {
  SetUpLog(LogFormat::kText, spdlog::level::info,
           Journal::Open(path_ + ".gone", "dragnet-scheduler"));
  ::testing::internal::CaptureStderr();
  spdlog::warn("still told");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), EndsWith("warning still told\n"));
}

}  // namespace
}  // namespace dragnet::scheduler
