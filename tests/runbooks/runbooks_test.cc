// Every runbook of the documentation, on a fleet of the real programs, and what must hold
// afterwards: what leaked is worth nothing, and what is whole goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "absl/strings/str_replace.h"
#include "core/ca_bundle.h"
#include "core/certificate.h"
#include "core/strings.h"
#include "tests/harness/fleet.h"
#include "tests/harness/need.h"
#include "tests/harness/rogue_scheduler.h"
#include "tests/runbooks/runbook.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;

// Those that a test has run.
std::set<std::string>& RunbooksRun() {
  static std::set<std::string> names;
  return names;
}

// Last, as gtest runs it after all tests: a runbook without a test is a page that may lie.
class EveryRunbookWasRun : public ::testing::Environment {
 public:
  void TearDown() override {
    if (::testing::GTEST_FLAG(filter) != "*") return;
    for (const Runbook& runbook : AllRunbooks())
      EXPECT_TRUE(RunbooksRun().contains(runbook.name))
          << "docs/" << runbook.page << ": no test runs " << runbook.name;
  }
};
const ::testing::Environment* const kEveryRunbookWasRun =
    ::testing::AddGlobalTestEnvironment(std::make_unique<EveryRunbookWasRun>().release());

TEST(RunbooksTest, AreNumberedStepsWithNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Runbook& runbook : AllRunbooks()) {
    EXPECT_EQ(runbook.mistake, "") << runbook.page << ": " << runbook.name;
    EXPECT_TRUE(names.insert(runbook.name).second) << runbook.name << ": twice";
  }
  EXPECT_GE(names.size(), 15U);
}

// Two of three root keys must sign. Two hosts, of which one may be away.
class RunbookTest : public ::testing::Test {
 protected:
  RunbookTest() : fleet_({.root_keys = 3, .root_threshold = 2}) {
    fleet_.StartScheduler();
    work_ = fleet_.temporary() + "/work";
    MakeDirectory(work_);
    for (const char* key : {"root-1", "root-2", "root-3"})
      for (const char* half : {".key", ".pub"})
        CopyFile(StrCat(fleet_.directory(), "/root/", key, half), StrCat(work_, "/", key, half),
                 0600);
    files_ = fleet_.MakeFiles("files", 1);
    here_ = &fleet_.AddOnlineAgent({.name = "here"});
  }

  ScriptOptions Options() {
    ScriptOptions options;
    options.directory = work_;
    options.environment = {{"CONFIG", fleet_.scheduler_config()},
                           {"FLEET_DIR", fleet_.directory()},
                           {"DRAGNET_CONFIG", fleet_.console_config()},
                           {"FLEET", fleet_.forge().fleet_id()},
                           {"OPERATOR", TestFleet::kInvestigator},
                           {"SCHEDULER_HOST", "127.0.0.1"},
                           {"AGENT_CONFIG", host_->config_path()},
                           {"AGENT_STATE", host_->state_directory()},
                           {"AWAY", "1"},
                           {"HOME", work_}};
    options.service_manager = [this](const std::string& request) {
      if (request == "stop dragnet-scheduler") return fleet_.StopScheduler();
      if (request == "start dragnet-scheduler") return fleet_.StartScheduler();
      if (request == "stop dragnet-agent") return void(host_->running() ? host_->Stop() : Ended());
      if (request == "start dragnet-agent") return host_->Start();
      Need(false, "a service manager's command", request);
    };
    options.meanwhile = meanwhile_;
    for (const auto& [name, value] : environment_) options.environment[name] = value;
    return options;
  }

  void RunTheRunbook(const std::string& name) {
    RunbooksRun().insert(name);
    for (const Runbook& runbook : AllRunbooks()) {
      if (runbook.name != name) continue;
      const ScriptRun run = RunScript(runbook.script, Options());
      ASSERT_EQ(run.status, 0) << runbook.page << ": " << name << "\n"
                               << run.output << "\n--- scheduler\n"
                               << fleet_.scheduler().Output();
      output_ = run.output;
      return;
    }
    FAIL() << "no page has the runbook " << name;
  }

  // What was there before.
  void Given(const std::string& script) {
    const ScriptRun run = RunScript(script, Options());
    Need(run.status == 0, "what a runbook begins with", run.output);
  }
  void GivenCarol() {
    Given(absl::StrReplaceAll(
        SectionOf("key-ceremony.md", "Add a person"),
        {{"/etc/dragnet/scheduler.toml", fleet_.scheduler_config()},
         {"dragnet trust weight policy-2.json memory --minimum 2", ""},
         {"dragnet trust agents", "until dragnet trust agents; do sleep 1; done"}}));
  }

  // With work_ as its directory; the operator's console, or another one.
  ScriptRun Shell(const std::string& script) { return RunScript(script, Options()); }
  int StatusOf(const std::string& script) {
    const ScriptRun run = Shell(script);
    output_ = run.output;
    return run.status;
  }

  // That all of these hosts answer an investigation.
  void ExpectAnswers(const std::vector<Agent*>& agents) {
    for (Agent* agent : agents) {
      const ScriptRun run =
          Shell(StrCat("until dragnet agents | grep -w ", agent->name(),
                       " | grep -qiw online; do sleep 0.2; done\n", "dragnet file --path ", files_,
                       " --yes --output jsonl -t \"name='", agent->name(), "'\""));
      EXPECT_EQ(run.status, 0) << agent->name() << "\n"
                               << run.output << agent->process().Output()
                               << fleet_.scheduler().Output();
      EXPECT_THAT(run.output, HasSubstr("file-0"));
    }
  }

  // A policy that these keys sign and nobody has yet.
  int PublishSignedBy(const std::vector<std::string>& keys) {
    std::string script = "rm -f probe.json; dragnet trust draft probe.json; ";
    for (const std::string& key : keys)
      StrAppend(&script, "dragnet trust sign probe.json --key ", key, "; ");
    return StatusOf(script + "dragnet trust publish probe.json");
  }

  std::string CaPem() { return Read(fleet_.directory() + "/scheduler/ca.pem"); }
  std::string ShownByServer() {
    const Finished shown = RunToEnd(
        {"/usr/bin/env", "bash", "-c",
         StrCat("openssl s_client -connect ", fleet_.address(), " </dev/null 2>/dev/null")});
    const size_t begin = shown.out.find("-----BEGIN");
    return begin == std::string::npos ? "" : shown.out.substr(begin);
  }
  std::string IssuerOf(const std::string& path) { return IssuerKeyId(Read(path)); }

  // Whether an agent that meets this scheduler says Hello to it. Leaves it stopped.
  bool Believes(Agent& agent, RogueScheduler& rogue, int port) {
    agent.Stop();
    agent.SetSchedulers({StrCat("127.0.0.1:", port)});
    agent.Start();
    Eventually([&] {
      return rogue.sessions() > 0 ||
             agent.process().Output().find("not connected") != std::string::npos;
    });
    const bool believes = rogue.sessions() > 0;
    agent.Stop();
    agent.SetSchedulers({fleet_.address()});
    return believes;
  }

  TestFleet fleet_;
  std::string work_;
  std::string files_;
  Agent* here_ = nullptr;
  // Of the steps on a host.
  Agent* host_ = nullptr;
  std::map<std::string, std::string> environment_;
  std::function<void(const std::string&)> meanwhile_;
  std::string output_;

 private:
  void SetUp() override { host_ = here_; }
};

TEST_F(RunbookTest, RenewServerCertificate) {
  const std::string before = ParseCertificate(ShownByServer())->fingerprint;
  const std::string chain = Read(fleet_.directory() + "/scheduler/server.pem");
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("renew-server-certificate"));
  const std::string renewed =
      ParseCertificate(Read(fleet_.directory() + "/scheduler/server.pem"))->fingerprint;
  EXPECT_NE(before, renewed);
  // Without a restart, and for the same names.
  EXPECT_TRUE(
      Eventually([&] { return ParseCertificate(ShownByServer())->fingerprint == renewed; }));
  EXPECT_TRUE(fleet_.scheduler().running());
  ExpectAnswers({here_});

  // A key that isn't the certificate's is not taken up, and said.
  Write(fleet_.directory() + "/scheduler/server.pem", chain);
  EXPECT_TRUE(Eventually([&] {
    return StatusOf("dragnet status --check") == 1 &&
           output_.find("certificate files have changed and can't be used") != std::string::npos;
  })) << output_;
  ExpectAnswers({here_});
}

TEST_F(RunbookTest, RenewPersonCertificate) {
  GivenCarol();
  const std::string before = ParseCertificate(Read(work_ + "/carol/tls.pem"))->fingerprint;
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("renew-person-certificate"));
  EXPECT_NE(before, ParseCertificate(Read(work_ + "/carol/tls.pem"))->fingerprint);
}

TEST_F(RunbookTest, ChangeCaLosesNoAgent) {
  Agent& away = fleet_.AddOnlineAgent({.name = "away"});
  away.Stop();
  const std::string old_ca = CaPem();
  // It comes back only when it is said to be missing.
  meanwhile_ = [&](const std::string& output) {
    if (!away.running() && output.find("    away (") != std::string::npos) away.Start();
  };
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("change-ca"));
  EXPECT_THAT(output_, HasSubstr("these could no longer connect"));
  EXPECT_TRUE(away.running());
  meanwhile_ = nullptr;
  ExpectAnswers({here_, &away});

  const std::string new_ca = CaPem();
  EXPECT_EQ(SplitCertificates(new_ca)->size(), 1U);
  EXPECT_NE(SubjectKeyId(new_ca), SubjectKeyId(old_ca));
  EXPECT_EQ(IssuerKeyId(ShownByServer()), SubjectKeyId(new_ca));
  for (Agent* agent : {here_, &away})
    EXPECT_EQ(IssuerOf(agent->LinkDirectory() + "/tls.pem"), SubjectKeyId(new_ca));
  EXPECT_FALSE(std::filesystem::exists(fleet_.directory() + "/scheduler/ca.key.previous"));
  // Over restarts of both.
  fleet_.StopScheduler();
  away.Stop();
  fleet_.StartScheduler();
  away.Start();
  ExpectAnswers({here_, &away});

  // A policy that would cut every agent off.
  Write(work_ + "/old.pem", old_ca);
  EXPECT_NE(StatusOf("dragnet trust draft wrong.json; dragnet trust ca wrong.json --add old.pem "
                     "--remove $(openssl x509 -in \"$FLEET_DIR/scheduler/ca.pem\" -outform DER | "
                     "sha256sum | cut -d ' ' -f 1)\n"
                     "dragnet trust sign wrong.json --key root-1.key\n"
                     "dragnet trust sign wrong.json --key root-2.key\n"
                     "dragnet trust publish wrong.json"),
            0);
  EXPECT_THAT(output_, HasSubstr("could not connect any more"));
}

TEST_F(RunbookTest, LeakedCaKeyAndTheHostThatWasAway) {
  Agent& away = fleet_.AddOnlineAgent({.name = "away"});
  away.Stop();
  const int rogue_port = FreePort();
  {
    // With the stolen key: a scheduler that agents believe,
    RogueScheduler rogue(fleet_.forge(), fleet_.directory(), rogue_port);
    EXPECT_TRUE(Believes(*here_, rogue, rogue_port));
    here_->Start();
  }
  // but no client that the true one knows.
  const TlsPair minted = fleet_.forge().Issue({"investigator", TestFleet::kInvestigator},
                                              absl::Now() - absl::Minutes(1), absl::Hours(1));
  EXPECT_EQ(fleet_.ApiAs(minted)->SearchAgents("").status().code(),
            absl::StatusCode::kUnauthenticated);

  const std::string stolen = CaPem();
  const std::string server = Read(fleet_.directory() + "/scheduler/server.pem");
  const std::string server_key = Read(fleet_.directory() + "/scheduler/server.key");
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("leaked-ca-key"));
  ExpectAnswers({here_});
  {
    RogueScheduler rogue(
        fleet_.forge(), fleet_.directory(), rogue_port,
        {.acknowledge = false,
         .identity = TlsPair{.certificate_chain = server, .private_key = server_key}});
    EXPECT_FALSE(Believes(*here_, rogue, rogue_port)) << here_->process().Output();
    here_->Start();
  }
  // Not even as far as TLS.
  EXPECT_FALSE(fleet_.ApiAs(minted)->SearchAgents("").ok());

  away.Start();
  EXPECT_TRUE(away.process().WaitForOutput("not connected")) << away.process().Output();
  host_ = &away;
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("host-left-behind"));
  ExpectAnswers({here_, &away});
}

TEST_F(RunbookTest, LeakedSigningKey) {
  GivenCarol();
  Given(StrCat("export DRAGNET_CONFIG=carol/console.toml\n", "dragnet file --path ", files_,
               " --yes\n", "dragnet file --path ", files_, " --no-launch forged.json --yes\n"));
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("leaked-signing-key"));
  EXPECT_NE(Read(work_ + "/signed-by-carol"), "");
  EXPECT_THAT(output_, HasSubstr("investigator removed: carol"));
  EXPECT_EQ(StatusOf("DRAGNET_CONFIG=carol/console.toml dragnet agents"), 4) << output_;
  // With someone else's connection, too.
  EXPECT_NE(StatusOf("dragnet launch forged.json --yes"), 0) << output_;
  ExpectAnswers({here_});
}

TEST_F(RunbookTest, LeakedReleaseKey) {
  Given(SectionOf("key-ceremony.md", "Release keys"));
  Given(R"(
      rm next.json
      until dragnet trust agents; do sleep 1; done
      mkdir build
      for program in agent link worker; do cp /bin/true build/dragnet-$program; done
      dragnet release new --version 0.2.0 --from build --out release-0.2.0
      dragnet release sign release-0.2.0 --key release-1.key --yes
      cp -r release-0.2.0 by-one
      dragnet release sign release-0.2.0 --key release-2.key --yes
      dragnet release show release-0.2.0
      cp -r release-0.2.0 before)");
  EXPECT_EQ(StatusOf("dragnet release show by-one"), 4) << output_;
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("leaked-release-key"));
  EXPECT_THAT(output_, HasSubstr("release key"));
  // The stolen key and one that is whole are no longer enough, to look at or to roll out.
  EXPECT_EQ(StatusOf("dragnet release show before"), 4) << output_;
  EXPECT_EQ(StatusOf("dragnet upgrade before --yes"), 4) << output_;
  EXPECT_THAT(output_, HasSubstr("1 of 3"));
  // The new key signed what the runbook kept.
  EXPECT_EQ(StatusOf("dragnet release show release-0.2.0"), 0) << output_;
  ExpectAnswers({here_});
}

TEST_F(RunbookTest, StolenLaptop) {
  GivenCarol();
  Given(StrCat("export DRAGNET_CONFIG=carol/console.toml\n", "dragnet file --path ", files_,
               " --no-launch forged.json --yes\n"));
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("stolen-laptop"));
  EXPECT_EQ(StatusOf("DRAGNET_CONFIG=carol/console.toml dragnet agents"), 4) << output_;
  EXPECT_NE(StatusOf("dragnet launch forged.json --yes"), 0) << output_;
  EXPECT_EQ(StatusOf(StrCat("DRAGNET_CONFIG=carol-new/console.toml dragnet file --path ", files_,
                            " --yes")),
            0)
      << output_;
}

TEST_F(RunbookTest, LostRootKey) {
  Given("rm root-3.key");
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("lost-root-key"));
  EXPECT_EQ(PublishSignedBy({"root-4.key", "root-1.key"}), 0) << output_;
  Given("until dragnet trust agents; do sleep 1; done");
  ExpectAnswers({here_});
  // New hosts, by their kit.
  Agent& new_host = fleet_.AddOnlineAgent({.name = "new"});
  Given("until dragnet trust agents; do sleep 1; done");
  ExpectAnswers({&new_host});
}

TEST_F(RunbookTest, LeakedRootKey) {
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("leaked-root-key"));
  EXPECT_NE(PublishSignedBy({"root-1.key", "root-3.key"}), 0);
  EXPECT_THAT(output_, HasSubstr("is no root key of this policy"));
  EXPECT_EQ(PublishSignedBy({"root-1.key", "root-4.key"}), 0) << output_;
}

TEST_F(RunbookTest, TooFewRootKeys) {
  Given("rm root-2.key root-3.key");
  Given(StrCat("dragnet file --path ", files_, " --no-launch old.json --yes"));
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("new-fleet"));
  ExpectAnswers({here_});
  EXPECT_NE(StatusOf("dragnet launch old.json --yes"), 0) << output_;
}

TEST_F(RunbookTest, LostScheduler) {
  Given(StrCat("dragnet file --path ", files_, " --yes\n",
               "dragnet trust draft newest.json\n"
               "dragnet trust sign newest.json --key root-1.key\n"
               "dragnet trust sign newest.json --key root-2.key\n"));
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("lost-scheduler"));
  EXPECT_EQ(StatusOf("dragnet results last --output jsonl"), 0) << output_;
  EXPECT_THAT(output_, HasSubstr("file-0"));
  ExpectAnswers({here_});
}

TEST_F(RunbookTest, RootsOnTwoLaptops) {
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("roots-on-two-laptops"));
  EXPECT_THAT(Read(work_ + "/alice/root.key"), HasSubstr("ENCRYPTED PRIVATE KEY"));
  EXPECT_FALSE(std::filesystem::exists(work_ + "/root-1.key"));
  EXPECT_EQ(PublishSignedBy({"alice/root.key"}), 2) << output_;
  EXPECT_EQ(PublishSignedBy({"bob/root.key", "safe/root.key"}), 0) << output_;
}

TEST_F(RunbookTest, RootInAnHsm) {
  MakeDirectory(work_ + "/tokens", 0700);
  Write(work_ + "/softhsm2.conf", StrCat("directories.tokendir = ", work_, "/tokens\n"));
  Write(work_ + "/pin", "123456", 0600);
  environment_ = {{"SOFTHSM2_CONF", work_ + "/softhsm2.conf"},
                  {"MODULE", "/usr/lib/softhsm/libsofthsm2.so"},
                  {"PIN_FILE", work_ + "/pin"}};
  Given("softhsm2-util --init-token --free --label dragnet-root --pin 123456 --so-pin 87654321");
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("root-in-an-hsm"));
  EXPECT_EQ(PublishSignedBy({"\"pkcs11:token=dragnet-root;object=root?module-path=$MODULE&"
                             "pin-source=$PIN_FILE\"",
                             "root-1.key"}),
            0)
      << output_;
}

TEST_F(RunbookTest, RootOnPaper) {
  ASSERT_NO_FATAL_FAILURE(RunTheRunbook("root-on-paper"));
  const std::string page = Read(work_ + "/page.txt");
  EXPECT_THAT(page, HasSubstr("ENCRYPTED PRIVATE KEY"));
  EXPECT_FALSE(std::filesystem::exists(work_ + "/root-3.key"));
  // One letter misread is no other key: it is none.
  EXPECT_NE(StatusOf("sed -n '/BEGIN/,/END/p' page.txt | sed '3s/[a-m]/z/' > wrong\n"
                     "openssl pkey -in wrong -noout"),
            0);
}

}  // namespace
}  // namespace dragnet::testing
