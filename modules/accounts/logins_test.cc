#include "modules/accounts/logins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lastlog.h>
#include <utmp.h>

#include <cstring>

#include "core/text.h"

namespace dragnet::accounts {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string Record(short type, const std::string& user, int pid, int32_t time) {
  struct utmp record{};
  record.ut_type = type;
  std::memcpy(record.ut_user, user.data(), std::min(user.size(), sizeof record.ut_user));
  std::memcpy(record.ut_line, "pts/1", 5);
  std::memcpy(record.ut_host, "10.1.2.3", 8);
  record.ut_pid = pid;
  record.ut_tv.tv_sec = time;
  return std::string(reinterpret_cast<const char*>(&record), sizeof record);
}

struct Parsed {
  std::vector<LoginRecord> logins;
  std::vector<size_t> bad;
};
Parsed Parse(const std::string& content) {
  Parsed parsed;
  parsed.logins =
      ParseUtmp(content, [&](std::string_view, size_t index) { parsed.bad.push_back(index); });
  return parsed;
}

TEST(UtmpTest, OnlyUserProcessesAreLogins) {
  const Parsed parsed =
      Parse(Record(BOOT_TIME, "reboot", 0, 1) + Record(USER_PROCESS, "alice", 42, 1700000000) +
            Record(DEAD_PROCESS, "bob", 43, 1700000001));
  ASSERT_EQ(parsed.logins.size(), 1u);
  EXPECT_EQ(parsed.logins[0].user, "alice");
  EXPECT_EQ(parsed.logins[0].terminal, "pts/1");
  EXPECT_EQ(parsed.logins[0].host, "10.1.2.3");
  EXPECT_EQ(parsed.logins[0].pid, 42u);
  EXPECT_EQ(parsed.logins[0].time, 1700000000);
  EXPECT_THAT(parsed.bad, IsEmpty());
}

TEST(UtmpTest, DamagedRecordsAreToldAndThoseBesideThemRead) {
  const Parsed parsed = Parse(Record(77, "x", 1, 1) + Record(USER_PROCESS, "", 1, 1) +
                              Record(USER_PROCESS, "alice", 1, 1) + "half");
  EXPECT_EQ(parsed.logins.size(), 1u);
  EXPECT_THAT(parsed.bad, ElementsAre(0, 1, 3));
}

TEST(UtmpTest, NamesThatFillTheirFieldEndWithIt) {
  const Parsed parsed = Parse(Record(USER_PROCESS, std::string(UT_NAMESIZE, 'n'), 1, 1));
  ASSERT_EQ(parsed.logins.size(), 1u);
  EXPECT_EQ(parsed.logins[0].user, std::string(UT_NAMESIZE, 'n'));
}

TEST(UtmpTest, TimesAfter2038AreNotBefore1970) {
  const Parsed parsed = Parse(Record(USER_PROCESS, "a", 1, static_cast<int32_t>(0x80000001u)));
  ASSERT_EQ(parsed.logins.size(), 1u);
  EXPECT_EQ(parsed.logins[0].time, 0x80000001);
}

TEST(LastlogTest, NoTimeIsNoLogin) {
  struct lastlog record{};
  std::memcpy(record.ll_host, "host", 4);
  const auto bytes = [&] {
    return std::string_view(reinterpret_cast<const char*>(&record), sizeof record);
  };
  EXPECT_FALSE(ParseLastlog(bytes()));
  record.ll_time = 1700000000;
  ASSERT_TRUE(ParseLastlog(bytes()));
  EXPECT_EQ(ParseLastlog(bytes())->time, 1700000000);
  EXPECT_EQ(ParseLastlog(bytes())->host, "host");
  EXPECT_FALSE(ParseLastlog(bytes().substr(1)));
}

TEST(SystemdSessionTest, OneWithoutAUserIsNone) {
  const auto session = ParseSystemdSession(
      "# This is private data. Do not parse.\nUID=1000\nUSER=alice\nACTIVE=1\nSTATE=active\n"
      "REMOTE_HOST=10.0.0.9\nTTY=pts/0\nCLASS=user\nLEADER=812\nREALTIME=1700000000123456\n");
  ASSERT_TRUE(session);
  EXPECT_EQ(session->user, "alice");
  EXPECT_EQ(session->uid, 1000u);
  EXPECT_EQ(session->terminal, "pts/0");
  EXPECT_EQ(session->host, "10.0.0.9");
  EXPECT_EQ(session->session_class, "user");
  EXPECT_EQ(session->leader, 812u);
  EXPECT_EQ(session->time, 1700000000);
  EXPECT_FALSE(ParseSystemdSession("UID=-1\nSTATE=active\n"));
  EXPECT_FALSE(ParseSystemdSession(""));
}

}  // namespace
}  // namespace dragnet::accounts
