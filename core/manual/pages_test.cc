#include "core/manual/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/manual/completion.h"
#include "core/manual/testing.h"

namespace dragnet::manual {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Program Tool() {
  Program program{.name = "my-tool", .summary = "does things", .description = "It does.\n\nMore."};
  program.options = {{.name = "--help", .short_name = "-h", .help = "This."},
                     {.name = "--version", .help = "Print the version."}};
  Command look{.name = "look", .summary = "Look at it", .description = "Looks."};
  look.options = {{.name = "--at",
                   .short_name = "-a",
                   .value_name = "FILE",
                   .help = "What to look at, e.g. a file. It's [there]:\n\n  --at x",
                   .file = true,
                   .required = true},
                  {.name = "--how",
                   .value_name = "WORD",
                   .help = "How.",
                   .choices = {"long", "short"},
                   .repeatable = true,
                   .group = "More"},
                  {.name = "HOST", .required = true, .repeatable = true, .positional = true}};
  Command keep{.name = "keep", .summary = "What is kept"};
  keep.subcommands = {{.name = "list", .summary = "List it"},
                      {.name = "drop", .summary = "Drop it", .options = {{.name = "--all"}}}};
  program.groups = {{.title = "Commands", .commands = {look, keep}}};
  program.exit_status = {{"0", "done"}};
  program.see_also = {"other(1)"};
  return program;
}

TEST(PagesTest, OnePageHoldsEverything) {
  const Page page = ProgramPage(Tool(), {.section = 8, .version = "1.2"});
  EXPECT_EQ(page.file, "my-tool.8");
  EXPECT_EQ(Warnings(page.text), "");
  EXPECT_THAT(Shown(page.text),
              AllOf(HasSubstr("my-tool look --at FILE [OPTION]... HOST..."), HasSubstr("-a, --at"),
                    HasSubstr("my-tool keep drop"), HasSubstr("One of: long, short."),
                    HasSubstr("EXIT STATUS"), HasSubstr("other(1)"), HasSubstr("dragnet 1.2")));
}

TEST(PagesTest, EachCommandHasItsPage) {
  const std::vector<Page> pages = CommandPages(Tool(), {});
  ASSERT_EQ(pages.size(), 3u);
  EXPECT_EQ(pages[0].file, "my-tool.1");
  EXPECT_EQ(pages[1].file, "my-tool-look.1");
  EXPECT_EQ(pages[2].file, "my-tool-keep.1");
  for (const Page& page : pages) EXPECT_EQ(Warnings(page.text), "") << page.file;
  EXPECT_THAT(Shown(pages[0].text), HasSubstr("my-tool-look(1)"));
  EXPECT_THAT(Shown(pages[2].text), AllOf(HasSubstr("my-tool keep drop [OPTION]..."),
                                          HasSubstr("--all"), HasSubstr("--version")));
}

TEST(PagesTest, TwoPagesOfOneProgramAreTheSame) {
  const PageStyle style{.section = 8, .version = "1", .date = "2025-11-28"};
  EXPECT_EQ(ProgramPage(Tool(), style).text, ProgramPage(Tool(), style).text);
  EXPECT_THAT(ProgramPage(Tool(), style).text, HasSubstr("\"2025-11-28\""));
}

// In the shell itself: what it offers for the last of `words`.
std::string BashOffers(const std::string& words) {
  char path[] = "/tmp/dragnet-completion-XXXXXX";
  ::close(::mkstemp(path));
  std::ofstream(path) << BashCompletion(Tool()) << "COMP_WORDS=(" << words
                      << ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_my_tool\n"
                         "printf '%s ' \"${COMPREPLY[@]}\"\n";
  const std::string offers = OutputOf(StrCat("bash --norc --noprofile ", path, " 2>&1"));
  ::unlink(path);
  return offers;
}

TEST(CompletionTest, BashOffersWhatThereIs) {
  EXPECT_EQ(BashOffers("my-tool ''"), "look keep ");
  EXPECT_EQ(BashOffers("my-tool --"), "--help --version ");
  EXPECT_EQ(BashOffers("my-tool look --"), "--at --how --help ");
  EXPECT_EQ(BashOffers("my-tool look --how ''"), "long short ");
  EXPECT_EQ(BashOffers("my-tool keep d"), "drop ");
  EXPECT_EQ(BashOffers("my-tool keep drop --a"), "--all ");
  EXPECT_EQ(BashOffers("my-tool look --at /proc/sys/kernel/ostyp"), "/proc/sys/kernel/ostype ");
}

TEST(CompletionTest, ZshAndFishTakeTheirs) {
  for (const auto& [shell, check, script] :
       {std::tuple("zsh", "zsh -n", ZshCompletion(Tool())),
        std::tuple("fish", "fish --no-execute", FishCompletion(Tool()))}) {
    if (std::system(StrCat("command -v ", shell, " >/dev/null").c_str()) != 0) continue;
    char path[] = "/tmp/dragnet-completion-XXXXXX";
    ::close(::mkstemp(path));
    std::ofstream(path) << script;
    EXPECT_EQ(OutputOf(StrCat(check, " ", path, " 2>&1")), "");
    ::unlink(path);
  }
  EXPECT_THAT(FishCompletion(Tool()),
              AllOf(HasSubstr("complete -c my-tool -n '__my_tool_at \\'look\\'' -l at -s a -r -F "
                              "-d 'What to look at, e.g. a file'\n"),
                    HasSubstr("case 'keep/drop'\n")));
}

}  // namespace
}  // namespace dragnet::manual
