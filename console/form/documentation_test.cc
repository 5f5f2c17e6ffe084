#include "console/form/documentation.h"

#include <gtest/gtest.h>

#include "console/testing/sample_module.h"

namespace dragnet::console {
namespace {

Documentation Sample() {
  return *testing::SampleCatalog().DocumentationOf(testing::SampleModule());
}

TEST(DocumentationTest, ParagraphsAreJoinedAndExamplesKept) {
  EXPECT_EQ(Sample().Of("dragnet.console.testing.SampleParameters.path"),
            "Directory or file to start at, e.g. /etc. Links are not followed.\n\n"
            "A second paragraph over two lines:\n  --path /etc --path /usr");
}

TEST(DocumentationTest, MessagesEnumValuesAndTheFileHaveComments) {
  EXPECT_EQ(Sample().Of("dragnet.console.testing.SampleParameters"), "Looks for samples.");
  EXPECT_EQ(Sample().Of("dragnet.console.testing.SAMPLE_HASH_SHA2_256"), "FIPS 180-4.");
  EXPECT_TRUE(Sample().Introduction().starts_with("What tests of the console use"));
}

TEST(DocumentationTest, NothingIsEmptyText) {
  EXPECT_EQ(Sample().Of("dragnet.console.testing.SampleParameters.offset"), "");
  EXPECT_EQ(Sample().Of("no.such.thing"), "");
}

TEST(DocumentationTest, RubbishIsAnError) {
  EXPECT_FALSE(Documentation::FromDescriptorSet("\xff\xff\xff").ok());
}

TEST(DocumentationTest, FirstSentenceKnowsAbbreviations) {
  EXPECT_EQ(FirstSentence("Start here, e.g. /etc. Then more."), "Start here, e.g. /etc.");
  EXPECT_EQ(FirstSentence("No full stop"), "No full stop");
  EXPECT_EQ(FirstSentence("One line\nand another. "), "One line");
}

TEST(DocumentationTest, OpeningHasTheExample) {
  EXPECT_EQ(Opening("One.\n\nExample:\n  x\n\nMore."), "One.\n\nExample:\n  x");
  EXPECT_EQ(Opening("One.\n\nTwo.\n\nThree:\n  x"), "One.");
  EXPECT_EQ(Opening("One."), "One.");
}

}  // namespace
}  // namespace dragnet::console
