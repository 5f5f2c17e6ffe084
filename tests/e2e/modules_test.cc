// Modules as investigators use them: through a fleet, with large parameters, on
// hosts in privacy mode, from MIG's actions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "core/strings.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

void Write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// `count` rules, of which the last one matches "needle in a haystack".
std::string Rules(int count) {
  std::string rules;
  for (int i = 1; i < count; ++i) {
    StrAppend(&rules, "rule r", i, " { strings: $a = \"never there ", i, "\" condition: $a }\n");
  }
  return StrCat(rules, "rule needle { strings: $n = \"needle in a haystack\" condition: $n }\n");
}

std::vector<std::string> FilesIn(const std::string& directory) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    paths.push_back(entry.path().string());
  }
  return paths;
}

class ModulesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fleet_.StartScheduler();
    files_ = fleet_.MakeFiles("files", 2);
    Write(files_ + "/haystack", "hay\nneedle in a haystack\nhay\n");
  }

  Finished Investigate(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--output", "jsonl", "--yes"});
    return fleet_.Dragnet(arguments);
  }

  TestFleet fleet_;
  std::string files_;
};

TEST_F(ModulesTest, FiveThousandRulesTravelToAnAgentOnce) {
  Agent& first = fleet_.AddOnlineAgent({.name = "first"});
  Write(files_ + "/rules.yar", Rules(5000));
  const std::vector<std::string> question = {
      "file", "--path", files_, "--name", "^hay", "--yara", files_ + "/rules.yar"};
  const Finished found = Investigate(question);
  EXPECT_EQ(found.status(), 0) << found.err;
  EXPECT_THAT(found.out, AllOf(HasSubstr("/haystack"), HasSubstr("needle")));
  ASSERT_EQ(FilesIn(first.state_directory() + "/blobs").size(), 1U);

  // From now on the scheduler's copy is another one of the same length: who
  // fetched it before doesn't ask again, and whoever fetches it now refuses it.
  const std::vector<std::string> kept = FilesIn(fleet_.database_path() + ".blobs");
  ASSERT_EQ(kept.size(), 1U);
  Write(kept[0], std::string(std::filesystem::file_size(kept[0]), 'x'));
  const Finished again = Investigate(question);
  EXPECT_EQ(again.status(), 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("needle"));

  fleet_.AddOnlineAgent({.name = "second"});
  std::vector<std::string> ask_second = question;
  ask_second.insert(ask_second.end(), {"-t", "name='second'"});
  const Finished forged = Investigate(ask_second);
  EXPECT_EQ(forged.status(), 3) << forged.err;
  EXPECT_THAT(forged.out + forged.err, HasSubstr("another SHA-256"));
  EXPECT_THAT(forged.out, Not(HasSubstr("/haystack")));
}

TEST_F(ModulesTest, BadRulesAreRefusedByLineAndColumnBeforeAnythingIsLaunched) {
  Agent& agent = fleet_.AddOnlineAgent();
  Write(files_ + "/bad.yar", "rule a {\n  condition: $nothing\n}\n");
  const Finished refused = Investigate({"file", "--path", files_, "--yara", files_ + "/bad.yar"});
  EXPECT_EQ(refused.status(), 2) << refused.err;
  EXPECT_THAT(refused.err, AllOf(HasSubstr("--yara"), HasSubstr("line 2, column 14")));
  EXPECT_EQ(agent.WorkersStarted(), 0U);
}

TEST_F(ModulesTest, AHashListOfAHundredThousandFindsTheOne) {
  fleet_.AddOnlineAgent();
  std::string list = "# the last one is of an empty file\n";
  for (int i = 0; i < 100'000; ++i) {
    const std::string number = StrCat(i);
    StrAppend(&list, std::string(64 - number.size(), 'a'), number, "\n");
  }
  list += "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
  Write(fleet_.temporary() + "/hashes.txt", list);
  const Finished found =
      Investigate({"file", "--path", files_, "--hash-list", fleet_.temporary() + "/hashes.txt"});
  EXPECT_EQ(found.status(), 0) << found.err;
  EXPECT_THAT(found.out,
              AllOf(HasSubstr("/file-0"), HasSubstr("/file-1"), Not(HasSubstr("/haystack"))));
}

TEST_F(ModulesTest, OnAHostInPrivacyModeContentStaysWhereItIs) {
  fleet_.AddOnlineAgent({.name = "private", .settings = "privacy = true\n"});
  const Finished refused =
      Investigate({"file", "--path", files_, "--content", "needle", "--lines", "2"});
  EXPECT_EQ(refused.status(), 3) << refused.err;
  EXPECT_THAT(refused.out + refused.err, HasSubstr("privacy mode"));
  EXPECT_THAT(refused.out, Not(HasSubstr("needle in a haystack")));
  // That there is a match may be known.
  const Finished found = Investigate({"file", "--path", files_, "--content", "needle"});
  EXPECT_EQ(found.status(), 0) << found.err;
  EXPECT_THAT(found.out, HasSubstr("/haystack"));
}

TEST_F(ModulesTest, AnActionOfMigIsSignedAndRunAsItIs) {
  fleet_.AddOnlineAgent();
  Write(files_ + "/action.json",
        StrCat(R"({
    "name": "Needles", "target": "agents.environment->>'os' = 'linux'",
    "description": {"author": "Jane", "email": "jane@example.net", "revision": 201502031030},
    "threat": {"level": "alert", "family": "backdoor"},
    "operations": [{"module": "file", "parameters": {"searches": {"hay": {
      "paths": [")",
               files_, R"("], "contents": ["needle"], "options": {"matchall": true}}}}}],
    "syntaxversion": 2})"));
  const Finished found = Investigate({"run", "--mig", files_ + "/action.json", "-t", "true"});
  EXPECT_EQ(found.status(), 0) << found.err;
  EXPECT_THAT(found.out, HasSubstr("/haystack"));
}

// Each module once, through the whole fleet.
TEST_F(ModulesTest, EveryModuleAnswers) {
  fleet_.AddOnlineAgent();
  Write(files_ + "/policy.json",
        StrCat(R"({"objects": [{"object": "hay", "hasline": {"path": ")", files_,
               R"(", "file": "haystack", "expression": "needle"}}],
                 "tests": [{"test": "t", "object": "hay", "exactmatch": {"value": "true"}}]})"));
  Write(files_ + "/login.defs", "PASS_MAX_DAYS 90\n");
  const std::vector<std::vector<std::string>> questions = {
      {"netstat", "--listening"},
      {"memory", "--name", "^dragnet-sched"},
      {"pkg", "--name", "^libc6$"},
      {"sshkey", "--path", files_},
      {"persistence", "--kind", "cron"},
      {"ping", "--to", "127.0.0.1"},
      {"timedrift", "--server", "127.0.0.1"},
      {"tls", "--port", "1"},
      {"settings", "--format", "key_value", "--path", files_ + "/login.defs"},
      {"sysctl", "--name", "kernel.ostype"},
      {"mounts", "--path", "/"},
      {"process", "--name", "^dragnet-sched"},
      {"firewall", "--reachable", "none"},
      {"scribe", "--document", files_ + "/policy.json"},
  };
  for (const std::vector<std::string>& question : questions) {
    const Finished finished = Investigate(question);
    // Some hosts let not even root look into every process; that is said, as 3.
    const std::set<std::string> privileged = {"netstat", "memory", "mounts", "process", "firewall"};
    EXPECT_TRUE(finished.status() == 0 ||
                (privileged.contains(question[0]) && finished.status() == 3))
        << question[0] << "\n"
        << finished.err;
    EXPECT_THAT(finished.err, Not(HasSubstr("could not be started"))) << question[0];
    EXPECT_THAT(finished.err, Not(HasSubstr("died"))) << question[0];
  }
}

}  // namespace
}  // namespace dragnet::testing
