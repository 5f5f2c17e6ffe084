#include "console/output/text_width.h"

#include <gtest/gtest.h>

namespace dragnet::console {
namespace {

TEST(TextWidthTest, WideCountTwoCombiningCountNone) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("\xe4\xb8\xad\xe6\x96\x87"), 4u);  // two CJK characters
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1u);                 // e and a combining acute
  EXPECT_EQ(DisplayWidth("\xc3\xa9"), 1u);
  EXPECT_EQ(DisplayWidth(""), 0u);
}

TEST(TextWidthTest, PaddingFillsColumnsNotBytes) {
  EXPECT_EQ(PadRight("\xe4\xb8\xad", 4), "\xe4\xb8\xad  ");
  EXPECT_EQ(PadRight("too long", 3), "too long");
}

TEST(TextWidthTest, WrapsAtWordsAndIndents) {
  EXPECT_EQ(Wrap("one two three four", 12, 2), "one two\n  three four");
  EXPECT_EQ(Wrap("averyveryverylongword x", 5, 0), "averyveryverylongword\nx");
}

TEST(TextWidthTest, ExamplesStayAsTheyAre) {
  EXPECT_EQ(Wrap("text:\n  --a  --b   --c", 10, 0), "text:\n  --a  --b   --c");
}

}  // namespace
}  // namespace dragnet::console
