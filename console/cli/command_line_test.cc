#include "console/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/cli/command.h"
#include "console/cli/help.h"
#include "console/output/text_width.h"
#include "console/testing/sample_module.h"
#include "modules/module.h"

namespace dragnet::console {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(CommandLineTest, OneFlagTakesOneValueAsItStands) {
  CommandLine line("dragnet x", "");
  std::vector<std::string> names;
  std::string argument;
  line.AddValues({.name = "--name", .value_name = "REGEX"}, &names);
  line.AddArgument({.name = "ARG"}, &argument);
  ASSERT_TRUE(line.Parse({"--name", "[a,b]", "--name=-x", "--name", "-y z", "arg"}).ok());
  EXPECT_THAT(names, ElementsAre("[a,b]", "-x", "-y z"));
  EXPECT_EQ(argument, "arg");
}

TEST(CommandLineTest, SingleValueGivenTwiceIsRefused) {
  CommandLine line("dragnet x", "");
  std::string value;
  line.AddValue({.name = "--a", .value_name = "A"}, &value);
  EXPECT_FALSE(line.Parse({"--a", "1", "--a", "2"}).ok());
}

TEST(CommandLineTest, ValueThatIsMissingIsRefused) {
  CommandLine line("dragnet x", "");
  std::string value;
  line.AddValue({.name = "--a", .value_name = "A"}, &value);
  EXPECT_FALSE(line.Parse({"--a"}).ok());
}

TEST(CommandLineTest, NearestKnowsItsLimits) {
  EXPECT_EQ(Nearest("agnts", {"agents", "actions"}), "agents");
  EXPECT_EQ(Nearest("xyz", {"agents", "actions"}), "");
}

// Every command, defined: what help and completion show.
class AllCommandsTest : public ::testing::Test {
 protected:
  AllCommandsTest() : commands_(AllCommands(catalog_)) {
    for (const auto& command : commands_) {
      if (command->group() == CommandGroup::kHidden) continue;
      lines_.push_back(
          std::make_unique<CommandLine>("dragnet " + command->name(), command->summary()));
      EXPECT_TRUE(command->Define(*lines_.back()).ok());
    }
  }

  const ModuleCatalog catalog_{AllModules(), ModuleDescriptorSet};
  const CommandList commands_;
  std::vector<std::unique_ptr<CommandLine>> lines_;
};

TEST_F(AllCommandsTest, NoModulesFlagCollidesWithAnother) {
  for (const auto& line : lines_) {
    std::set<std::string> seen = {"--config", "--help", "-h"};
    for (const OptionSpec& option : line->options()) {
      EXPECT_TRUE(seen.insert(option.name).second) << line->program() << " " << option.name;
      if (!option.short_name.empty()) {
        EXPECT_TRUE(seen.insert(option.short_name).second) << line->program() << option.short_name;
      }
    }
  }
}

TEST_F(AllCommandsTest, EveryFlagSaysWhatItIsFor) {
  for (const auto& line : lines_) {
    for (const OptionSpec& option : line->options()) {
      EXPECT_FALSE(option.help.empty() && option.choices.empty())
          << line->program() << " " << option.name;
    }
  }
}

TEST_F(AllCommandsTest, HelpFitsAnEightyColumnTerminal) {
  for (const auto& line : lines_) {
    const std::string help = RenderHelp(*line, HelpDetail::kShort, 80);
    size_t start = 0;
    for (size_t end = help.find('\n'); end != std::string::npos; end = help.find('\n', start)) {
      const std::string text = help.substr(start, end - start);
      EXPECT_LE(DisplayWidth(text), 80u) << text;
      start = end + 1;
    }
  }
}

TEST(HelpTest, ShortHelpHasFirstSentencesAndWholeHelpHasAll) {
  const CommandList commands = AllCommands(testing::SampleCatalog());
  CommandLine line("dragnet sample", commands.front()->summary());
  ASSERT_TRUE(commands.front()->Define(line).ok());
  EXPECT_THAT(
      RenderHelp(line, HelpDetail::kShort, 80),
      HasSubstr("What to look for:\n"
                "      --path PATH           Directory or file to start at, e.g. /etc.\n"
                "                            Repeatable.\n"
                "  -n, --name REGEX          File name, as a regular expression. "
                "Repeatable.\n"
                "      --hash WORD           Which digest to compute. One of: md5, sha2-256.\n"
                "      --invert              Invert the search.\n"));
  EXPECT_THAT(RenderHelp(line, HelpDetail::kWhole, 80),
              HasSubstr("Links are\n                            not followed."));
  EXPECT_THAT(RenderHelp(line, HelpDetail::kWhole, 80), HasSubstr("--path /etc --path /usr\n"));
}

}  // namespace
}  // namespace dragnet::console
