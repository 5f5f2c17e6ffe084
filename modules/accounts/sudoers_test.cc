#include "modules/accounts/sudoers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/strings.h"
#include "modules/accounts/sudoers_fake.h"

namespace dragnet::accounts {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// Of one file: each right as WHO HOST=(RUNAS) [NOPASSWD] TAGS COMMANDS.
std::vector<std::string> Rights(std::string content) {
  FakeSudoers source(FakeSudoers::Files{{"/etc/sudoers", std::move(content)}});
  std::vector<std::string> texts;
  for (const SudoRight& right : ReadSudoers(source, "/etc/sudoers").rights) {
    std::string text = StrCat(right.who, " ", right.host, "=(", right.runas, ")");
    if (right.nopasswd) text += " NOPASSWD";
    for (const std::string& tag : right.tags) StrAppend(&text, " ", tag);
    for (const std::string& command : right.commands) StrAppend(&text, " [", command, "]");
    texts.push_back(std::move(text));
  }
  for (const auto& [path, line] : source.bad) texts.push_back(StrCat("bad line ", line));
  return texts;
}

TEST(SudoersTest, ARightHasUserHostRunasTagsAndCommands) {
  EXPECT_THAT(Rights("root ALL=(ALL:ALL) ALL\n"), ElementsAre("root ALL=(ALL:ALL) [ALL]"));
  EXPECT_THAT(Rights("alice, %wheel web1 , web2 = NOPASSWD: /bin/a -x, /bin/b"),
              ElementsAre("alice web1,web2=() NOPASSWD [/bin/a -x] [/bin/b]",
                          "%wheel web1,web2=() NOPASSWD [/bin/a -x] [/bin/b]"));
  EXPECT_THAT(Rights("#1000 ALL = ALL\n%#10 ALL=ALL\n+net ALL=ALL\n%:nix ALL=ALL\n"),
              ElementsAre("#1000 ALL=() [ALL]", "%#10 ALL=() [ALL]", "+net ALL=() [ALL]",
                          "%:nix ALL=() [ALL]"));
  EXPECT_THAT(Rights("\"domain user\" ALL=ALL\n%domain\\ admins ALL=ALL\n\"%a group\" ALL=ALL"),
              ElementsAre("domain user ALL=() [ALL]", "%domain admins ALL=() [ALL]",
                          "%a group ALL=() [ALL]"));
}

TEST(SudoersTest, TagsAndRunasHoldUntilTheyAreChanged) {
  EXPECT_THAT(
      Rights("a ALL=(op) NOPASSWD:NOEXEC: /bin/x, (root) /bin/y, PASSWD: /bin/z, EXEC:/w"),
      ElementsAre("a ALL=(op) NOPASSWD NOEXEC [/bin/x]", "a ALL=(root) NOPASSWD NOEXEC [/bin/y]",
                  "a ALL=(root) NOEXEC [/bin/z]", "a ALL=(root) EXEC [/w]"));
  EXPECT_THAT(Rights("a ALL=(op : adm) CWD=/tmp TIMEOUT=5 SETENV: /bin/x"),
              ElementsAre("a ALL=(op:adm) CWD=/tmp SETENV TIMEOUT=5 [/bin/x]"));
  EXPECT_THAT(Rights("a ALL=(:adm) /bin/x\nb ALL=() /bin/y"),
              ElementsAre("a ALL=(:adm) [/bin/x]", "b ALL=() [/bin/y]"));
}

TEST(SudoersTest, SeveralPrivilegesArePartedByColons) {
  EXPECT_THAT(Rights("a h1 = /bin/x : h2 = NOPASSWD: ALL : fe80::1 = /bin/y"),
              ElementsAre("a h1=() [/bin/x]", "a h2=() NOPASSWD [ALL]", "a fe80::1=() [/bin/y]"));
}

TEST(SudoersTest, ArgumentsMayHaveEscapedSeparators) {
  EXPECT_THAT(Rights(R"(a ALL = /bin/x a\,b c\:d e\=f \#g, /bin/y "")"),
              ElementsAre(R"(a ALL=() [/bin/x a,b c:d e=f #g] [/bin/y ""])"));
  EXPECT_THAT(Rights("a ALL = ^/bin/(x|y),z$ ^-[a-c]{1,2}: $, sha256:abc= /bin/z"),
              ElementsAre("a ALL=() [^/bin/(x|y),z$ ^-[a-c]{1,2}: $] [sha256:abc= /bin/z]"));
}

TEST(SudoersTest, AliasesAreReplacedWhereverTheyAreDefined) {
  EXPECT_THAT(
      Rights("ADMINS ALL = SHELLS, !/bin/su\n"
             "User_Alias ADMINS = alice, !OPS : OPS = bob, #7, INNER\n"
             "User_Alias INNER = carol\n"
             "Cmnd_Alias SHELLS = /bin/sh, ANY : ANY = ALL\n"),
      ElementsAre("alice ALL=() [/bin/sh] [ALL] [!/bin/su]",
                  "!bob ALL=() [/bin/sh] [ALL] [!/bin/su]", "!#7 ALL=() [/bin/sh] [ALL] [!/bin/su]",
                  "!carol ALL=() [/bin/sh] [ALL] [!/bin/su]"));
  FakeSudoers source(
      FakeSudoers::Files{{"/s",
                          "User_Alias U = alice\nCmnd_Alias C = ALL, !/bin/su\nU ALL = C\n"
                          "bob ALL = /bin/ALL\nOTHER ALL = !C\n"}});
  const auto rights = ReadSudoers(source, "/s").rights;
  ASSERT_EQ(rights.size(), 3u);
  EXPECT_EQ(rights[0].user_alias, "U");
  EXPECT_TRUE(rights[0].all_commands);
  EXPECT_TRUE(rights[0].excludes);
  EXPECT_FALSE(rights[1].all_commands);
  EXPECT_FALSE(rights[1].excludes);
  EXPECT_EQ(rights[2].who, "OTHER");
  EXPECT_FALSE(rights[2].all_commands);
}

TEST(SudoersTest, AnAliasWithinItselfEnds) {
  EXPECT_THAT(Rights("User_Alias A = B, x : B = A\nA ALL = ALL\n"),
              ElementsAre("A ALL=() [ALL]", "x ALL=() [ALL]"));
}

TEST(SudoersTest, AliasesThatMultiplyAreCutAndReported) {
  std::string content = "A30 ALL = ALL\nUser_Alias A0 = a, b\n";
  for (int i = 1; i <= 30; ++i)
    StrAppend(&content, "User_Alias A", i, " = A", i - 1, ", A", i - 1, "\n");
  EXPECT_THAT(Rights(content), ElementsAre("bad line 1"));
}

TEST(SudoersTest, LinesContinueAndCommentsEnd) {
  EXPECT_THAT(Rights("# a comment \\\n"
                     "alice ALL = /bin/x, \\\n   /bin/y # more\n"
                     "bob ALL = \\\n\n"
                     "carol ALL = ALL #1 is no uid here\n"
                     "User_Alias X = #5, dave # six\nX ALL = ALL"),
              ElementsAre("alice ALL=() [/bin/x] [/bin/y]", "carol ALL=() [ALL]", "#5 ALL=() [ALL]",
                          "dave ALL=() [ALL]", "bad line 4"));
}

TEST(SudoersTest, WhatIsNotUnderstoodIsReportedByLine) {
  EXPECT_THAT(Rights("alice\nalice ALL\nalice ALL=\nalice ALL=(root /bin/x\n"
                     "User_Alias lower = a\nDefaults =\n\"\" ALL = ALL\nalice ALL = ALL\n"),
              ElementsAre("alice ALL=() [ALL]", "bad line 1", "bad line 2", "bad line 3",
                          "bad line 4", "bad line 5", "bad line 6", "bad line 7"));
}

TEST(SudoersTest, DefaultsHaveScopeNameSignAndValue) {
  FakeSudoers source(
      FakeSudoers::Files{{"/s",
                          "Defaults use_pty\n"
                          "Defaults   !visiblepw, logfile=\"/var/log/sudo log\",passwd_tries = 3\n"
                          "Defaults:alice,%ops !lecture\nDefaults@web timestamp_timeout=0\n"
                          "Defaults!/bin/su noexec\nDefaults>root env_keep += \"A B\"\n"
                          "Defaults secure_path=/a\\:/b\n"
                          "Defaultsx ALL = ALL\n"}});
  const auto sudoers = ReadSudoers(source, "/s");
  EXPECT_THAT(source.bad, IsEmpty());
  std::vector<std::string> texts;
  for (const auto& setting : sudoers.defaults) {
    texts.push_back(StrCat(setting.scope, "|", setting.negated ? "!" : "", setting.name,
                           setting.sign, setting.value, "|", setting.line));
  }
  EXPECT_THAT(texts, ElementsAre("|use_pty|1", "|!visiblepw|2", "|logfile=/var/log/sudo log|2",
                                 "|passwd_tries=3|2", ":alice,%ops|!lecture|3",
                                 "@web|timestamp_timeout=0|4", "!/bin/su|noexec|5",
                                 ">root|env_keep+=A B|6", "|secure_path=/a:/b|7"));
  ASSERT_EQ(sudoers.rights.size(), 1u);
  EXPECT_EQ(sudoers.rights[0].who, "Defaultsx");
}

TEST(SudoersTest, ASwitchedOffAuthenticationHoldsForEveryone) {
  EXPECT_THAT(Rights("a ALL=ALL\nDefaults !authenticate\n"),
              ElementsAre("a ALL=() NOPASSWD [ALL]"));
  EXPECT_THAT(Rights("a ALL=ALL\nDefaults:b !authenticate\n"), ElementsAre("a ALL=() [ALL]"));
}

TEST(SudoersTest, IncludesAreReadInTheirPlaceAndBounded) {
  FakeSudoers source(
      FakeSudoers::Files{{"/etc/sudoers",
                          "#include sub\n@include /etc/missing\n@include \"/etc/a b\"\n"
                          "#includedir /etc/sudoers.d\n# include nothing\n@includedir /nowhere\n"
                          "@include /etc/%h\n"},
                         {"/etc/sub", "one ALL=ALL\n@include /etc/sudoers\n"},
                         {"/etc/a b", "two ALL=ALL\n"},
                         {"/etc/sudoers.d/10-x", "three ALL=ALL\n"},
                         {"/etc/sudoers.d/20.dpkg-old", "four ALL=ALL\n"},
                         {"/etc/sudoers.d/backup~", "five ALL=ALL\n"}});
  const auto sudoers = ReadSudoers(source, "/etc/sudoers");
  std::set<std::string> users;
  for (const SudoRight& right : sudoers.rights) users.insert(right.who);
  EXPECT_THAT(users, ElementsAre("one", "three", "two"));
  EXPECT_THAT(source.bad, testing::Contains(Pair("/etc/missing", 0)));
  EXPECT_THAT(source.bad, testing::Contains(Pair("/etc/sudoers", 7)));
  // That a file includes itself is an error to sudo, too.
  EXPECT_THAT(source.bad, testing::Contains(Pair("/etc/sudoers", 0)));
}

}  // namespace
}  // namespace dragnet::accounts
