#include "console/tui/widgets/text_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dragnet::console::tui {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Broken(std::string_view line, int width, std::string_view mark = {}) {
  std::vector<std::string> lines;
  BreakLine(line, width, &lines, mark);
  return lines;
}

TEST(TextViewTest, BreaksAtSpacesAndElseWhereItMust) {
  EXPECT_THAT(Broken("", 10), ElementsAre(""));
  EXPECT_THAT(Broken("exactly 10", 10), ElementsAre("exactly 10"));
  EXPECT_THAT(Broken("one two three four", 10), ElementsAre("one two", "three four"));
  EXPECT_THAT(Broken("abcdefghijklmno", 10), ElementsAre("abcdefghij", "klmno"));
  EXPECT_THAT(Broken("  one two three", 10), ElementsAre("  one two", "  three"));
  EXPECT_THAT(Broken("漢字漢字漢字", 5), ElementsAre("漢字", "漢字", "漢字"));
}

// The author of an action has chosen its description so that it is broken there.
TEST(TextViewTest, WhatGoesOnFromTheLineAboveIsNoLineOfTheDocument) {
  TextView text;
  text.MarkContinued();
  text.SetText(
      "Description  look for the odd one  Signed by  carol (verified here)\nTarget  every");
  Surface surface(36, 4);
  text.Draw(Canvas(&surface));
  EXPECT_EQ(surface.ToText(),
            "Description  look for the odd one\n"
            "↳ Signed by  carol (verified here)\n"
            "Target  every\n"
            "\n");
}

// Of a host, or of parameters that are shown in hex. Were each of the lines measured
// to the end of it, this took minutes.
TEST(TextViewTest, ALineOfMegabytesIsBroken) {
  const std::vector<std::string> lines = Broken(std::string(4'000'000, 'f'), 80);
  EXPECT_EQ(lines.size(), 50'000u);
}

}  // namespace
}  // namespace dragnet::console::tui
