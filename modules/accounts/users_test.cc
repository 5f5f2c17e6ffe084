#include "modules/accounts/users.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dragnet::accounts {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct BadLines {
  OnBadLine Note() {
    return [this](std::string_view, uint32_t line) { lines.push_back(line); };
  }
  std::vector<uint32_t> lines;
};

TEST(PasswdTest, OnlyWholeLinesAreAccounts) {
  BadLines bad;
  const auto entries = ParsePasswd(
      "root:x:0:0:root:/root:/bin/bash\n"
      "# comment\n\n"
      "short:x:1:1::/\n"
      "minus:x:-1:1::/:/bin/sh\n"
      "big:x:4294967296:1::/:/bin/sh\n"
      "+@staff::::::\n"
      "alice::1000:100:Alice A,,,:/home/alice:",
      bad.Note());
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].name, "alice");
  EXPECT_EQ(entries[1].password, "");
  EXPECT_EQ(entries[1].gid, 100u);
  EXPECT_EQ(entries[1].gecos, "Alice A,,,");
  EXPECT_THAT(bad.lines, ElementsAre(4, 5, 6, 7));
}

TEST(ShadowTest, EmptyFieldsAreNoNumbers) {
  BadLines bad;
  const auto entries =
      ParseShadow("a:$6$x$y:19000:0:90:7:30:20000:\nb:*:::::::\nc:!:x::::::\n", bad.Note());
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].changed, 19000);
  EXPECT_EQ(entries[0].inactive_days, 30);
  EXPECT_EQ(entries[0].expires, 20000);
  EXPECT_EQ(entries[1].max_days, -1);
  EXPECT_THAT(bad.lines, ElementsAre(3));
}

TEST(GroupTest, MembersArePartedByCommas) {
  BadLines bad;
  const auto entries = ParseGroup("wheel:x:10:a,b,,c\nempty:x:11:\nbad:x:ten:\n", bad.Note());
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_THAT(entries[0].members, ElementsAre("a", "b", "c"));
  EXPECT_THAT(entries[1].members, IsEmpty());
  EXPECT_THAT(bad.lines, ElementsAre(3));
}

TEST(LoginDefsTest, UidMinIsReadFromItsOwnLineOnly) {
  EXPECT_EQ(UidMin(""), 1000u);
  EXPECT_EQ(UidMin("#UID_MIN 5\nSYS_UID_MIN 101\nUID_MINIMUM 7\n UID_MIN\t\t 500 \n"), 500u);
  EXPECT_EQ(UidMin("UID_MIN many\n"), 1000u);
}

TEST(PasswordTest, StateAndAlgorithmAreToldByTheField) {
  struct Case {
    std::string_view field, state, algorithm;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"", "empty", ""},
           {"*", "none", ""},
           {"!", "none", ""},
           {"!!", "none", ""},
           {"!*", "none", ""},
           {"x", "none", ""},
           {"$y$j9T$abc$def", "set", "yescrypt"},
           {"$gy$j9T$abc$def", "set", "gost-yescrypt"},
           {"!$y$j9T$abc$def", "locked", "yescrypt"},
           {"!!$6$salt$hash", "locked", "sha512"},
           {"$5$salt$hash", "set", "sha256"},
           {"$2b$12$abcdef", "set", "bcrypt"},
           {"$1$salt$hash", "set", "md5"},
           {"$md5,rounds=5$salt$$hash", "set", "sunmd5"},
           {"$argon2id$v=19$", "set", "unknown"},
           {"ab01FAX.bQRSU", "set", "des"},
           {"_J9..rasmBYk8r9AiWNc", "set", "bsdi"},
       }) {
    const PasswordFacts facts = JudgePassword(c.field);
    EXPECT_EQ(facts.state, c.state) << c.field;
    EXPECT_EQ(facts.algorithm, c.algorithm) << c.field;
  }
}

TEST(PasswordTest, ItExpiresAfterItsDaysAndClosesTheAccountAfterMore) {
  ShadowEntry entry;
  entry.changed = 100;
  EXPECT_FALSE(IsPasswordExpired(entry, 100'000));
  entry.max_days = 90;
  EXPECT_FALSE(IsPasswordExpired(entry, 190));
  EXPECT_TRUE(IsPasswordExpired(entry, 191));
  EXPECT_FALSE(IsAccountExpired(entry, 191));
  entry.inactive_days = 10;
  EXPECT_FALSE(IsAccountExpired(entry, 200));
  EXPECT_TRUE(IsAccountExpired(entry, 201));
  // To be changed at the next login.
  entry = {};
  entry.changed = 0;
  EXPECT_TRUE(IsPasswordExpired(entry, 1));
  EXPECT_FALSE(IsAccountExpired(entry, 1));
  entry.expires = 50;
  EXPECT_FALSE(IsAccountExpired(entry, 49));
  EXPECT_TRUE(IsAccountExpired(entry, 50));
}

TEST(ShellTest, WhatEndsAtOnceIsNone) {
  for (const char* shell : {"", "/bin/sh", "/usr/bin/git-shell", "/opt/falsehood"})
    EXPECT_TRUE(IsLoginShell(shell)) << shell;
  for (const char* shell : {"/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/bin/sync"})
    EXPECT_FALSE(IsLoginShell(shell)) << shell;
}

}  // namespace
}  // namespace dragnet::accounts
