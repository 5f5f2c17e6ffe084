#include "console/investigation/shell_words.h"

#include <gtest/gtest.h>

#include "console/investigation/action_builder.h"

namespace dragnet::console {
namespace {

using Words = std::vector<std::string>;

TEST(ShellWordsTest, QuotesAreAsInSh) {
  EXPECT_EQ(*SplitShellWords(R"(file  --name '^a b$' -t "os='linux'" c\ d "x\"y\n" '' e'f'"g")"),
            (Words{"file", "--name", "^a b$", "-t", "os='linux'", "c d", "x\"y\\n", "", "efg"}));
  EXPECT_EQ(*SplitShellWords("  "), Words());
}

TEST(ShellWordsTest, WhatShellLineWritesComesBack) {
  const Words words = {"file", "--name", "it's", "", "a b", "\\", "$HOME", "tab\there", "\"", "*"};
  EXPECT_EQ(*SplitShellWords(ShellLine(words)), words);
}

TEST(ShellWordsTest, AnOpenQuoteIsRefusedAndSaidWhere) {
  const auto words = SplitShellWords("file --name 'abc");
  ASSERT_FALSE(words.ok());
  EXPECT_EQ(words.status().message(), "the quote ' at column 13 is not closed");
  EXPECT_FALSE(SplitShellWords("file \\").ok());
}

TEST(ShellWordsTest, AnUnfinishedLineKnowsItsLastWord) {
  const UnfinishedLine line = SplitUnfinished("file -t \"os='lin");
  EXPECT_EQ(line.words, (Words{"file", "-t"}));
  EXPECT_EQ(line.last, "os='lin");
  EXPECT_EQ(line.last_start, 8u);
  EXPECT_EQ(line.quote, '"');
  const UnfinishedLine after_space = SplitUnfinished("file ");
  EXPECT_EQ(after_space.words, Words{"file"});
  EXPECT_EQ(after_space.last, "");
  EXPECT_EQ(after_space.last_start, 5u);
}

}  // namespace
}  // namespace dragnet::console
