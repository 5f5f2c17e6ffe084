// `dragnet check` with an agent program that is a shell script.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "console/cli/app.h"
#include "console/testing/sample_module.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "modules/check/check.pb.h"
#include "nlohmann/json.hpp"

namespace dragnet::console {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Outcome {
  int status;
  std::string out;
  std::string err;
};

constexpr char kPack[] = R"(id: demo
title: Demo
variables: {where: /etc}
checks:
  - {id: one, title: The first, severity: high, command: "sample --path ${where}", expect: not found}
  - {id: two, title: The second, severity: low, module: sample, expect: found}
)";

class CheckCommandTest : public ::testing::Test {
 protected:
  CheckCommandTest() {
    char name[] = "/tmp/dragnet-check-test-XXXXXX";
    directory_ = ::mkdtemp(name);
    Write("p.yaml", kPack);
    Agent(Verdict("one", "pass") + Verdict("two", "pass"));
  }
  ~CheckCommandTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(std::string_view name) const { return StrCat(directory_, "/", name); }
  void Write(std::string_view name, std::string_view text, mode_t mode = 0644) {
    ASSERT_TRUE(WriteFileAtomically(Path(name), text, mode).ok());
  }
  // Keeps its arguments and its input, then does this.
  void Agent(const std::string& script) {
    Write("agent",
          StrCat("#!/bin/sh\nprintf '%s\\n' \"$@\" > '", Path("arguments"), "'\ncat > '",
                 Path("input"), "'\n", script),
          0755);
  }
  static std::string Verdict(std::string_view check, std::string_view status,
                             std::string_view reason = "why") {
    return StrCat("echo '{\"verdict\":{\"check\":\"", check, "\",\"status\":\"", status,
                  "\",\"reason\":\"", reason, "\"}}'\n");
  }

  Outcome Check(std::vector<std::string> args, std::string_view pack = "p.yaml",
                const ModuleCatalog& modules = testing::SampleCatalog()) {
    args.insert(args.begin(), "check");
    if (!pack.empty()) args.insert(args.begin() + 1, Path(pack));
    StringSink out;
    StringSink err;
    Io io;
    io.out = &out;
    io.err = &err;
    io.environment = [&](std::string_view name) -> std::optional<std::string> {
      if (name == "DRAGNET_AGENT_PROGRAM") return Path("agent");
      if (name == "DRAGNET_PACKS") return Path("shipped");
      return std::nullopt;
    };
    io.clock = &clock_;
    const int status = RunDragnet(args, io, modules);
    return {status, out.text(), err.text()};
  }

  std::string directory_;
  FakeClock clock_{absl::FromCivil(absl::CivilDay(2027, 1, 10), absl::UTCTimeZone())};
};

TEST_F(CheckCommandTest, AllPassed) {
  const Outcome outcome = Check({});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("PASS     one  The first\nPASS     two  The second\n"
                                      "2 checks: 2 passed in "));
  EXPECT_EQ(*ReadFile(Path("arguments")), "check\n--pack\n-\n");
  check::v1::CheckParameters sent;
  ASSERT_TRUE(sent.ParseFromString(*ReadFile(Path("input"))));
  EXPECT_EQ(sent.pack(), "demo");
  EXPECT_EQ(sent.checks_size(), 2);
}

TEST_F(CheckCommandTest, TheExitStatusSaysWhatCame) {
  Agent(Verdict("one", "fail") + Verdict("two", "unknown") + "exit 1\n");
  EXPECT_EQ(Check({}).status, 1);
  Agent(Verdict("one", "not_applicable") + Verdict("two", "unknown") + "exit 3\n");
  EXPECT_EQ(Check({}).status, 3);
  EXPECT_EQ(Check({"--fail-on", "high"}).status, 0);
  Agent(Verdict("one", "pass") + Verdict("two", "fail"));
  EXPECT_EQ(Check({}).status, 1);
  const Outcome below = Check({"--fail-on", "medium"});
  EXPECT_EQ(below.status, 0);
  EXPECT_THAT(below.out,
              AllOf(HasSubstr("FAIL     two"), HasSubstr("1 below medium doesn't count")));
}

TEST_F(CheckCommandTest, WithoutAVerdictItIsUnknownAndNeverPassed) {
  Agent(Verdict("one", "pass") + "echo 'no such luck' >&2\nexit 2\n");
  const Outcome died = Check({});
  EXPECT_EQ(died.status, 3);
  EXPECT_THAT(died.out, AllOf(HasSubstr("PASS     one"), HasSubstr("UNKNOWN  two"),
                              HasSubstr("dragnet-agent ended with exit status 2: no such luck")));
  Agent("exit 0\n");
  EXPECT_EQ(Check({}).status, 3);
  EXPECT_THAT(Check({}).out, HasSubstr("2 checks: 0 passed, 2 unknown"));
  std::filesystem::remove(Path("agent"));
  EXPECT_THAT(Check({}).out, HasSubstr("No such file or directory"));
  EXPECT_EQ(Check({}).status, 3);
}

TEST_F(CheckCommandTest, FailOnLetsNoRunPassThatDidNotHappen) {
  Agent("exit 0\n");
  const Outcome nothing = Check({"--only", "two", "--fail-on", "high"});
  EXPECT_EQ(nothing.status, 3) << nothing.out;
  EXPECT_THAT(nothing.err, HasSubstr("demo: not every check was run: dragnet-agent ended without"));
  Agent(Verdict("one", "pass") + "kill -9 $$\n");
  EXPECT_EQ(Check({"--fail-on", "high"}).status, 3);
  std::filesystem::remove(Path("agent"));
  EXPECT_EQ(Check({"--only", "two", "--fail-on", "high"}).status, 3);
}

TEST_F(CheckCommandTest, AnAgentThatTalksNonsenseIsNotBelieved) {
  Agent(Verdict("one", "pass") + Verdict("two", "pass") + Verdict("two", "pass"));
  const Outcome twice = Check({});
  EXPECT_EQ(twice.status, 3);
  EXPECT_THAT(twice.err, HasSubstr("demo: the agent gave a second verdict on two"));
  Agent("printf '\\033[2Jnonsense\\n'\n" + Verdict("one", "pass"));
  const Outcome nonsense = Check({});
  EXPECT_EQ(nonsense.status, 3);
  EXPECT_THAT(nonsense.out + nonsense.err,
              AllOf(HasSubstr("printed what is no verdict"), Not(HasSubstr("\x1b"))));
}

TEST_F(CheckCommandTest, ChecksAreChosenByIdAndSeverity) {
  Agent(Verdict("one", "pass"));
  EXPECT_EQ(Check({"--only", "o*"}).status, 0);
  EXPECT_EQ(Check({"--severity", "medium"}).status, 0);
  check::v1::CheckParameters sent;
  ASSERT_TRUE(sent.ParseFromString(*ReadFile(Path("input"))));
  EXPECT_EQ(sent.checks_size(), 1);
  EXPECT_EQ(Check({"--only", "on"}).status, 2);
  EXPECT_THAT(Check({"--only", "one", "--only", "thre"}).err, HasSubstr("--only thre: no check"));
  EXPECT_EQ(Check({"--severity", "critical"}).status, 2);
}

TEST_F(CheckCommandTest, TheRootIsHandedOn) {
  EXPECT_EQ(Check({"--root", directory_}).status, 0);
  EXPECT_EQ(*ReadFile(Path("arguments")), StrCat("check\n--pack\n-\n--root\n", directory_, "\n"));
  EXPECT_EQ(Check({"--root", Path("nowhere")}).status, 2);
  EXPECT_EQ(Check({"--root", Path("p.yaml")}).status, 2);
}

TEST_F(CheckCommandTest, MistakesInAPackAreAllSaidAndNothingRuns) {
  Write("bad.yaml", "id: bad\ntitle: Bad\nchecks:\n  - {id: a}\n  - {id: b, titel: B}\n");
  const Outcome outcome = Check({}, "bad.yaml");
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(
      outcome.err,
      AllOf(HasSubstr("bad.yaml:4:5: checks[0]: the key title is missing\n"),
            HasSubstr("bad.yaml:5:13: checks[1].titel: unknown key; did you mean title?\n")));
  EXPECT_FALSE(std::filesystem::exists(Path("input")));
  EXPECT_EQ(Check({}, "nowhere.yaml").status, 2);
  EXPECT_EQ(Check({}, "").status, 2);
  EXPECT_EQ(Check({"--quiet", "--verbose"}).status, 2);
}

TEST_F(CheckCommandTest, LintSaysWhatLooksForgotten) {
  const Outcome outcome = Check({"--lint"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("p.yaml: demo, 2 checks\n"));
  EXPECT_THAT(outcome.err, HasSubstr("p.yaml:5:5: checks[0]: warning: has no reference\n"));
  EXPECT_FALSE(std::filesystem::exists(Path("input")));
}

TEST_F(CheckCommandTest, VariablesAreSet) {
  EXPECT_EQ(Check({"--set", "where=/opt"}).status, 0);
  EXPECT_THAT(*ReadFile(Path("input")), HasSubstr("/opt"));
  EXPECT_THAT(Check({"--set", "wher=/opt"}).err,
              HasSubstr("--set wher: no pack has this variable"));
  EXPECT_EQ(Check({"--set", "wher=/opt"}).status, 2);
  EXPECT_EQ(Check({"--set", "where"}).status, 2);
  EXPECT_EQ(Check({"--set", "where=a", "--set", "where=b"}).status, 2);
}

TEST_F(CheckCommandTest, VariablesComeFromFiles) {
  Write("where.txt", "/srv");
  EXPECT_EQ(Check({"--set-file", StrCat("where=", Path("where.txt"))}).status, 0);
  const auto input = ReadFile(Path("input"));
  ASSERT_TRUE(input.ok());
  EXPECT_THAT(*input, HasSubstr("/srv"));
  EXPECT_EQ(Check({"--set-file", "where"}).status, 2);
  EXPECT_EQ(Check({"--set-file", "where="}).status, 2);
  const std::string from_file = StrCat("where=", Path("where.txt"));
  EXPECT_THAT(Check({"--set", "where=a", "--set-file", from_file}).err, HasSubstr("given twice"));
  EXPECT_THAT(Check({"--set-file", "where=/nonexistent/list"}).err,
              HasSubstr("--set-file where: open /nonexistent/list"));
}

TEST_F(CheckCommandTest, AdvisoriesBecomeAListAndWhatIsLeftOutIsNamed) {
  Write("a.json", R"([
    {"id": "A-1", "affected": [{"package": {"ecosystem": "Debian:12", "name": "openssh"},
      "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1:9.2"}]}]}]},
    {"id": "A-2", "affected": [{"package": {"ecosystem": "Maven", "name": "a:b"},
      "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]}])");
  const Outcome outcome = Check({"--import-advisories", Path("a.json")}, "");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "A-1 dpkg-source@debian:12 openssh <1:9.2\n");
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("a.json: A-2: "), HasSubstr("1 entry, 1 left out")));
  Write("b.json", "{");
  EXPECT_EQ(Check({"--import-advisories", Path("b.json")}, "").status, 2);
  EXPECT_EQ(Check({"--import-advisories", Path("missing.json")}, "").status, 2);
}

TEST_F(CheckCommandTest, AcceptedFailuresDontFail) {
  Agent(Verdict("one", "fail") + Verdict("two", "pass"));
  Write("b.yaml",
        "- {check: one, reason: OPS-1, expires: 2027-01-10}\n"
        "- {check: gone, reason: OPS-2, expires: 2027-01-10}\n");
  const Outcome accepted = Check({"--baseline", Path("b.yaml")});
  EXPECT_EQ(accepted.status, 0);
  EXPECT_THAT(accepted.out, AllOf(HasSubstr("ACCEPT   one"), HasSubstr("1 accepted")));
  EXPECT_THAT(accepted.err, HasSubstr("b.yaml:2:3: no pack has a check gone"));
  clock_.Advance(absl::Hours(24));
  const Outcome expired = Check({"--baseline", Path("b.yaml")});
  EXPECT_EQ(expired.status, 1);
  EXPECT_THAT(expired.err, HasSubstr("one was accepted until 2027-01-10, and no longer is"));
  Write("b.yaml", "- {check: one, expires: 2027-01-10}\n");
  EXPECT_EQ(Check({"--baseline", Path("b.yaml")}).status, 2);
  EXPECT_EQ(Check({"--baseline", Path("nowhere")}).status, 2);
}

TEST_F(CheckCommandTest, AcceptedOnAHostIsNotAcceptedInAnImage) {
  Agent(Verdict("one", "fail") + Verdict("two", "pass"));
  Write("b.yaml", "- {check: one, reason: OPS-1, expires: 2027-01-10, hosts: '*'}\n");
  EXPECT_EQ(Check({"--baseline", Path("b.yaml")}).status, 0);
  const Outcome image = Check({"--root", directory_, "--baseline", Path("b.yaml")});
  EXPECT_EQ(image.status, 1);
  EXPECT_THAT(image.err, HasSubstr("an image is none"));
}

TEST_F(CheckCommandTest, ABaselineIsWrittenOfWhatFails) {
  Agent(Verdict("one", "fail") + Verdict("two", "pass"));
  EXPECT_EQ(Check({"--write-baseline", Path("new.yaml")}).status, 1);
  EXPECT_THAT(*ReadFile(Path("new.yaml")),
              AllOf(HasSubstr("- check: demo/one\n  reason: \"\"\n  expires: 2027-04-10\n"),
                    Not(HasSubstr("two"))));
  // Nothing is overwritten.
  EXPECT_EQ(Check({"--write-baseline", Path("new.yaml")}).status, 2);
}

TEST_F(CheckCommandTest, SeveralPacksAreOneRun) {
  Write("q.yaml",
        "id: more\ntitle: More\nchecks:\n  - {id: one, title: M, severity: low, module: "
        "sample, expect: found}\n");
  const Outcome outcome = Check({Path("q.yaml"), "--output", "json"});
  const auto document = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(document["summary"]["checks"], 3);
  EXPECT_EQ(document["packs"][1]["id"], "more");
  // Its agent says two of a check that this pack doesn't have.
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(Check({Path("p.yaml")}).status, 2);
}

TEST_F(CheckCommandTest, PacksThatAreShippedGoByName) {
  std::filesystem::create_directory(Path("shipped"));
  Write("shipped/ssh-demo.yaml", kPack);
  EXPECT_EQ(Check({"ssh-demo"}, "").status, 0);
  EXPECT_THAT(Check({"--list"}, "").out,
              AllOf(StartsWith("ssh-demo  "), HasSubstr("2   checks  Demo")));
  EXPECT_THAT(Check({"ssh-dmo"}, "").err, HasSubstr("no pack \"ssh-dmo\"; did you mean ssh-demo?"));
  EXPECT_EQ(Check({"ssh-dmo"}, "").status, 2);
}

TEST_F(CheckCommandTest, TheSchemaIsPrinted) {
  // The module `check` is no command beside this one.
  const ModuleCatalog real{AllModules(), ModuleDescriptorSet};
  const Outcome outcome = Check({"--schema"}, "", real);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(nlohmann::json::parse(outcome.out).contains("$defs"));
}

}  // namespace
}  // namespace dragnet::console
