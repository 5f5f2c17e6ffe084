// The module over a root that the test fills.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lastlog.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmp.h>

#include <cstring>
#include <map>

#include "absl/strings/escaping.h"
#include "core/ssh_wire.h"
#include "core/strings.h"
#include "modules/accounts/accounts.pb.h"
#include "modules/accounts/authorized_keys.h"
#include "modules/accounts/run.h"
#include "modules/module.h"
#include "modules/pkg/test_root.h"
#include "modules/run_context_fake.h"

namespace dragnet::accounts {
namespace {

using pkg::TestRoot;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// 2023-11-15.
constexpr int64_t kToday = 19676;
constexpr int64_t kNow = kToday * 86400 + 3600;

std::string KeyLine(char seed, std::string_view comment) {
  std::string blob;
  AppendWireString(&blob, "ssh-ed25519");
  AppendWireString(&blob, std::string(32, seed));
  return StrCat("ssh-ed25519 ", absl::Base64Escape(blob), " ", comment, "\n");
}

v1::AccountsParameters Kinds(std::initializer_list<const char*> kinds) {
  v1::AccountsParameters parameters;
  for (const char* kind : kinds) parameters.add_kinds(kind);
  return parameters;
}

std::vector<v1::AccountsRow> Find(const TestRoot& root, const v1::AccountsParameters& parameters,
                                  FakeRunContext& context) {
  const auto search = CompileSearch(parameters);
  EXPECT_TRUE(search.ok()) << search.status();
  const auto opened = pkg::Root::Open(root.path());
  EXPECT_TRUE(opened.ok()) << opened.status();
  if (search.ok() && opened.ok()) RunSearch(*search, *opened, kNow, context);
  return context.RowsAs<v1::AccountsRow>();
}

std::vector<v1::AccountsRow> Find(const TestRoot& root, const v1::AccountsParameters& parameters) {
  FakeRunContext context;
  auto rows = Find(root, parameters, context);
  EXPECT_THAT(context.unexamined, IsEmpty());
  return rows;
}

std::map<std::string, v1::AccountsRow> ByName(std::vector<v1::AccountsRow> rows) {
  std::map<std::string, v1::AccountsRow> by_name;
  for (v1::AccountsRow& row : rows) by_name[row.name()] = std::move(row);
  return by_name;
}

// KIND NAME PERSON of each.
std::vector<std::string> Ways(const std::vector<v1::AccountsRow>& rows) {
  std::vector<std::string> ways;
  for (const auto& row : rows)
    ways.push_back(StrCat(row.kind(), " ", row.name(), " ", row.person()));
  return ways;
}

std::string Utmp(const std::string& user, const std::string& line, int pid) {
  struct utmp record{};
  record.ut_type = USER_PROCESS;
  std::memcpy(record.ut_user, user.data(), user.size());
  std::memcpy(record.ut_line, line.data(), line.size());
  record.ut_pid = pid;
  record.ut_tv.tv_sec = static_cast<int32_t>(kNow - 10 * 86400);
  return std::string(reinterpret_cast<const char*>(&record), sizeof record);
}

TEST(AccountsTest, AnAccountSaysWhetherAndHowOneGetsIn) {
  const TestRoot root;
  root.File("/etc/passwd",
            "root:x:0:0:root:/root:/bin/bash\n"
            "toor:x:0:0::/root:\n"
            "daemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n"
            "alice:x:1000:1000:Alice:/home/alice:/bin/bash\n"
            "bob:x:1001:1000::/home/bob:/bin/sh\n"
            "locked:x:1002:9::/nowhere:/bin/sh\n"
            "keyed:x:1003:9::/home/keyed:/bin/sh\n"
            "ended:x:1004:9::/nowhere:/bin/sh\n"
            "open::1005:9::/nowhere:/bin/sh\n"
            "bob:x:1005:9::/nowhere:/bin/sh\n");
  root.File("/etc/shadow",
            "root:$y$j9T$a$b:19000:0:99999:7:::\n"
            "toor:*:19000:0:99999:7:::\n"
            "daemon:*:19000:0:99999:7:::\n"
            "alice:$1$a$b:19600:1:90:7:30::\n"
            "bob:$6$a$b:19500:0:90:7:::\n"
            "locked:!$6$a$b:19500:0:90:7:::\n"
            "keyed:!:19677:0:90:7:::\n"
            "ended:$6$a$b:19500:::::19676:\n");
  root.File("/etc/group", "root:x:0:\nusers:x:1000:bob\nadm:x:4:alice,bob\n");
  root.File("/etc/login.defs", "UID_MIN 1000\n");
  root.File("/home/keyed/.ssh/authorized_keys", KeyLine('k', "k@host"));
  root.File("/home/alice/.rhosts", "+ +\n");
  chmod(root.In("/home/alice").c_str(), 0750);
  chmod(root.In("/home/keyed").c_str(), 0757);
  const auto rows = Find(root, {});
  ASSERT_EQ(rows.size(), 10u);
  std::map<std::string, v1::AccountsRow> row;
  for (const auto& each : rows) row.try_emplace(each.name(), each);

  EXPECT_TRUE(row["root"].login_possible());
  EXPECT_EQ(row["root"].password(), "set");
  EXPECT_EQ(row["root"].hash_algorithm(), "yescrypt");
  EXPECT_TRUE(row["root"].system());
  EXPECT_TRUE(row["root"].shadowed());
  EXPECT_TRUE(row["root"].duplicate_id());
  EXPECT_FALSE(row["root"].uid0_twin());
  EXPECT_TRUE(row["toor"].uid0_twin());
  EXPECT_TRUE(row["toor"].login_shell());
  EXPECT_FALSE(row["toor"].login_possible());
  EXPECT_EQ(row["toor"].password(), "none");
  EXPECT_FALSE(row["daemon"].login_shell());

  EXPECT_EQ(row["alice"].password(), "set");
  EXPECT_EQ(row["alice"].hash_algorithm(), "md5");
  EXPECT_EQ(row["alice"].min_days(), 1);
  EXPECT_EQ(row["alice"].max_days(), 90);
  EXPECT_EQ(row["alice"].warn_days(), 7);
  EXPECT_EQ(row["alice"].inactive_days(), 30);
  EXPECT_EQ(row["alice"].password_changed().seconds(), 19600 * 86400);
  EXPECT_FALSE(row["alice"].has_expires());
  EXPECT_FALSE(row["alice"].system());
  EXPECT_THAT(row["alice"].groups(), ElementsAre("users", "adm"));
  EXPECT_TRUE(row["alice"].home_exists());
  EXPECT_EQ(row["alice"].home_mode(), "drwxr-x---");
  EXPECT_EQ(row["alice"].home_owner(), geteuid());
  EXPECT_FALSE(row["alice"].home_owned());
  EXPECT_FALSE(row["alice"].home_too_open());
  EXPECT_THAT(row["alice"].home_files(), ElementsAre(".rhosts"));

  EXPECT_EQ(row["bob"].password(), "expired");
  EXPECT_TRUE(row["bob"].login_possible());
  EXPECT_TRUE(row["bob"].duplicate_name());
  EXPECT_FALSE(row["bob"].duplicate_id());
  EXPECT_THAT(row["bob"].groups(), ElementsAre("users", "adm"));
  EXPECT_EQ(row["locked"].password(), "locked");
  EXPECT_FALSE(row["locked"].login_possible());
  EXPECT_EQ(row["locked"].primary_group(), "");
  EXPECT_FALSE(row["locked"].home_exists());
  EXPECT_EQ(row["keyed"].keys(), 1u);
  EXPECT_TRUE(row["keyed"].login_possible());
  EXPECT_TRUE(row["keyed"].home_too_open());
  EXPECT_TRUE(row["keyed"].password_changed_in_future());
  EXPECT_FALSE(row["alice"].password_changed_in_future());
  EXPECT_TRUE(row["ended"].expired());
  EXPECT_EQ(row["ended"].expires().seconds(), 19676 * 86400);
  EXPECT_FALSE(row["ended"].login_possible());
  EXPECT_EQ(row["open"].password(), "empty");
  EXPECT_FALSE(row["open"].shadowed());
  EXPECT_FALSE(row["open"].in_shadow());
  EXPECT_TRUE(row["open"].login_possible());
  EXPECT_TRUE(row["open"].duplicate_id());
}

TEST(AccountsTest, NoHashLeavesTheHost) {
  const TestRoot root;
  root.File("/etc/passwd", "a:x:1:1::/:/bin/sh\nb:$6$salt$inpasswd:2:2::/:/bin/sh\n");
  root.File("/etc/shadow", "a:$6$salt$inshadow:1::::::\n");
  for (const auto& row : Find(root, {}))
    EXPECT_EQ(row.DebugString().find("salt"), std::string::npos);
}

TEST(AccountsTest, WhatCannotBeReadOrUnderstoodIsReported) {
  const TestRoot root;
  root.File("/etc/passwd", "a:x:1:1::/:/bin/sh\nrubbish\n");
  std::filesystem::create_directory(root.In("/etc/shadow"));
  FakeRunContext context;
  const auto rows = Find(root, {}, context);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].password(), "unknown");
  EXPECT_TRUE(rows[0].login_possible());
  EXPECT_THAT(context.unexamined["line is not understood"], ElementsAre("/etc/passwd:2"));
  EXPECT_THAT(context.unexamined["is no regular file"], ElementsAre("/etc/shadow"));

  const TestRoot empty;
  FakeRunContext nothing;
  EXPECT_THAT(Find(empty, {}, nothing), IsEmpty());
  EXPECT_THAT(nothing.unexamined["No such file or directory"], ElementsAre("/etc/passwd"));
}

TEST(AccountsTest, AFifoInAHomeHoldsNothingUp) {
  const TestRoot root;
  root.File("/etc/passwd", "a:x:1:1::/home/a:/bin/sh\n");
  std::filesystem::create_directories(root.In("/home/a/.ssh"));
  ASSERT_EQ(mkfifo(root.In("/home/a/.ssh/authorized_keys").c_str(), 0644), 0);
  FakeRunContext context;
  EXPECT_EQ(Find(root, Kinds({"account", "key"}), context).size(), 1u);
  EXPECT_THAT(context.unexamined["is no regular file"],
              ElementsAre("/home/a/.ssh/authorized_keys"));
}

TEST(AccountsTest, LinksLeadNowhereOutsideOfTheRoot) {
  const TestRoot outside;
  outside.File("/keys", KeyLine('x', "x"));
  const TestRoot root;
  root.File("/etc/passwd", "a:x:1:1::/home/a:/bin/sh\n");
  root.Link("/home/a/.ssh/authorized_keys", outside.In("/keys"));
  EXPECT_THAT(Find(root, Kinds({"key"})), IsEmpty());
  // Within it sshd follows them, too.
  root.File("/keys", KeyLine('x', "x"));
  std::filesystem::remove(root.In("/home/a/.ssh/authorized_keys"));
  root.Link("/home/a/.ssh/authorized_keys", "/keys");
  EXPECT_EQ(Find(root, Kinds({"key"})).size(), 1u);
}

TEST(AccountsTest, TheLastLoginIsTheLaterOfLastlogAndWtmp) {
  const TestRoot root;
  root.File("/etc/passwd", "a:x:1:1::/:/bin/sh\nb:x:2:1::/:/bin/sh\nc:x:4294967294:1::/:/bin/sh\n");
  root.File("/var/log/wtmp", Utmp("a", "tty1", 5) + Utmp("b", "tty2", 6));
  struct lastlog record{};
  std::string lastlog(2 * sizeof record, '\0');
  std::memcpy(record.ll_host, "h", 1);
  record.ll_time = static_cast<int32_t>(kNow - 3 * 86400 - 5);
  lastlog.append(reinterpret_cast<const char*>(&record), sizeof record);
  root.File("/var/log/lastlog", lastlog);
  auto rows = ByName(Find(root, {}));
  EXPECT_EQ(rows["a"].days_since_login(), 10);
  EXPECT_EQ(rows["a"].last_login_from(), "tty1");
  EXPECT_EQ(rows["b"].days_since_login(), 3);
  EXPECT_EQ(rows["b"].last_login_from(), "h");
  EXPECT_EQ(rows["c"].days_since_login(), -1);
  EXPECT_FALSE(rows["c"].has_last_login());
}

TEST(AccountsTest, GroupsHaveMembersAndTwins) {
  const TestRoot root;
  root.File("/etc/passwd", "a:x:1:5::/:/bin/sh\n");
  root.File("/etc/group", "root:x:0:\nwheel:x:0:a,b\nshadow:x:5:\nshadow:x:6:\n");
  const auto rows = Find(root, Kinds({"group"}));
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_TRUE(rows[0].duplicate_id());
  EXPECT_THAT(rows[1].members(), ElementsAre("a", "b"));
  EXPECT_EQ(rows[1].member_count(), 2u);
  EXPECT_FALSE(rows[1].duplicate_name());
  EXPECT_EQ(rows[2].member_count(), 0u);
  EXPECT_EQ(rows[2].primary_count(), 1u);
  EXPECT_TRUE(rows[3].duplicate_name());
  EXPECT_FALSE(rows[3].duplicate_id());
}

TEST(AccountsTest, SudoRowsSayWhatIsAllowed) {
  const TestRoot root;
  root.File("/etc/passwd", "");
  root.File("/etc/sudoers",
            "Defaults use_pty\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n", 0440);
  root.File("/etc/sudoers.d/ops", "%ops ALL=(root) NOPASSWD: /bin/systemctl restart x, !/bin/su\n");
  const auto rows = Find(root, Kinds({"sudo", "sudo_default"}));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].kind(), "sudo_default");
  EXPECT_EQ(rows[0].name(), "use_pty");
  EXPECT_TRUE(rows[1].all_commands());
  EXPECT_FALSE(rows[1].nopasswd());
  EXPECT_EQ(rows[1].runas(), "ALL:ALL");
  EXPECT_EQ(rows[2].name(), "%ops");
  EXPECT_TRUE(rows[2].nopasswd());
  EXPECT_TRUE(rows[2].excludes());
  EXPECT_EQ(rows[2].commands(), "/bin/systemctl restart x, !/bin/su");
  EXPECT_EQ(rows[2].path(), "/etc/sudoers.d/ops");
  EXPECT_EQ(rows[2].line(), 1u);
}

TEST(AccountsTest, KeysAreFoundWhereSshdLooks) {
  const TestRoot root;
  root.File("/etc/passwd", "a:x:7:1::/home/a:/bin/sh\n");
  root.File("/home/a/.ssh/authorized_keys", KeyLine('1', "default"));
  EXPECT_EQ(Find(root, Kinds({"key"})).size(), 1u);

  root.File("/etc/ssh/sshd_config",
            "Include /etc/ssh/sshd_config.d/*.conf\nAuthorizedKeysFile ignored\n"
            "TrustedUserCAKeys /etc/ssh/ca.pub\n"
            "Match User x\n  AuthorizedKeysFile=\"/etc/ssh/match/%u\"\n");
  root.File("/etc/ssh/sshd_config.d/10.conf", "authorizedkeysfile /etc/ssh/keys/%U %h/.k\n");
  root.File("/etc/ssh/keys/7", "from=\"10.0.0.0/8\",command=\"/bin/x\" " + KeyLine('2', "two"));
  root.File("/home/a/.k", KeyLine('3', "three"));
  root.File("/home/a/ignored", KeyLine('4', "four"));
  root.File("/etc/ssh/match/a", "cert-authority " + KeyLine('5', "five"));
  root.File("/etc/ssh/ca.pub", KeyLine('6', "six"));
  std::map<std::string, v1::AccountsRow> rows;
  for (const auto& row : Find(root, Kinds({"key"}))) rows[row.comment()] = row;
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_TRUE(rows["two"].forced_command());
  EXPECT_TRUE(rows["two"].from_restricted());
  EXPECT_THAT(rows["two"].options(), ElementsAre("from=10.0.0.0/8", "command=/bin/x"));
  EXPECT_EQ(rows["two"].path(), "/etc/ssh/keys/7");
  EXPECT_EQ(rows["two"].name(), "a");
  EXPECT_EQ(rows["two"].uid(), 7u);
  EXPECT_FALSE(rows["three"].forced_command());
  EXPECT_TRUE(rows["five"].cert_authority());
  EXPECT_EQ(rows["six"].name(), "*");
  EXPECT_TRUE(rows["six"].cert_authority());

  root.File("/etc/ssh/sshd_config.d/20.conf", "AuthorizedKeysCommand /usr/bin/sss_ssh\n");
  FakeRunContext context;
  Find(root, Kinds({"key"}), context);
  EXPECT_THAT(context.unexamined["keys that sshd's AuthorizedKeysCommand gives"],
              ElementsAre("/etc/ssh/sshd_config.d/20.conf:1"));
}

TEST(AccountsTest, SessionsOfLogindAndUtmpAreToldOnce) {
  const TestRoot root;
  root.File("/etc/passwd", "a:x:1000:1::/:/bin/sh\n");
  EXPECT_THAT(Find(root, Kinds({"session"})), IsEmpty());
  root.File("/run/systemd/sessions/1",
            "UID=1000\nUSER=a\nTTY=pts/0\nREMOTE_HOST=h\nCLASS=user\nLEADER=50\n");
  root.File("/run/systemd/sessions/2", "UID=1000\nUSER=a\nCLASS=manager\nLEADER=60\n");
  mkfifo(root.In("/run/systemd/sessions/1.ref").c_str(), 0600);
  root.File("/run/utmp", Utmp("a", "pts/0", 51) + Utmp("a", "", 50) + Utmp("b", "tty1", 70));
  const auto rows = Find(root, Kinds({"session"}));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].source(), "systemd");
  EXPECT_EQ(rows[0].terminal(), "pts/0");
  EXPECT_EQ(rows[0].from(), "h");
  EXPECT_EQ(rows[1].source(), "utmp");
  EXPECT_EQ(rows[1].name(), "b");
  EXPECT_EQ(rows[1].started().seconds(), kNow - 10 * 86400);
}

TEST(AccountsTest, LoginsWhoseProcessIsGoneAreNoSessions) {
  const TestRoot root;
  root.File("/etc/passwd", "a:x:1000:1::/:/bin/sh\n");
  root.File("/run/utmp", Utmp("a", "tty1", 70) + Utmp("a", "tty2", 71));
  std::filesystem::create_directories(root.In("/proc/1"));
  std::filesystem::create_directories(root.In("/proc/71"));
  const auto rows = Find(root, Kinds({"session"}));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].terminal(), "tty2");
}

class DepartedRootTest : public testing::Test {
 protected:
  DepartedRootTest() {
    root_.File("/etc/passwd",
               "alice:x:1000:1000:Alice:/home/alice:/bin/bash\n"
               "bob:x:1001:100::/home/bob:/bin/bash\n"
               "carol:x:1002:50:,carol@example.org:/home/carol:/bin/bash\n"
               "dora:x:1003:100::/home/dora:/bin/bash\n"
               "svc:x:99:99::/home/svc:/usr/sbin/nologin\n"
               "ended:x:1005:100::/home/ended:/bin/bash\n");
    root_.File("/etc/shadow",
               "alice:$6$a$b:19600::::::\nbob:!$6$a$b:19600::::::\ncarol:$6$a$b:19600::::::\n"
               "dora:$6$a$b:19600::::::\nsvc:*:19600::::::\nended:$6$a$b:19600:::::1:\n");
    root_.File("/etc/group", "wheel:x:10:dora,alice\nops:x:50:\n");
  }
  std::vector<std::string> Ways(const std::string& list) {
    v1::AccountsParameters parameters;
    parameters.set_departed(list);
    return accounts::Ways(Find(root_, parameters));
  }
  TestRoot root_;
};

TEST_F(DepartedRootTest, NobodyOfTheListIsNothingFound) {
  root_.File("/etc/sudoers", "%wheel ALL=ALL\n");
  EXPECT_THAT(Ways("user\nzoe\n"), IsEmpty());
}

TEST_F(DepartedRootTest, AnAccountCountsWhileOneCanLogIn) {
  EXPECT_THAT(Ways("user,uid,mail,name\nalice,,,Alice A\n,1003,,Dora D\n,,carol@example.org,\n"
                   "ended,,,E\nsvc,,,S\n"),
              UnorderedElementsAre("account alice Alice A", "account dora Dora D",
                                   "account carol carol@example.org"));
  // A locked password is no lock: keys still let in.
  EXPECT_THAT(Ways("user\nbob\n"), IsEmpty());
  root_.File("/home/bob/.ssh/authorized_keys", KeyLine('b', "x"));
  EXPECT_THAT(Ways("user\nbob\n"), UnorderedElementsAre("account bob bob", "key bob bob"));
}

TEST_F(DepartedRootTest, AKeyCountsInWhosesoeverAccount) {
  root_.File("/home/svc/.ssh/authorized_keys",
             KeyLine('z', "zoe@laptop") + KeyLine('y', "other") + KeyLine('w', "W@Example.org"));
  root_.File("/home/ended/.ssh/authorized_keys", KeyLine('z', "zoe@laptop"));
  EXPECT_THAT(Ways("user\nzoe\n"), ElementsAre("key svc zoe"));
  EXPECT_THAT(Ways("mail\nw@example.org\n"), ElementsAre("key svc w@example.org"));
  EXPECT_THAT(Ways(StrCat("name,key\nYves,", KeyLine('y', "whatever"))),
              ElementsAre("key svc Yves"));
  EXPECT_THAT(Ways("user\nyves\n"), IsEmpty());
}

TEST_F(DepartedRootTest, SudoersCountByUserUidAndGroup) {
  root_.File("/etc/sudoers",
             "zoe ALL=ALL\n!zoe ALL=/bin/x\nzoe ALL=!/bin/x\n#1002 ALL=ALL\n%wheel ALL=ALL\n"
             "%ops ALL=ALL\nUser_Alias GONE = yves\nGONE ALL=ALL\n#77 ALL=ALL\n%#10 h=ALL\n");
  EXPECT_THAT(Ways("user\nzoe\n"), ElementsAre("sudo zoe zoe"));
  EXPECT_THAT(Ways("user\nyves\n"), ElementsAre("sudo yves yves"));
  EXPECT_THAT(Ways("uid\n77\n"), ElementsAre("sudo #77 uid 77"));
  EXPECT_THAT(Ways("user\ncarol\n"),
              ElementsAre("account carol carol", "sudo #1002 carol", "sudo %ops carol"));
  EXPECT_THAT(Ways("uid\n1003\n"),
              ElementsAre("account dora uid 1003", "sudo %wheel uid 1003", "sudo %#10 uid 1003"));
}

TEST_F(DepartedRootTest, SessionsAndProcessesCount) {
  root_.File("/run/systemd/sessions/c1", "UID=1001\nUSER=bob\nCLASS=user\nLEADER=5\n");
  root_.File("/run/utmp", Utmp("zoe", "tty1", 6) + Utmp("yves", "tty2", 7));
  EXPECT_THAT(Ways("user,uid\nbob,\n,1001\nzoe,\n"),
              ElementsAre("session bob bob", "session zoe zoe"));
  std::filesystem::create_directories(root_.In("/proc/99"));
  EXPECT_THAT(Ways(StrCat("uid\n", geteuid() == 0 ? 4242 : geteuid(), "\n")).size(),
              geteuid() == 0 ? 0u : 1u);
  if (geteuid() != 0) return;
  ASSERT_EQ(chown(root_.In("/proc/99").c_str(), 4242, 4242), 0);
  EXPECT_THAT(Ways("uid\n4242\n"), ElementsAre("session 4242 uid 4242"));
}

TEST_F(DepartedRootTest, WhyTellsWhatMatched) {
  root_.File("/home/svc/.ssh/authorized_keys", KeyLine('z', "alice@laptop"));
  v1::AccountsParameters parameters;
  parameters.set_departed("user\nalice\n");
  auto rows = Find(root_, parameters);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].why(), "user name; account open: password set, authorized keys: 0");
  EXPECT_EQ(rows[1].why(), "comment of the key: alice@laptop");
  parameters.set_no_text(true);
  rows = Find(root_, parameters);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].why(), "comment of the key");
  EXPECT_EQ(rows[1].comment(), "…");
}

TEST_F(DepartedRootTest, OnlyTheKindsAndNamesThatAreAskedFor) {
  root_.File("/etc/sudoers", "alice ALL=ALL\n");
  v1::AccountsParameters parameters = Kinds({"sudo"});
  parameters.set_departed("user\nalice\n");
  EXPECT_THAT(accounts::Ways(Find(root_, parameters)), ElementsAre("sudo alice alice"));
  v1::AccountsParameters named;
  named.add_names("carol");
  EXPECT_THAT(accounts::Ways(Find(root_, named)), ElementsAre("account carol "));
}

TEST(AccountsParametersTest, WhatCannotRunIsRefusedByField) {
  const Module& module = *FindModule("accounts");
  const auto refusal = [&](const v1::AccountsParameters& parameters) {
    return std::string(module.Validate(parameters).message());
  };
  EXPECT_EQ(refusal({}), "");
  EXPECT_THAT(refusal(Kinds({"account", "user"})), HasSubstr("kinds[1] 'user' is unknown"));
  v1::AccountsParameters parameters;
  parameters.set_departed("user\nok\nAlice Smith\n");
  EXPECT_THAT(refusal(parameters), HasSubstr("departed: line 3: user 'Alice Smith'"));
  parameters = Kinds({"group"});
  parameters.set_departed("user\nok\n");
  EXPECT_THAT(refusal(parameters), HasSubstr("kinds: group"));
}

TEST(AccountsParametersTest, PrivacyModeWantsNoText) {
  const Module& module = *FindModule("accounts");
  v1::AccountsParameters parameters;
  EXPECT_TRUE(absl::IsPermissionDenied(module.ValidateForPrivacy(parameters)));
  parameters.set_no_text(true);
  EXPECT_TRUE(module.ValidateForPrivacy(parameters).ok());
}

}  // namespace
}  // namespace dragnet::accounts
