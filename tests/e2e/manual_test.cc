// The manual pages and completion scripts that packages hold, written by the programs
// themselves: one page for each command, nothing that man(1) complains of, and the same
// bytes each time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "tests/harness/files.h"
#include "tests/harness/need.h"
#include "tests/harness/process.h"

namespace dragnet::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

Finished RunWith(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment) {
  Command command;
  command.arguments = arguments;
  command.environment = environment;
  return RunToEnd(command);
}

// As the build's target `manuals` does.
void WriteManuals(const std::string& directory, const std::vector<std::string>& environment) {
  const Finished help = RunToEnd({"dragnet-agent", "--help"});
  Need(help.status() == 0, "dragnet-agent --help", help.err);
  Write(directory + "/help.txt", help.out);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"dragnet", "manual", "--dir", directory, "--docs", DRAGNET_DOCS,
                                 "--agent-help", directory + "/help.txt"},
        std::vector<std::string>{"dragnet-scheduler", "manual", "--dir", directory}}) {
    const Finished run = RunWith(arguments, environment);
    Need(run.status() == 0, arguments[0] + " manual", run.err);
  }
}

std::string Shown(const std::string& page) {
  return RunWith({"/usr/bin/man", "-P", "cat", "-l", page}, {"LC_ALL=C.UTF-8", "MANWIDTH=80"}).out;
}

class ManualTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<TemporaryDirectory>();
    WriteManuals(directory_->path(), {});
  }
  static void TearDownTestSuite() { directory_.reset(); }

  static std::string Page(const std::string& name) { return directory_->path() + "/man/" + name; }

  static std::unique_ptr<TemporaryDirectory> directory_;
};
std::unique_ptr<TemporaryDirectory> ManualTest::directory_;

TEST_F(ManualTest, ManHasNothingToComplainOf) {
  const std::vector<std::string> pages = Names(directory_->path() + "/man");
  ASSERT_THAT(pages, Contains("dragnet.1"));
  for (const std::string& page : pages) {
    const Finished run = RunWith({"/usr/bin/man", "--warnings", "-P", "cat", "-l", Page(page)},
                                 {"LC_ALL=C.UTF-8", "MANWIDTH=80"});
    EXPECT_EQ(run.status(), 0) << page;
    EXPECT_EQ(run.err, "") << page;
  }
}

TEST_F(ManualTest, EveryCommandThatTheHelpListsHasAPage) {
  const Finished help = RunToEnd({"dragnet", "--help"});
  const std::vector<std::string> pages = Names(directory_->path() + "/man");
  int commands = 0;
  for (const absl::string_view line : absl::StrSplit(help.out, '\n')) {
    // "  name   what it does"; neither flags nor exit statuses.
    if (line.size() < 4 || line.substr(0, 2) != "  " || line[2] < 'a' || line[2] > 'z') continue;
    const std::string name(line.substr(2, line.find(' ', 2) - 2));
    EXPECT_THAT(pages, Contains(StrCat("dragnet-", name, ".1")));
    ++commands;
  }
  EXPECT_GT(commands, 20);
  for (const char* page :
       {"dragnet-agent.8", "dragnet-link.8", "dragnet-worker.8", "dragnet-scheduler.8",
        "agent.toml.5", "scheduler.toml.5", "console.toml.5"}) {
    EXPECT_THAT(pages, Contains(page));
  }
}

TEST_F(ManualTest, PagesSayWhatTheHelpSays) {
  EXPECT_THAT(Shown(Page("dragnet-file.1")),
              AllOf(HasSubstr("--path PATH"), HasSubstr("/srv/**/wp-config.php")));
  EXPECT_THAT(Shown(Page("dragnet-agent.8")),
              AllOf(HasSubstr("dragnet-agent identity --config FILE"), HasSubstr("--respawn")));
  EXPECT_THAT(Shown(Page("dragnet-scheduler.8")),
              AllOf(HasSubstr("dragnet-scheduler token create --config FILE"),
                    // Who built it is nobody's business, and no two builds would be the same.
                    HasSubstr("Default: the caller's.")));
  EXPECT_THAT(Shown(Page("agent.toml.5")),
              AllOf(HasSubstr("spool_bytes"), HasSubstr("cpu_share_percent_total")));
  EXPECT_THAT(Shown(Page("scheduler.toml.5")),
              AllOf(HasSubstr("retention_age"), HasSubstr("[[export]]")));
}

TEST_F(ManualTest, TwoBuildsWriteTheSame) {
  TemporaryDirectory again;
  WriteManuals(again.path(), {"USER=somebody", "LANG=de_DE.UTF-8", "TZ=Asia/Tokyo"});
  const std::vector<std::string> files = Tree(directory_->path());
  ASSERT_EQ(Tree(again.path()), files);
  for (const std::string& name : Names(directory_->path() + "/man"))
    EXPECT_EQ(Read(Page(name)), Read(again.path() + "/man/" + name)) << name;
  TemporaryDirectory dated;
  WriteManuals(dated.path(), {"SOURCE_DATE_EPOCH=1764288000"});
  for (const std::string& name : Names(dated.path() + "/man"))
    EXPECT_THAT(Read(dated.path() + "/man/" + name), HasSubstr("\"2025-11-28\"")) << name;
}

TEST_F(ManualTest, ShellsTakeTheCompletionScripts) {
  const std::string base = directory_->path() + "/completions/";
  for (const std::string program : {"dragnet", "dragnet-agent", "dragnet-scheduler"}) {
    const Finished bash = RunToEnd({"/bin/bash", "-n", base + "bash/" + program});
    EXPECT_EQ(bash.status(), 0) << bash.err;
    EXPECT_THAT(Read(base + "zsh/_" + program), HasSubstr("#compdef " + program + "\n"));
    EXPECT_THAT(Read(base + "fish/" + program + ".fish"), HasSubstr("complete -c " + program));
  }
  const Finished offered =
      RunToEnd({"/bin/bash", "--norc", "--noprofile", "-c",
                StrCat("source ", base,
                       "bash/dragnet-agent; COMP_WORDS=(dragnet-agent module fi); "
                       "COMP_CWORD=2; _dragnet_agent; echo ${COMPREPLY[@]}")});
  EXPECT_EQ(offered.out, "file firewall\n") << offered.err;
}

// Neither hidden command is offered to people.
TEST_F(ManualTest, TheCommandThatWritesThemIsntShown) {
  EXPECT_THAT(RunToEnd({"dragnet", "--help"}).out, Not(HasSubstr("  manual")));
  EXPECT_THAT(RunToEnd({"dragnet-scheduler", "--help"}).out, Not(HasSubstr("  manual")));
}

}  // namespace
}  // namespace dragnet::testing
