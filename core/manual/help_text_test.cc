#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/manual/pages.h"
#include "core/strings.h"

namespace dragnet::manual {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kHelp[] = R"(tool: does things.

  tool run --config FILE [--respawn]
      Runs it, and
      goes on.
      --respawn: starts it again;
      always.
  tool module NAME --params FILE|- [--user USER]
      Runs one.
  tool --version | --help

Modules:
  file       looks at files
)";

TEST(HelpTextTest, CommandsFlagsAndTheirWordsAreFound) {
  const absl::StatusOr<Program> program = ProgramFromHelp(kHelp);
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_EQ(program->name, "tool");
  EXPECT_EQ(program->summary, "does things");
  ASSERT_EQ(program->groups.size(), 1u);
  const std::vector<Command>& commands = program->groups[0].commands;
  ASSERT_EQ(commands.size(), 2u);
  EXPECT_EQ(commands[0].name, "run");
  EXPECT_EQ(commands[0].description, "Runs it, and\ngoes on.");
  ASSERT_EQ(commands[0].options.size(), 2u);
  EXPECT_EQ(commands[0].options[0].name, "--config");
  EXPECT_EQ(commands[0].options[0].value_name, "FILE");
  EXPECT_TRUE(commands[0].options[0].required);
  EXPECT_TRUE(commands[0].options[0].file);
  EXPECT_EQ(commands[0].options[1].name, "--respawn");
  EXPECT_EQ(commands[0].options[1].help, "starts it again;\nalways.");
  EXPECT_FALSE(commands[0].options[1].required);
  EXPECT_EQ(commands[0].options[1].value_name, "");
  ASSERT_EQ(commands[1].options.size(), 3u);
  EXPECT_TRUE(commands[1].options[0].positional);
  EXPECT_EQ(commands[1].options[1].value_name, "FILE|-");
  EXPECT_EQ(commands[1].options[2].value_name, "USER");
  ASSERT_EQ(program->modules.size(), 1u);
  EXPECT_EQ(program->modules[0].text, "looks at files");
  std::vector<std::string> flags;
  for (const Option& option : program->options) flags.push_back(option.name);
  EXPECT_THAT(flags, ElementsAre("--version", "--help"));
}

// A help that was changed into something else stops the build; no page loses a part.
TEST(HelpTextTest, AnotherFormIsRefusedByName) {
  for (const auto& [help, words] :
       {std::pair("", "not PROGRAM"), std::pair("tool: x\n", "no command"),
        std::pair("tool: x\n\n  tool run\n      --gone: y\n", "no such flag"),
        std::pair("tool: x\n\n      text\n", "a description of nothing"),
        std::pair("tool: x\n\n  tool run\n   odd\n", "neither"),
        std::pair("tool: x\n\n  tool run [--a B\n", "bracket"),
        std::pair("tool: x\n\n  tool run\n\nMore:\n", "unknown heading")}) {
    const absl::StatusOr<Program> program = ProgramFromHelp(help);
    ASSERT_FALSE(program.ok()) << help;
    EXPECT_THAT(std::string(program.status().message()), HasSubstr(words));
  }
}

}  // namespace
}  // namespace dragnet::manual
