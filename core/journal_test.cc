#include "core/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/journal_testing.h"
#include "core/strings.h"

namespace dragnet {
namespace {

using namespace std::string_literals;
using testing::JournalEntry;
using testing::JournalSocket;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::string SocketPath() { return StrCat("/tmp/dragnet-journal-test-", ::getpid()); }

TEST(JournalTest, ALineArrivesWithItsFields) {
  JournalSocket socket(SocketPath());
  const std::optional<Journal> journal = Journal::Open(SocketPath(), "dragnet-test");
  ASSERT_TRUE(journal.has_value());
  EXPECT_TRUE(journal->Write(JournalPriority::kWarning, "it is full", {{"DRAGNET_ACTION", "a"}}));
  const std::optional<JournalEntry> entry = socket.Next();
  ASSERT_TRUE(entry.has_value());
  EXPECT_THAT(*entry, UnorderedElementsAre(Pair("MESSAGE", "it is full"), Pair("PRIORITY", "4"),
                                           Pair("SYSLOG_IDENTIFIER", "dragnet-test"),
                                           Pair("DRAGNET_ACTION", "a")));
}

TEST(JournalTest, HostileTextForgesNoField) {
  JournalSocket socket(SocketPath());
  const std::optional<Journal> journal = Journal::Open(SocketPath(), "dragnet-test");
  ASSERT_TRUE(journal.has_value());
  const std::string hostile[] = {"x\nPRIORITY=0\nDRAGNET_AGENT=forged"s,
                                 "\n"s,
                                 "\n\x01\0\0\0\0\0\0\0x\nDRAGNET_AGENT=forged\n"s,
                                 "\nDRAGNET_AGENT\n\6\0\0\0\0\0\0\0forged\n"s,
                                 "a\0b=\xff"s,
                                 ""s};
  for (const std::string& text : hostile) {
    EXPECT_TRUE(journal->Write(JournalPriority::kInfo, text, {{"DRAGNET_ACTION", text}}));
    const std::optional<JournalEntry> entry = socket.Next();
    ASSERT_TRUE(entry.has_value());
    EXPECT_THAT(*entry, UnorderedElementsAre(Pair("MESSAGE", text), Pair("PRIORITY", "6"),
                                             Pair("SYSLOG_IDENTIFIER", "dragnet-test"),
                                             Pair("DRAGNET_ACTION", text)));
  }
}

TEST(JournalTest, WhatIsNoFieldsNameIsLeftOut) {
  EXPECT_EQ(EncodeJournalEntry({{"A1_B", "x"},
                                {"", "1"},
                                {"_TRUSTED", "2"},
                                {"a", "3"},
                                {"A=B", "4"},
                                {"A\nB", "5"},
                                {"1A", "6"},
                                {std::string(65, 'A'), "7"}}),
            "A1_B=x\n");
}

TEST(JournalTest, AJournalThatDoesntTakeItIsSaid) {
  const std::optional<Journal> journal = Journal::Open(SocketPath(), "dragnet-test");
  ASSERT_TRUE(journal.has_value());
  EXPECT_FALSE(journal->Write(JournalPriority::kInfo, "nobody"));
  // Started later, or anew: found.
  for (int i = 0; i < 2; ++i) {
    JournalSocket socket(SocketPath());
    EXPECT_TRUE(journal->Write(JournalPriority::kInfo, "somebody"));
    EXPECT_TRUE(socket.Next().has_value());
  }
  // Full: said at once, not waited for.
  JournalSocket socket(SocketPath());
  int written = 0;
  while (journal->Write(JournalPriority::kInfo, "more")) ASSERT_LT(++written, 1000000);
}

TEST(JournalTest, OnlyTheStreamThatTheEnvironmentNamesCounts) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  struct stat info;
  ASSERT_EQ(::fstat(fds[1], &info), 0);
  const std::string name = StrCat(info.st_dev, ":", info.st_ino);
  EXPECT_TRUE(IsJournalStream(fds[1], name));
  EXPECT_FALSE(IsJournalStream(fds[1], name + "0"));
  EXPECT_FALSE(IsJournalStream(fds[1], StrCat(info.st_dev, ":")));
  EXPECT_FALSE(IsJournalStream(fds[1], ""));
  EXPECT_FALSE(IsJournalStream(-1, name));
  ::close(fds[0]);
  ::close(fds[1]);
}

// Redirected: the variable is inherited, the stream is another one.
TEST(JournalTest, AStandardErrorElsewhereIsNotTheJournal) {
  ::setenv("JOURNAL_STREAM", "1:1", 1);
  EXPECT_FALSE(Journal::OfStandardError("dragnet-test").has_value());
  ::unsetenv("JOURNAL_STREAM");
  EXPECT_FALSE(Journal::OfStandardError("dragnet-test").has_value());
}

}  // namespace
}  // namespace dragnet
