#include "agent/monitor/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/journal_testing.h"
#include "core/strings.h"

namespace dragnet {
namespace {

using ::testing::HasSubstr;
using testing::JournalEntry;
using testing::JournalSocket;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kAction[] = "0190a000-0000-7000-8000-000000000001";
constexpr char kAgent[] = "11111111-2222-4333-8444-555555555555";

class AgentLogTest : public ::testing::Test {
 protected:
  void SetUp() override { SetLogJournal(Journal::Open(path_, "dragnet-agent")); }
  void TearDown() override {
    SetLogJournal(std::nullopt);
    SetLogAgent("");
  }

  const std::string path_ = StrCat("/tmp/dragnet-agent-log-test-", ::getpid());
};

TEST_F(AgentLogTest, AgentAndActionAreFieldsOfTheJournal) {
  JournalSocket socket(path_);
  LogInfo("starts");
  SetLogAgent(kAgent);
  LogWarning("it waits", kAction);
  EXPECT_THAT(socket.Next().value_or(JournalEntry()),
              UnorderedElementsAre(Pair("MESSAGE", "starts"), Pair("PRIORITY", "6"),
                                   Pair("SYSLOG_IDENTIFIER", "dragnet-agent")));
  EXPECT_THAT(socket.Next().value_or(JournalEntry()),
              UnorderedElementsAre(Pair("MESSAGE", "it waits"), Pair("PRIORITY", "4"),
                                   Pair("SYSLOG_IDENTIFIER", "dragnet-agent"),
                                   Pair("DRAGNET_ACTION", kAction), Pair("DRAGNET_AGENT", kAgent)));
}

// A link or a scheduler that was taken over chooses these words.
TEST_F(AgentLogTest, HostileWordsForgeNoField) {
  JournalSocket socket(path_);
  LogInfo(StrCat("dragnet-link says: x\nDRAGNET_ACTION=", kAction, "\nPRIORITY=0"),
          "no id\nDRAGNET_AGENT=forged");
  EXPECT_THAT(
      socket.Next().value_or(JournalEntry()),
      UnorderedElementsAre(Pair("MESSAGE", StrCat("dragnet-link says: x\\nDRAGNET_ACTION=", kAction,
                                                  "\\nPRIORITY=0")),
                           Pair("PRIORITY", "6"), Pair("SYSLOG_IDENTIFIER", "dragnet-agent")));
}

TEST_F(AgentLogTest, WhatTheJournalDoesntTakeGoesToStandardError) {
  ::testing::internal::CaptureStderr();
  LogWarning("nobody listens");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr(" warning dragnet-agent: nobody listens\n"));
}

}  // namespace
}  // namespace dragnet
