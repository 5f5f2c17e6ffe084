// The completion scripts in the shells that they are for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "console/testing/console_fixture.h"

namespace dragnet::console {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class CompletionTest : public testing::ConsoleTest {
 protected:
  // Standard output of `command`, run by `shell`; "exit N: …" if it failed.
  static std::string Shell(const std::string& shell, const std::string& script) {
    FILE* pipe = ::popen(StrCat(shell, " ", script, " 2>&1").c_str(), "r");
    std::string text;
    char buffer[4096];
    while (const size_t got = ::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, got);
    const int status = ::pclose(pipe);
    return status == 0 ? text : StrCat("exit ", WEXITSTATUS(status), ": ", text);
  }

  // What bash offers for the last of `words`.
  std::string Complete(const std::string& words) {
    WriteFile("completion.bash", Dragnet({"completion", "bash"}).out, 0644);
    WriteFile("test.bash",
              StrCat("source ", Path("completion.bash"), "\nCOMP_WORDS=(", words,
                     ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_dragnet\n"
                     "printf '%s\\n' \"${COMPREPLY[@]}\"\n"),
              0644);
    return Shell("bash --norc --noprofile", Path("test.bash"));
  }
};

TEST_F(CompletionTest, BashOffersCommandsAndModules) {
  EXPECT_THAT(Complete("dragnet ''"), AllOf(HasSubstr("sample\n"), HasSubstr("agents\n"),
                                            HasSubstr("help\n"), HasSubstr("console\n")));
  EXPECT_EQ(Complete("dragnet agen"), "agents\n");
}

TEST_F(CompletionTest, BashOffersFlagsOfTheCommand) {
  EXPECT_THAT(Complete("dragnet sample --"),
              AllOf(HasSubstr("--path\n"), HasSubstr("--target\n"), HasSubstr("--help\n")));
  EXPECT_EQ(Complete("dragnet sample --also"), "--also-hash\n");
}

TEST_F(CompletionTest, BashOffersValues) {
  EXPECT_EQ(Complete("dragnet sample --hash ''"), "md5\nsha2-256\n");
  EXPECT_EQ(Complete("dragnet sample -o js"), "json\njsonl\n");
  EXPECT_EQ(Complete("dragnet sample --output = c"), "csv\n");
  EXPECT_EQ(Complete("dragnet completion z"), "zsh\n");
}

TEST_F(CompletionTest, BashOffersFiles) {
  WriteFile("an action.json", "{}", 0644);
  const std::string prefix = StrCat("'", Path("an"), "'");
  EXPECT_EQ(Complete(StrCat("dragnet run ", prefix)), Path("an action.json") + "\n");
  EXPECT_EQ(Complete(StrCat("dragnet sample --params ", prefix)), Path("an action.json") + "\n");
  EXPECT_EQ(Complete(StrCat("dragnet --config ", prefix)), Path("an action.json") + "\n");
}

TEST_F(CompletionTest, BashOffersSubcommands) {
  EXPECT_EQ(Complete("dragnet agents re"), "refusals\nrevoke\nretire\n");
  EXPECT_EQ(Complete("dragnet enroll token create --life"), "--lifetime\n");
  EXPECT_EQ(Complete("dragnet help sam"), "sample\n");
}

TEST_F(CompletionTest, ZshTakesTheScript) {
  if (::access("/usr/bin/zsh", X_OK) != 0) GTEST_SKIP() << "zsh is not installed";
  WriteFile("completion.zsh", Dragnet({"completion", "zsh"}).out, 0644);
  EXPECT_EQ(Shell("zsh", StrCat("-n ", Path("completion.zsh"))), "");
  WriteFile("test.zsh",
            StrCat("autoload -U compinit; compinit -D -u; source ", Path("completion.zsh"),
                   "; print $_comps[dragnet]"),
            0644);
  EXPECT_EQ(Shell("zsh -f", Path("test.zsh")), "_dragnet\n");
}

TEST_F(CompletionTest, FishHasAScript) {
  EXPECT_EQ(Complete("dragnet completion f"), "fish\n");
  const std::string script = Dragnet({"completion", "fish"}).out;
  EXPECT_THAT(script, AllOf(HasSubstr("complete -c dragnet -f\n"), HasSubstr("-l also-hash"),
                            HasSubstr("case 'agents/revoke'\n"), Not(HasSubstr("manual"))));
}

}  // namespace
}  // namespace dragnet::console
