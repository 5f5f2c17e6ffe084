// The key ceremony with the real programs: docs/key-ceremony.md is run as it
// stands, and then what people and attackers do besides.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_replace.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/strings.h"
#include "tests/harness/fleet.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Says yes, and looks until every agent has the policy; the page shows what a
// person types.
constexpr char kPrelude[] = R"(set -euo pipefail
dragnet() {
  case "$1 ${2-}" in
    'trust sign'|'trust publish'|'trust revoke') command dragnet "$@" --yes ;;
    'trust agents')
      for ((i = 0; i < 600; ++i)); do
        command dragnet "$@" >agents.out 2>&1 && { cat agents.out; return 0; }
        sleep 0.1
      done
      cat agents.out
      return 1 ;;
    'sign '*) command dragnet "$@" --yes ;;
    *) command dragnet "$@" ;;
  esac
}
)";

class TrustCommandTest : public ::testing::Test {
 protected:
  TrustCommandTest() : fleet_({.root_keys = 2, .root_threshold = 2}) {
    fleet_.StartScheduler();
    work_ = fleet_.temporary() + "/work";
    MakeDirectory(work_);
    for (const char* key : {"root-1.key", "root-2.key"})
      CopyFile(StrCat(fleet_.directory(), "/root/", key), StrCat(work_, "/", key), 0600);
  }

  // In the directory of the ceremony.
  Finished Run(std::vector<std::string> arguments, const std::string& config = "") {
    Command command;
    command.arguments = {"/usr/bin/env", "-C", work_};
    arguments[0] = ProgramPath(arguments[0]);
    command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
    command.environment = {
        StrCat("DRAGNET_CONFIG=", config.empty() ? fleet_.console_config() : config)};
    return RunToEnd(command);
  }

  Finished Shell(const std::string& script) {
    const std::string programs = std::filesystem::path(ProgramPath("dragnet")).parent_path();
    Command command;
    command.arguments = {"/usr/bin/env", "-C", work_, "/bin/bash", "-c", kPrelude + script};
    command.environment = {StrCat("DRAGNET_CONFIG=", fleet_.console_config()),
                           StrCat("FLEET=", fleet_.forge().fleet_id()),
                           StrCat("PATH=", programs, ":/usr/bin:/bin")};
    return RunToEnd(command, absl::Seconds(120));
  }

  // The blocks of a section of the page, in order, as one script.
  std::string Section(const std::string& title) const {
    std::ifstream page(std::string(KEY_CEREMONY));
    std::string script;
    bool inside = false;
    bool block = false;
    for (std::string line; std::getline(page, line);) {
      if (line.starts_with("## ")) inside = line == "## " + title;
      if (!inside) continue;
      if (line.starts_with("```")) {
        block = line == "```sh";
      } else if (block) {
        StrAppend(&script, line, "\n");
      }
    }
    Need(!script.empty(), "a section of docs/key-ceremony.md", title);
    return absl::StrReplaceAll(script,
                               {{"/etc/dragnet/scheduler.toml", fleet_.scheduler_config()}});
  }

  Finished RunSection(const std::string& title) { return Shell(Section(title)); }

  std::string Path(const std::string& name) const { return StrCat(work_, "/", name); }
  std::string CarolsConfig() const { return Path("carol/console.toml"); }

  bool EventuallyHas(const Agent& agent, uint64_t version) {
    return Eventually([&] {
      const auto info = fleet_.InfoOf(agent);
      return info.has_value() && info->trust_policy_version() == version;
    });
  }

  TestFleet fleet_;
  std::string work_;
};

TEST_F(TrustCommandTest, CeremonyOfThePageIsTrue) {
  fleet_.AddOnlineAgent({.name = "web1"});
  Agent& away = fleet_.AddOnlineAgent({.name = "web2"});

  const Finished added = RunSection("Add a person");
  ASSERT_EQ(added.status(), 0) << added.out << added.err;
  EXPECT_THAT(added.out, HasSubstr("investigator added: carol"));
  EXPECT_THAT(added.out, HasSubstr("carol alone may run:"));
  EXPECT_THAT(added.out, HasSubstr("module memory: minimum weight 1 -> 2"));
  EXPECT_THAT(added.out, HasSubstr("carol (investigator)"));
  EXPECT_TRUE(EventuallyHas(away, 2));

  // One of two is not enough, and the console says so before anything is sent.
  const Finished alone = Run({"dragnet", "memory", "--name", "init", "--content", "ELF",
                              "--no-launch", "alone.json", "--yes"});
  ASSERT_EQ(alone.status(), 0) << alone.err;
  EXPECT_EQ(Run({"dragnet", "verify", "alone.json"}).status(), 4);
  const Finished refused = Run({"dragnet", "launch", "alone.json", "--yes"});
  EXPECT_EQ(refused.status(), 2) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("operation 1, memory: weight 1 of 2 needed (ida 1)"));

  const Finished two = RunSection("Two sign one action");
  ASSERT_EQ(two.status(), 0) << two.out << two.err;
  EXPECT_THAT(two.out, HasSubstr("memory: weight 2 of 2 needed (ida 1, carol 1)"));
  const Finished launched = Run({"dragnet", "launch", "look.json", "--yes"}, CarolsConfig());
  EXPECT_THAT(launched.err, Not(HasSubstr("refused"))) << launched.err;
  EXPECT_NE(launched.status(), 2) << launched.err;
  EXPECT_NE(launched.status(), 4) << launched.err;

  const Finished rekeyed = RunSection("A person's signing key changes");
  ASSERT_EQ(rekeyed.status(), 0) << rekeyed.out << rekeyed.err;
  // What the old key signed counts no longer.
  EXPECT_EQ(Run({"dragnet", "verify", "look.json"}).status(), 4);

  const Finished before = Run({"dragnet", "agents"}, CarolsConfig());
  EXPECT_EQ(before.status(), 0) << before.err;
  const Finished removed = RunSection("Remove a person");
  ASSERT_EQ(removed.status(), 0) << removed.out << removed.err;
  EXPECT_THAT(removed.out, HasSubstr("investigator removed: carol"));
  const Finished gone = Run({"dragnet", "agents"}, CarolsConfig());
  EXPECT_EQ(gone.status(), 4) << gone.out << gone.err;

  // While one agent is away.
  away.Stop();
  const std::string section = Section("Root keys change");
  const Finished rotated = Shell(section.substr(0, section.find("dragnet trust agents")));
  ASSERT_EQ(rotated.status(), 0) << rotated.out << rotated.err;
  EXPECT_THAT(rotated.err, HasSubstr("Before the next policy is published"));
  const Finished behind = Run({"dragnet", "trust", "agents", "--behind"});
  EXPECT_EQ(behind.status(), 3) << behind.err;
  EXPECT_THAT(behind.out, HasSubstr("web2"));
  away.Start();
  ASSERT_TRUE(EventuallyHas(away, 5)) << away.process().Output();
  EXPECT_EQ(Shell("dragnet trust agents").status(), 0);
  const Finished pinned = Shell(section.substr(section.find("config=")));
  ASSERT_EQ(pinned.status(), 0) << pinned.out << pinned.err;

  // From here on the new keys decide, and the old one nothing.
  ASSERT_EQ(Run({"dragnet", "trust", "draft", "policy-6.json"}).status(), 0);
  ASSERT_EQ(
      Run({"dragnet", "trust", "sign", "policy-6.json", "--key", "root-2.key", "--yes"}).status(),
      0);
  const Finished old =
      Run({"dragnet", "trust", "sign", "policy-6.json", "--key", "root-1.key", "--yes"});
  EXPECT_EQ(old.status(), 2);
  EXPECT_THAT(old.err, HasSubstr("is no root key of this policy"));
  EXPECT_EQ(Run({"dragnet", "trust", "publish", "policy-6.json", "--yes"}).status(), 2);
  ASSERT_EQ(
      Run({"dragnet", "trust", "sign", "policy-6.json", "--key", "root-3.key", "--yes"}).status(),
      0);
  const Finished published = Run({"dragnet", "trust", "publish", "policy-6.json", "--yes"});
  EXPECT_EQ(published.status(), 0) << published.err;
  EXPECT_TRUE(EventuallyHas(away, 6));
}

TEST_F(TrustCommandTest, ReleaseKeysOfThePageComeIntoThePolicy) {
  const Finished added = RunSection("Release keys");
  ASSERT_EQ(added.status(), 0) << added.out << added.err;
  EXPECT_THAT(added.out, HasSubstr("! release key added: "));
  const Finished shown = Run({"dragnet", "trust", "show"});
  EXPECT_THAT(shown.out, HasSubstr("Release keys  2 of 3 must sign a release"));
}

TEST_F(TrustCommandTest, TooFewRootsArePublishedNowhereAndNamed) {
  ASSERT_EQ(Run({"dragnet", "trust", "draft", "next.json"}).status(), 0);
  ASSERT_EQ(Run({"dragnet", "trust", "sign", "next.json", "--key", "root-1.key", "--yes"}).status(),
            0);
  const Finished refused = Run({"dragnet", "trust", "publish", "next.json", "--yes"});
  EXPECT_EQ(refused.status(), 2);
  EXPECT_THAT(refused.err, HasSubstr("1 of 2 signed, 2 must: NOT ENOUGH"));
  EXPECT_THAT(refused.err, HasSubstr(StrCat("not signed  Ed25519 ",
                                            fleet_.forge().roots()[1].public_key().id())));
  EXPECT_EQ(Run({"dragnet", "trust", "show", "next.json"}).status(), 4);
  EXPECT_EQ(Run({"dragnet", "verify", "next.json"}).status(), 4);
  const Finished again =
      Run({"dragnet", "trust", "sign", "next.json", "--key", "root-1.key", "--yes"});
  EXPECT_EQ(again.status(), 2);
  EXPECT_THAT(again.err, HasSubstr("has signed this document already"));
}

TEST_F(TrustCommandTest, SigningNeedsNeitherNetworkNorConfiguration) {
  ASSERT_EQ(Run({"dragnet", "trust", "show", "--save", "current.json"}).status(), 0);
  ASSERT_EQ(
      Run({"dragnet", "trust", "draft", "next.json", "--from", "current.json"}, "/none").status(),
      0);
  fleet_.StopScheduler();
  for (const char* key : {"root-1.key", "root-2.key"}) {
    const Finished signing = Run({"dragnet", "trust", "sign", "next.json", "--key", key,
                                  "--against", "current.json", "--yes"},
                                 "/none");
    EXPECT_EQ(signing.status(), 0) << signing.err;
    EXPECT_THAT(signing.err, HasSubstr("version 1 -> 2"));
  }
  const Finished shown = Run({"dragnet", "trust", "show", "next.json"}, "/none");
  EXPECT_EQ(shown.status(), 0) << shown.out << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("2 of 2 signed, 2 must: enough"));
}

TEST_F(TrustCommandTest, EditDropsSignaturesAndSaysSo) {
  ASSERT_EQ(Run({"dragnet", "trust", "draft", "next.json"}).status(), 0);
  ASSERT_EQ(Run({"dragnet", "trust", "sign", "next.json", "--key", "root-1.key", "--yes"}).status(),
            0);
  const Finished same = Run({"dragnet", "trust", "weight", "next.json", "file", "--minimum", "1"});
  EXPECT_THAT(same.err, HasSubstr("nothing to change"));
  EXPECT_THAT(Read(Path("next.json")), HasSubstr("\"sig\""));
  const Finished edit = Run({"dragnet", "trust", "weight", "next.json", "file", "--minimum", "2"});
  EXPECT_EQ(edit.status(), 0) << edit.err;
  EXPECT_THAT(edit.err, HasSubstr("1 signature was dropped"));
  EXPECT_THAT(edit.out, HasSubstr("nobody can run file"));
  EXPECT_THAT(Read(Path("next.json")), Not(HasSubstr("\"sig\"")));
}

TEST_F(TrustCommandTest, FileThatWasAlteredAfterASignatureIsRefusedByEveryone) {
  ASSERT_EQ(Run({"dragnet", "trust", "draft", "next.json"}).status(), 0);
  ASSERT_EQ(Run({"dragnet", "trust", "sign", "next.json", "--key", "root-1.key", "--yes"}).status(),
            0);
  ASSERT_EQ(Run({"dragnet", "trust", "draft", "evil.json", "--expires", "3000d"}).status(), 0);
  // The signature of the one on the payload of the other.
  const auto envelope_of = [&](const std::string& name) { return Read(Path(name)); };
  const std::string good = envelope_of("next.json");
  std::string evil = envelope_of("evil.json");
  const size_t begin = good.find("\"signatures\"");
  evil = evil.substr(0, evil.find("\"signatures\"")) + good.substr(begin);
  Write(Path("evil.json"), evil);
  const Finished signing =
      Run({"dragnet", "trust", "sign", "evil.json", "--key", "root-2.key", "--yes"});
  EXPECT_EQ(signing.status(), 2);
  EXPECT_THAT(signing.err, HasSubstr("changed after it was signed"));
  EXPECT_EQ(Read(Path("evil.json")), evil) << "it was not touched";
  EXPECT_THAT(Run({"dragnet", "trust", "show", "evil.json"}).out, HasSubstr("INVALID"));
  EXPECT_EQ(Run({"dragnet", "trust", "publish", "evil.json", "--yes"}).status(), 2);
}

TEST_F(TrustCommandTest, WhoPublishesSecondIsToldSo) {
  for (const char* file : {"mine.json", "theirs.json"}) {
    ASSERT_EQ(Run({"dragnet", "trust", "draft", file}).status(), 0);
    for (const char* key : {"root-1.key", "root-2.key"}) {
      ASSERT_EQ(Run({"dragnet", "trust", "sign", file, "--key", key, "--yes"}).status(), 0);
    }
  }
  ASSERT_EQ(Run({"dragnet", "trust", "publish", "theirs.json", "--yes"}).status(), 0);
  const Finished late = Run({"dragnet", "trust", "publish", "mine.json", "--yes"});
  EXPECT_EQ(late.status(), 2);
  EXPECT_THAT(late.err, HasSubstr("the fleet has version 2 already: someone published meanwhile"));
}

TEST_F(TrustCommandTest, PeoplesMistakesAreNamed) {
  ASSERT_EQ(Run({"dragnet", "trust", "draft", "next.json"}).status(), 0);
  const std::string before = Read(Path("next.json"));
  struct Mistake {
    std::vector<std::string> arguments;
    std::string words;
  };
  Write(Path("key.pub"), NewKey().public_key().ToPem());
  Write(Path("private.key"), NewKey().ToPem(), 0600);
  Write(Path("open.key"), NewKey().ToPem(), 0644);
  for (const Mistake& mistake : std::vector<Mistake>{
           {{"draft", "next.json"}, "exists already"},
           {{"draft", "other.json", "--expires", "soon"}, "--expires"},
           {{"add", "next.json", "Carol", "--key", "key.pub", "--role", "reader"}, "a name is"},
           {{"add", "next.json", "carol", "--key", "private.key", "--role", "reader"},
            "private key"},
           {{"add", "next.json", "carol", "--key", "none.pub", "--role", "reader"}, "none.pub"},
           {{"add", "next.json", "carol", "--key", "key.pub", "--role", "boss"}, "boss"},
           {{"add", "next.json", "carol", "--key", "key.pub", "--role", "reader", "--weight",
             "flie=1"},
            "no rule for module flie"},
           {{"add", "next.json", "ida", "--key", "key.pub", "--role", "reader"}, "already"},
           {{"remove", "next.json", "carol"}, "no investigator carol"},
           {{"weight", "next.json", "file", "--minimum", "0"}, "would let everyone"},
           {{"weight", "next.json", "file", "--of", "ida"}, "a name and a weight"},
           {{"role", "next.json", "ida", "boss"}, "no role boss"},
           {{"root", "next.json", "--threshold", "9"}, "root threshold"},
           {{"ca", "next.json", "--add", "key.pub"}, "key.pub"},
           {{"ca", "next.json", "--add", fleet_.directory() + "/scheduler/ca.pem"}, "already"},
           {{"ca", "next.json", "--add", fleet_.directory() + "/investigator/tls.pem"},
            "more than one certificate"},
           {{"ca", "next.json", "--remove", "00000000"}, "no CA certificate 00000000"},
           {{"sign", "next.json", "--key", "open.key", "--yes"}, "chmod 600"},
           {{"sign", "next.json", "--key", "private.key", "--yes"}, "no root key of this policy"},
           {{"sign", "next.json", "--key", "root-1.key"}, "there is no terminal"},
           {{"diff", "key.pub"}, "not a signed document"},
       }) {
    std::vector<std::string> arguments = {"dragnet", "trust"};
    arguments.insert(arguments.end(), mistake.arguments.begin(), mistake.arguments.end());
    const Finished ended = Run(arguments);
    EXPECT_EQ(ended.status(), 2) << mistake.words << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(mistake.words));
    EXPECT_EQ(Read(Path("next.json")), before) << mistake.words;
  }
}

// --- dragnet sign, launch

TEST_F(TrustCommandTest, SignRefusesWhatIsNotForIt) {
  ASSERT_EQ(Run({"dragnet", "trust", "draft", "next.json"}).status(), 0);
  const Finished policy = Run({"dragnet", "sign", "next.json", "--yes"});
  EXPECT_EQ(policy.status(), 2);
  EXPECT_THAT(policy.err, HasSubstr("dragnet trust sign next.json"));

  v1::Action action = fleet_.forge().NewAction("/etc");
  *action.mutable_not_before() = ToTimestamp(absl::Now() - absl::Hours(2));
  *action.mutable_expires() = ToTimestamp(absl::Now() - absl::Hours(1));
  Write(Path("old"), fleet_.forge().Sign(action));
  for (const char* command : {"sign", "launch"}) {
    const Finished expired = Run({"dragnet", command, "old", "--yes"});
    EXPECT_EQ(expired.status(), 2);
    EXPECT_THAT(expired.err, HasSubstr("the action expired on"));
  }

  v1::Envelope changed;
  ASSERT_TRUE(changed.ParseFromString(fleet_.forge().Sign(fleet_.forge().NewAction("/etc"))));
  changed.set_payload(fleet_.forge().NewAction("/root").SerializeAsString());
  Write(Path("changed"), changed.SerializeAsString());
  for (const char* command : {"sign", "launch"}) {
    const Finished refused = Run({"dragnet", command, "changed", "--yes"});
    EXPECT_EQ(refused.status(), 2);
    EXPECT_THAT(refused.err, HasSubstr("the signature of ida"));
    EXPECT_THAT(refused.err, HasSubstr("changed after it was signed"));
  }
  const Finished verified = Run({"dragnet", "verify", "changed"});
  EXPECT_EQ(verified.status(), 4);
  EXPECT_THAT(verified.out, HasSubstr("INVALID    ida"));

  v1::Action foreign = fleet_.forge().NewAction("/etc");
  foreign.set_fleet_id("other-0123456789ab");
  Write(Path("foreign"), fleet_.forge().Sign(foreign));
  EXPECT_THAT(Run({"dragnet", "sign", "foreign", "--yes"}).err,
              HasSubstr("for fleet other-0123456789ab"));
}

TEST_F(TrustCommandTest, SignedFileIsLaunchedAndRuns) {
  Agent& agent = fleet_.AddOnlineAgent({.name = "web1"});
  const std::string files = fleet_.MakeFiles("bait", 2);
  const Finished made =
      Run({"dragnet", "file", "--path", files, "--no-launch", "action.json", "--yes"});
  ASSERT_EQ(made.status(), 0) << made.err;
  EXPECT_EQ(agent.WorkersStarted(), 0U);
  const Finished launched = Run({"dragnet", "launch", "action.json", "--yes", "--output", "jsonl"});
  EXPECT_EQ(launched.status(), 0) << launched.err;
  EXPECT_THAT(launched.out, HasSubstr("file-1"));
  EXPECT_THAT(Run({"dragnet", "run", "action.json", "--yes"}).err, HasSubstr("dragnet launch"));
}

TEST_F(TrustCommandTest, SignWithoutAPolicySaysThatNobodyChecked) {
  Write(Path("action"),
        fleet_.forge().Sign(fleet_.forge().NewAction("/etc"), {&fleet_.forge().roots()[0]}));
  fleet_.StopScheduler();
  const Finished offline = Run({"dragnet", "sign", "action", "--offline", "--yes"});
  EXPECT_EQ(offline.status(), 0) << offline.err;
  EXPECT_THAT(offline.err, HasSubstr("1, NOT CHECKED"));
  const Finished unreachable = Run({"dragnet", "sign", "action", "--out", "copy.json", "--yes"});
  EXPECT_EQ(unreachable.status(), 2) << "signed already: " << unreachable.err;
  EXPECT_THAT(unreachable.err, HasSubstr("No trust policy to judge by"));
}

TEST_F(TrustCommandTest, OrderInAFileIsSignedVerifiedAndSent) {
  fleet_.AddOnlineAgent({.name = "web1"});
  const v1::Action action = fleet_.forge().NewAction("/etc");
  ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
  const v1::Order order = fleet_.forge().NewOrder(action, v1::Order::KIND_CANCEL);
  Write(Path("cancel"),
        NewEnvelope(kOrderPayloadType, order.SerializeAsString()).SerializeAsString());
  EXPECT_EQ(Run({"dragnet", "verify", "cancel"}).status(), 4);
  EXPECT_EQ(Run({"dragnet", "launch", "cancel", "--yes"}).status(), 2);
  const Finished signing = Run({"dragnet", "sign", "cancel", "--yes"});
  ASSERT_EQ(signing.status(), 0) << signing.err;
  EXPECT_THAT(signing.err, HasSubstr("Order "));
  EXPECT_EQ(Run({"dragnet", "verify", "cancel"}).status(), 0);
  const Finished sent = Run({"dragnet", "launch", "cancel", "--yes"});
  EXPECT_EQ(sent.status(), 0) << sent.err;
  EXPECT_EQ(fleet_.api().GetAction(action.id())->phase(), v1::DISPATCH_PHASE_CANCELLED);
}

// --- dragnet-scheduler issue

TEST_F(TrustCommandTest, CertificateOfARequestForAnotherNameIsNotIssued) {
  const Finished made = Shell(
      "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -keyout a.key "
      "-subj /CN=x -addext \"subjectAltName=URI:spiffe://$FLEET/scheduler/main\" -out a.csr");
  ASSERT_EQ(made.status(), 0) << made.err;
  const auto issue = [&](const std::string& csr) {
    return Run({"dragnet-scheduler", "issue", "--config", fleet_.scheduler_config(), "--csr", csr,
                "--out", "a.pem"});
  };
  const Finished refused = issue("a.csr");
  EXPECT_EQ(refused.status(), 2);
  EXPECT_THAT(refused.err, HasSubstr("/investigator/NAME"));
  EXPECT_THAT(issue("a.key").err, HasSubstr("PRIVATE KEY"));
  EXPECT_FALSE(std::filesystem::exists(Path("a.pem")));
  Write(Path("a.pem"), "mine");
  EXPECT_THAT(issue("a.csr").err, HasSubstr("exists already"));
  EXPECT_EQ(Read(Path("a.pem")), "mine");
}

TEST_F(TrustCommandTest, RevokedPersonIsRefusedUntilAnotherCertificateIsIssued) {
  const Finished revoked = Run({"dragnet", "trust", "revoke", "ida", "--yes"});
  // Oneself, too: the answer may come before the connection closes or not at all.
  EXPECT_NE(revoked.status(), 2) << revoked.err;
  EXPECT_EQ(Run({"dragnet", "agents"}).status(), 4);
  const std::string config = fleet_.directory() + "/investigator";
  const Finished issued =
      Shell(StrCat("openssl req -new -key ", config, "/tls.key -subj /CN=ida -addext ",
                   "\"subjectAltName=URI:spiffe://$FLEET/investigator/ida\" -out ida.csr\n",
                   "dragnet-scheduler issue --config ", fleet_.scheduler_config(),
                   " --csr ida.csr --out ida.pem\ncp ida.pem ", config, "/tls.pem"));
  ASSERT_EQ(issued.status(), 0) << issued.out << issued.err;
  EXPECT_THAT(issued.out, Not(HasSubstr("doesn't name")));
  const Finished back = Run({"dragnet", "agents"});
  EXPECT_EQ(back.status(), 0) << back.err;
}

}  // namespace
}  // namespace dragnet::testing
