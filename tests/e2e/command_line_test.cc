// The command lines' contract on bad input: the right exit status, one line
// that says what, where and what to do, and nothing half-written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "core/strings.h"
#include "tests/harness/fleet.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// "$D" in arguments is the fleet's directory, "$T" one for this test alone.
struct Case {
  std::string name;
  std::vector<std::string> arguments;
  int status;
  // In the line.
  std::string says;
};

class CommandLineTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    fleet_ = std::make_unique<TestFleet>();
    fleet_->StartScheduler();
    fleet_->AddOnlineAgent();
  }
  static void TearDownTestSuite() { fleet_.reset(); }

  // Runs each and looks at all of the contract.
  void Check(const std::vector<Case>& cases, const std::string& config = "") {
    for (const Case& one : cases) {
      SCOPED_TRACE(one.name);
      Command command;
      for (const std::string& argument : one.arguments) {
        command.arguments.push_back(Expanded(argument));
      }
      command.environment = {"DRAGNET_CONFIG=" +
                             (config.empty() ? fleet_->console_config() : config)};
      const std::vector<std::string> before = Tree(fleet_->directory());
      const std::vector<std::string> own_before = WithoutDatabaseFiles(Tree(own_.path()));
      const Finished run = RunToEnd(command);
      const std::string said = WithoutMissingWalls(run.err);
      EXPECT_EQ(run.status(), one.status) << run.err << run.out;
      EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
      EXPECT_THAT(said, StartsWith(one.arguments[0] + ": ")) << said;
      EXPECT_THAT(said, HasSubstr(Expanded(one.says)));
      EXPECT_EQ(run.out, "");
      EXPECT_EQ(WithoutDatabaseFiles(Tree(fleet_->directory())), WithoutDatabaseFiles(before));
      EXPECT_EQ(WithoutDatabaseFiles(Tree(own_.path())), own_before) << "something was left behind";
    }
  }

  // An agent of who isn't root says first what it can't have.
  static std::string WithoutMissingWalls(const std::string& text) {
    std::vector<std::string> lines = absl::StrSplit(text, '\n');
    std::erase_if(lines, [](const std::string& line) {
      return line.find(" warning dragnet-agent: missing wall: ") != line.npos;
    });
    return absl::StrJoin(lines, "\n");
  }

  // SQLite's -wal and -shm and the store's lock come and go, and dragnet keeps
  // the version of the trust policy that it has seen.
  static std::vector<std::string> WithoutDatabaseFiles(std::vector<std::string> names) {
    std::erase_if(names, [](const auto& name) {
      return name.find("dragnet.db-") != name.npos || name.find("dragnet.db.lock") != name.npos ||
             name.find("trust-version.") != name.npos;
    });
    return names;
  }

  std::string Expanded(std::string text) const {
    for (const auto& [word, value] :
         {std::pair<std::string, std::string>{"$D", fleet_->directory()}, {"$T", own_.path()}}) {
      for (size_t at; (at = text.find(word)) != std::string::npos;) {
        text.replace(at, word.size(), value);
      }
    }
    return text;
  }

  // A copy of the investigator's directory, to spoil.
  std::string ConsoleKit() {
    const std::string kit = own_.path() + "/investigator";
    CopyTree(fleet_->directory() + "/investigator", kit);
    for (const char* key : {"signing.key", "tls.key"}) {
      Need(::chmod(StrCat(kit, "/", key).c_str(), 0600) == 0, "chmod");
    }
    return kit;
  }
  void Change(const std::string& file, const std::string& key, const std::string& value) {
    Write(file, WithTomlKey(Read(file), key, value));
  }

  static std::unique_ptr<TestFleet> fleet_;
  const TemporaryDirectory own_;
};

std::unique_ptr<TestFleet> CommandLineTest::fleet_;

TEST_F(CommandLineTest, DragnetsWordsAndFlags) {
  Check({
      {"no such command", {"dragnet", "fiel"}, 2, "fiel"},
      {"no such flag", {"dragnet", "file", "--pathh", "/etc"}, 2, "--path"},
      {"flag without value", {"dragnet", "file", "--path"}, 2, "--path"},
      {"bad output", {"dragnet", "agents", "--output", "xml"}, 2, "xml"},
      {"bad regex", {"dragnet", "file", "--path", "/etc", "--name", "(", "--yes"}, 2, "--name"},
      {"regex of another kind",
       {"dragnet", "file", "--path", "/etc", "--content", "(?<=a)b", "--yes"},
       2,
       "--content"},
      {"relative path", {"dragnet", "file", "--path", "etc", "--yes"}, 2, "--path"},
      {"no path", {"dragnet", "file", "--name", "x", "--yes"}, 2, "path"},
      {"bad size", {"dragnet", "file", "--path", "/etc", "--size", "much", "--yes"}, 2, "--size"},
      {"bad hash", {"dragnet", "file", "--path", "/etc", "--sha1", "xyz", "--yes"}, 2, "--sha1"},
      {"target that is none",
       {"dragnet", "file", "--path", "/etc", "-t", "os=", "--yes"},
       2,
       "--target"},
      {"target of a column that is not there",
       {"dragnet", "file", "--path", "/etc", "-t", "hostname='x'", "--yes"},
       2,
       "hostname"},
      {"target of two statements",
       {"dragnet", "file", "--path", "/etc", "-t", "true; drop table x", "--yes"},
       2,
       "--target"},
      {"bad duration",
       {"dragnet", "file", "--path", "/etc", "--expires", "soon", "--yes"},
       2,
       "--expires"},
      {"too long",
       {"dragnet", "file", "--path", "/etc", "--expires", "9999d", "--yes"},
       2,
       "--expires"},
      {"no one to ask", {"dragnet", "file", "--path", "/etc"}, 2, "--yes"},
      {"file that isn't there", {"dragnet", "run", "$T/none.json", "--yes"}, 2, "$T/none.json"},
      {"parameters that aren't there",
       {"dragnet", "file", "--params", "$T/none.json", "--yes"},
       2,
       "$T/none.json"},
      {"no such action",
       {"dragnet", "results", "00000000-0000-7000-8000-000000000000"},
       2,
       "00000000-0000-7000-8000-000000000000"},
      {"no such agent", {"dragnet", "agents", "refusals", "nobody"}, 2, "nobody"},
      {"no such file to verify", {"dragnet", "verify", "$T/none"}, 2, "$T/none"},
      {"no policy to publish", {"dragnet", "trust", "publish", "$T/none", "--yes"}, 2, "$T/none"},
  });
}

TEST_F(CommandLineTest, DragnetsFilesThatAreWrong) {
  Write(own_.path() + "/broken.json", "{\"name\": ");
  Write(own_.path() + "/unknown.json", "{\"searches\":[{\"paths\":[\"/etc\"],\"pahts\":[]}]}");
  Write(own_.path() + "/garbage", "garbage");
  Check({
      {"JSON that ends early", {"dragnet", "run", "$T/broken.json", "--yes"}, 2, "broken.json"},
      {"JSON with an unknown key",
       {"dragnet", "file", "--params", "$T/unknown.json", "--yes"},
       2,
       "pahts"},
      {"a policy that is none",
       {"dragnet", "trust", "publish", "$T/garbage", "--yes"},
       2,
       "garbage"},
      {"an envelope that is none", {"dragnet", "verify", "$T/garbage"}, 2, "garbage"},
  });
}

TEST_F(CommandLineTest, DragnetsConfiguration) {
  const std::string kit = ConsoleKit();
  const std::string config = kit + "/console.toml";
  const std::string good = Read(config);
  Check({{"missing", {"dragnet", "agents"}, 2, "$T/none.toml"}}, own_.path() + "/none.toml");
  Write(config, good + "\nfleet = \"x\"\n");
  Check({{"unknown key", {"dragnet", "agents"}, 2, "fleet"}}, config);
  Write(config, "fleet_id = \"x\n");
  Check({{"no TOML", {"dragnet", "agents"}, 2, "$T/investigator/console.toml"}}, config);
  Write(config, WithTomlKey(good, "root_threshold", "\"one\""));
  Check({{"wrong type", {"dragnet", "agents"}, 2, "root_threshold"}}, config);
  Write(config, WithTomlKey(good, "scheduler", "\"localhost\""));
  Check({{"no port", {"dragnet", "agents"}, 2, "port"}}, config);
  Write(config, WithTomlKey(good, "tls_key", "\"none.key\""));
  Check({{"missing key", {"dragnet", "agents"}, 2, "none.key"}}, config);
}

TEST_F(CommandLineTest, KeysThatOthersCanReadAreRefused) {
  const std::string kit = ConsoleKit();
  const std::string config = kit + "/console.toml";
  for (const char* key : {"tls.key", "signing.key"}) {
    for (const mode_t mode : {0640, 0604, 0620}) {
      Need(::chmod(StrCat(kit, "/", key).c_str(), mode) == 0, "chmod");
      Check({{StrCat(key, " ", mode), {"dragnet", "file", "--path", "/etc", "--yes"}, 2, key}},
            config);
      Need(::chmod(StrCat(kit, "/", key).c_str(), 0600) == 0, "chmod");
    }
  }
}

TEST_F(CommandLineTest, CertificatesAndClocks) {
  const std::string kit = ConsoleKit();
  const auto use = [&](const TlsPair& pair) {
    Write(kit + "/tls.pem", pair.certificate_chain);
    Write(kit + "/tls.key", pair.private_key, 0600);
  };
  const Forge& forge = fleet_->forge();
  const absl::Time now = absl::Now();
  const std::string config = kit + "/console.toml";
  use(forge.Issue({"investigator", "ida"}, now - absl::Hours(48), absl::Hours(24)));
  Check({{"expired", {"dragnet", "agents"}, 2, "expired"}}, config);
  use(forge.Issue({"investigator", "ida"}, now + absl::Hours(24), absl::Hours(24)));
  Check({{"clock off", {"dragnet", "agents"}, 2, "clock"}}, config);
  use(forge.Issue({"investigator", "eve"}, now, absl::Hours(24)));
  Check({{"someone else's", {"dragnet", "agents"}, 2, "eve"}}, config);
  use(forge.IssueByOtherCa({"investigator", "ida"}));
  Check({{"another CA's", {"dragnet", "agents"}, 4, "certificate"}}, config);
  use(forge.Issue({"investigator", "ida"}, now, absl::Hours(24)));
  Check({{"not recorded", {"dragnet", "agents"}, 4, "certificate"}}, config);
}

TEST_F(CommandLineTest, NoSchedulerThere) {
  const std::string kit = ConsoleKit();
  const std::string config = kit + "/console.toml";
  Change(config, "scheduler", StrCat("\"127.0.0.1:", FreePort(), "\""));
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"dragnet", "agents"},
                                             {"dragnet", "actions"},
                                             {"dragnet", "results", "last"},
                                             {"dragnet", "trust", "show"},
                                             {"dragnet", "enroll", "token", "create"},
                                             {"dragnet", "file", "--path", "/etc", "--yes"}}) {
    Check({{arguments[1], arguments, 4, "127.0.0.1:"}}, config);
  }
  Change(config, "scheduler", "\"no-such-host.invalid:7443\"");
  Check({{"no such host", {"dragnet", "agents"}, 4, "no-such-host.invalid"}}, config);
}

TEST_F(CommandLineTest, SchedulersWordsAndFlags) {
  Write(own_.path() + "/occupied", "");
  Check({
      {"nothing", {"dragnet-scheduler"}, 2, ""},
      {"no such command", {"dragnet-scheduler", "rnu"}, 2, "--help"},
      {"no such flag", {"dragnet-scheduler", "run", "--confg", "x"}, 2, "--config"},
      {"no configuration", {"dragnet-scheduler", "run"}, 2, "--config"},
      {"missing configuration", {"dragnet-scheduler", "run", "--config", "$T/none"}, 2, "$T/none"},
      {"init without --dir", {"dragnet-scheduler", "init"}, 2, "--dir"},
      {"init over a fleet", {"dragnet-scheduler", "init", "--dir", "$D"}, 2, "$D"},
      {"init over a file", {"dragnet-scheduler", "init", "--dir", "$T/occupied"}, 2, "occupied"},
      {"init where nothing is",
       {"dragnet-scheduler", "init", "--dir", "$T/none/fleet"},
       2,
       "$T/none"},
      {"bad name", {"dragnet-scheduler", "init", "--dir", "$T/f", "--name", "A B"}, 2, "--name"},
      {"bad host", {"dragnet-scheduler", "init", "--dir", "$T/f", "--host", "a b"}, 2, "a b"},
      {"bad listen",
       {"dragnet-scheduler", "init", "--dir", "$T/f", "--listen", "7443"},
       2,
       "--listen"},
      {"bad threshold",
       {"dragnet-scheduler", "init", "--dir", "$T/f", "--root-keys", "1", "--root-threshold", "2"},
       2,
       "--root-threshold"},
      {"bad investigator",
       {"dragnet-scheduler", "init", "--dir", "$T/f", "--investigator", "../x"},
       2,
       "--investigator"},
      {"bad lifetime",
       {"dragnet-scheduler", "init", "--dir", "$T/f", "--policy-lifetime", "long"},
       2,
       "--policy-lifetime"},
      {"store in use",
       {"dragnet-scheduler", "run", "--config", "$D/scheduler.toml"},
       4,
       "another dragnet-scheduler"},
  });
}

TEST_F(CommandLineTest, SchedulersConfiguration) {
  const std::string kit = own_.path() + "/fleet";
  CopyTree(fleet_->directory(), kit);
  const std::string config = kit + "/scheduler.toml";
  const std::string good =
      WithTomlKey(Read(config), "listen", StrCat("\"127.0.0.1:", FreePort(), "\""));
  const std::vector<std::string> run = {"dragnet-scheduler", "run", "--config", config};
  struct Spoiled {
    const char* key;
    const char* value;
    const char* says;
  };
  for (const Spoiled& one : std::vector<Spoiled>{
           {"lisen", "\"x:1\"", "lisen"},
           {"heartbeat_interval", "\"often\"", "heartbeat_interval"},
           {"heartbeat_interval", "3", "heartbeat_interval"},
           {"root_threshold", "7", "root"},
           {"store", "\"none.db\"", "none.db"},
           {"store", "\"scheduler.toml\"", "scheduler.toml"},
           {"ca_key", "\"none.key\"", "none.key"},
           {"server_key", "\"scheduler/ca.key\"", "server.pem"},
           {"server_certificate", "\"scheduler/ca.key\"", "ca.key"},
           {"listen", "\"nonsense\"", "nonsense"},
           {"fleet_id", "\"other-0123456789ab\"", "other-0123456789ab"},
       }) {
    Write(config, WithTomlKey(good, one.key, one.value));
    Check({{StrCat(one.key, " = ", one.value), run, 2, one.says}});
  }
  Write(config, WithTomlKey(good, "listen", StrCat("\"", fleet_->address(), "\"")));
  Check({{"port in use", run, 4, fleet_->address()}});
  Write(config, good);
  for (const char* key : {"ca.key", "server.key"}) {
    const std::string path = StrCat(kit, "/scheduler/", key);
    Need(::chmod(path.c_str(), 0644) == 0, "chmod");
    Check({{StrCat(key, " readable by others"), run, 2, key}});
    Need(::chmod(path.c_str(), 0600) == 0, "chmod");
  }
  const TlsPair expired =
      fleet_->forge().Issue({"scheduler", "main"}, absl::Now() - absl::Hours(48), absl::Hours(1));
  Write(kit + "/scheduler/server.pem", expired.certificate_chain);
  Write(kit + "/scheduler/server.key", expired.private_key, 0600);
  Check({{"expired certificate", run, 2, "expired"}});
}

TEST_F(CommandLineTest, AgentsWordsAndFlags) {
  Write(own_.path() + "/broken.json", "{");
  Write(own_.path() + "/unknown.json", "{\"serches\":[]}");
  Write(own_.path() + "/regex.json", "{\"searches\":[{\"paths\":[\"/etc\"],\"names\":[\"(\"]}]}");
  Check({
      {"nothing", {"dragnet-agent"}, 2, "--help"},
      {"no such command", {"dragnet-agent", "rnu"}, 2, "rnu"},
      {"no such flag", {"dragnet-agent", "run", "--confg", "x"}, 2, "confg"},
      {"flag without value", {"dragnet-agent", "run", "--config"}, 2, "config"},
      {"no configuration", {"dragnet-agent", "run"}, 2, "--config"},
      {"missing configuration", {"dragnet-agent", "run", "--config", "$T/none"}, 2, "$T/none"},
      {"no such module", {"dragnet-agent", "module", "fiel", "--params", "-"}, 2, "fiel"},
      {"no module", {"dragnet-agent", "module"}, 2, "module"},
      {"missing parameters",
       {"dragnet-agent", "module", "file", "--params", "$T/none"},
       2,
       "$T/none"},
      {"what isn't in MIG's form",
       {"dragnet-agent", "module", "file", "--mig", "--params", "-"},
       2,
       "parse error"},
      {"what MIG doesn't know",
       {"dragnet-agent", "module", "scrub", "--mig"},
       2,
       "there is none of this name"},
      {"JSON that ends early",
       {"dragnet-agent", "module", "file", "--params", "$T/broken.json"},
       2,
       "file"},
      {"JSON with an unknown key",
       {"dragnet-agent", "module", "file", "--params", "$T/unknown.json"},
       2,
       "serches"},
      {"bad regex", {"dragnet-agent", "module", "file", "--params", "$T/regex.json"}, 2, "names"},
  });
}

TEST_F(CommandLineTest, AgentsConfiguration) {
  const std::string kit = own_.path() + "/agent";
  CopyTree(fleet_->directory() + "/agent", kit);
  const std::string config = kit + "/agent.toml";
  std::string good = Read(config);
  if (IsRoot()) {
    good = WithTomlKey(WithTomlKey(good, "link_user", "\"64510:64510\""), "worker_user",
                       "\"64511:64511\"");
  }
  struct Spoiled {
    const char* key;
    const char* value;
    const char* says;
    int status = 2;
  };
  std::vector<Spoiled> spoiled = {
      {"schedluers", "[]", "schedluers"},
      {"schedulers", "[]", "schedulers"},
      {"schedulers", "\"localhost:1\"", "schedulers"},
      {"schedulers", "[\"localhost\"]", "localhost"},
      {"fleet_id", "\"\"", "fleet_id"},
      {"ca_file", "\"none.pem\"", "none.pem"},
      {"root_keys", "[]", "root_keys"},
      {"root_keys", "[\"ca.pem\"]", "ca.pem"},
      {"root_keys", "[\"root-1.pub\", \"root-1.pub\"]", "root"},
      {"root_threshold", "2", "root"},
      {"root_threshold", "0", "root_threshold"},
  };
  if (IsRoot()) {
    spoiled.push_back({"link_user", "\"no-such-user\"", "no-such-user"});
    // A package may be about to put them there, so it is tried again.
    spoiled.push_back({"program_dir", "\"none\"", "none", 1});
  }
  for (const Spoiled& one : spoiled) {
    Write(config, WithTomlKey(good, one.key, one.value));
    Check({{StrCat(one.key, " = ", one.value),
            {"dragnet-agent", "run", "--config", config},
            one.status,
            one.says}});
  }
  Write(config, good);
  Need(::chmod((kit + "/enrolment.token").c_str(), 0644) == 0, "chmod");
  Check({{"token that others can read",
          {"dragnet-agent", "run", "--config", config},
          2,
          "enrolment.token"}});
}

TEST_F(CommandLineTest, SecondAgentOverTheSameStateIsRefused) {
  const std::string& config = fleet_->AddOnlineAgent({.name = "first"}).config_path();
  Command command;
  command.arguments = {"dragnet-agent", "run", "--config", config};
  const Finished second = RunToEnd(command, absl::Seconds(20));
  // It may have ended a moment later: tried again.
  EXPECT_EQ(second.status(), 1) << second.err;
  EXPECT_THAT(second.err, HasSubstr("another dragnet-agent"));
}

TEST_F(CommandLineTest, HelpAndVersionAreNoErrors) {
  for (const char* program : {"dragnet", "dragnet-agent", "dragnet-scheduler"}) {
    for (const char* flag : {"--help", "--version"}) {
      const Finished run = RunToEnd({program, flag});
      EXPECT_EQ(run.status(), 0) << program << flag;
      EXPECT_THAT(run.out, HasSubstr("dragnet")) << program << flag;
      EXPECT_EQ(run.err, "") << program << flag;
    }
  }
}

TEST_F(CommandLineTest, FullDiskAtTheOutputIsAnError) {
  Command command;
  command.arguments = {"dragnet", "agents"};
  command.environment = {"DRAGNET_CONFIG=" + fleet_->console_config()};
  command.output_to = "/dev/full";
  const Finished run = RunToEnd(command);
  EXPECT_NE(run.status(), 0);
  EXPECT_THAT(run.err, HasSubstr("No space left"));
}

}  // namespace
}  // namespace dragnet::testing
