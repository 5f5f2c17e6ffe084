#include "console/check/agent_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>

#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Outcome {
  std::string end;
  std::vector<std::string> lines;
};

// `script` is sh's.
Outcome Shell(const std::string& script, std::string_view input = "",
              absl::Duration timeout = absl::Minutes(1),
              std::function<bool()> interrupted = nullptr) {
  Outcome outcome;
  const ProgramRun run{.program = "/bin/sh",
                       .arguments = {"-c", script, "sh", "arg"},
                       .input = input,
                       .timeout = timeout,
                       .max_line = 1000,
                       .max_output = 10'000,
                       .on_line = [&](std::string_view line) { outcome.lines.emplace_back(line); },
                       .interrupted = interrupted ? interrupted : [] { return false; }};
  const auto end = RunProgram(run);
  EXPECT_TRUE(end.ok()) << end.status();
  outcome.end = end.value_or("");
  return outcome;
}

TEST(AgentProgramTest, LinesComeAsTheyArePrinted) {
  const Outcome outcome = Shell("echo \"$1\"; cat; printf last", "in\n");
  EXPECT_EQ(outcome.end, "");
  EXPECT_THAT(outcome.lines, ElementsAre("arg", "in", "last"));
}

TEST(AgentProgramTest, InputOfAnySizeIsNoTrouble) {
  const Outcome outcome = Shell("exec 2>&1; wc -c", std::string(3'000'000, 'x'));
  EXPECT_THAT(outcome.lines, ElementsAre(HasSubstr("3000000")));
  // Not read at all.
  EXPECT_THAT(Shell("echo x", std::string(3'000'000, 'x')).lines, ElementsAre("x"));
}

TEST(AgentProgramTest, HowItEndedIsSaid) {
  EXPECT_EQ(Shell("exit 1").end, "");
  EXPECT_EQ(Shell("exit 3").end, "");
  EXPECT_EQ(Shell("echo why >&2; echo more >&2; exit 2").end, "ended with exit status 2: why");
  EXPECT_THAT(Shell("kill -9 $$").end, HasSubstr("was killed by signal 9"));
  EXPECT_FALSE(RunProgram({.program = "/nowhere/dragnet-agent",
                           .arguments = {},
                           .input = "",
                           .timeout = absl::Minutes(1),
                           .max_line = 10,
                           .max_output = 10,
                           .on_line = [](std::string_view) {},
                           .interrupted = [] { return false; }})
                   .ok());
}

TEST(AgentProgramTest, WhoPrintsWithoutEndIsEnded) {
  EXPECT_THAT(Shell("while :; do echo 0123456789; done").end, HasSubstr("printed too much"));
  const Outcome one_line = Shell("head -c 2000 /dev/zero | tr '\\0' x; sleep 600");
  EXPECT_THAT(one_line.end, HasSubstr("a line that is too long"));
  EXPECT_THAT(one_line.lines, IsEmpty());
}

TEST(AgentProgramTest, ErrorsWithoutEndAreNotKept) {
  EXPECT_THAT(Shell("head -c 300000 /dev/zero | tr '\\0' e >&2; exit 4").end.size(),
              ::testing::Lt(1000U));
}

TEST(AgentProgramTest, WhoTakesTooLongIsEnded) {
  EXPECT_THAT(Shell("sleep 600", "", absl::Milliseconds(200)).end, HasSubstr("took longer"));
}

TEST(AgentProgramTest, AnInterruptEndsItAndWhatItStarted) {
  int asked = 0;
  const Outcome outcome =
      Shell("echo one; sleep 600 & wait", "", absl::Minutes(1), [&] { return ++asked > 1; });
  EXPECT_EQ(outcome.end, "interrupted");
}

TEST(AgentProgramTest, SomeoneItLeftBehindHoldsUpNothing) {
  const Outcome outcome = Shell("sleep 20 & echo $!; exit 0");
  EXPECT_EQ(outcome.end, "");
  ASSERT_EQ(outcome.lines.size(), 1U);
  ::kill(std::atoi(outcome.lines[0].c_str()), SIGKILL);
}

TEST(AgentProgramTest, IsFoundInPathAndNotInTheCurrentDirectory) {
  char name[] = "/tmp/dragnet-agent-test-XXXXXX";
  const std::string directory = ::mkdtemp(name);
  ASSERT_TRUE(WriteFileAtomically(directory + "/dragnet-agent", "#!/bin/sh\n", 0755).ok());
  const auto with_path = [](const std::string& path) -> Environment {
    return [path](std::string_view name) -> std::optional<std::string> {
      if (name == "PATH") return path;
      return std::nullopt;
    };
  };
  // Beside the test there is none.
  EXPECT_EQ(*FindAgentProgram(with_path(StrCat("/nowhere:", directory))),
            directory + "/dragnet-agent");
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory);
  const auto here = FindAgentProgram(with_path(".:"));
  if (here.ok()) {
    EXPECT_TRUE(here->starts_with("/usr/")) << *here;
  }
  std::filesystem::current_path(before);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace dragnet::console
