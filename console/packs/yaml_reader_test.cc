#include "console/packs/yaml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/strings.h"

namespace dragnet::console {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Outcome {
  bool good;
  YamlNode root;
  std::vector<std::string> errors;
};

Outcome Read(std::string_view text) {
  Outcome outcome;
  Problems problems;
  outcome.good = ReadYaml(text, "f.yaml", &outcome.root, &problems);
  outcome.errors = problems.ErrorLines();
  return outcome;
}

TEST(YamlReaderTest, EveryValueKnowsItsPlaceAndItsKind) {
  const Outcome outcome = Read("a: 1\nb:\n  - 'x'\n  - {c: ~}\nd: |\n  two\n  lines\n");
  ASSERT_TRUE(outcome.good);
  const YamlNode& root = outcome.root;
  EXPECT_EQ(root.Find("a")->kind, YamlNode::Kind::kPlain);
  EXPECT_EQ(root.Find("a")->place.ToString(), "f.yaml:1:4");
  EXPECT_EQ(root.keys[1].place.ToString(), "f.yaml:2:1");
  const YamlNode& list = *root.Find("b");
  ASSERT_TRUE(list.is_list());
  EXPECT_EQ(list.items[0].kind, YamlNode::Kind::kText);
  EXPECT_EQ(list.items[0].place.ToString(), "f.yaml:3:5");
  EXPECT_TRUE(list.items[1].Find("c")->is_null());
  EXPECT_EQ(root.Find("d")->text, "two\nlines\n");
  EXPECT_EQ(root.Find("d")->kind, YamlNode::Kind::kText);
  EXPECT_EQ(root.Find("z"), nullptr);
}

TEST(YamlReaderTest, ColumnsAreCharacters) {
  EXPECT_EQ(Read("{ä: ö, x: 1}").root.Find("x")->place.ToString(), "f.yaml:1:11");
}

TEST(YamlReaderTest, KeysThatComeTwiceAreAllReportedWithTheirPlaces) {
  const Outcome outcome = Read("a: 1\nb: 2\na: 3\nb: 4\n");
  EXPECT_TRUE(outcome.good);
  EXPECT_THAT(outcome.errors, ElementsAre("f.yaml:3:1: a: this key comes twice",
                                          "f.yaml:4:1: b: this key comes twice"));
  EXPECT_EQ(outcome.root.Find("a")->text, "1");
}

TEST(YamlReaderTest, WhatHidesWhatIsMeantIsRefused) {
  EXPECT_THAT(Read("a: &x 1\nb: *x\n").errors, ElementsAre(HasSubstr("f.yaml:1:4: no anchors")));
  EXPECT_THAT(Read("a: *x\n").errors, ElementsAre(HasSubstr("f.yaml:1:4: ")));
  EXPECT_THAT(Read("a: !!binary AAAA\n").errors, ElementsAre(HasSubstr("f.yaml:1:4: no tags")));
  EXPECT_THAT(Read("a: !x [1]\n").errors, ElementsAre(HasSubstr("no tags")));
  EXPECT_THAT(Read("[a]: 1\n").errors, ElementsAre(HasSubstr("a key must be a single word")));
  EXPECT_THAT(Read("~: 1\n").errors, ElementsAre(HasSubstr("a key must be a single word")));
  EXPECT_THAT(Read("a: 1\n---\nb: 1\n").errors, ElementsAre(HasSubstr("a second document")));
}

TEST(YamlReaderTest, WhatIsNotYamlIsRefusedWithItsPlace) {
  for (const char* cut : {"a: 'x\n", "a: \"x\nb: 1\n", "a: 'x", "a: [1\n"})
    EXPECT_THAT(Read(cut).errors, ElementsAre(HasSubstr("not YAML"))) << cut;
  EXPECT_THAT(Read("{a: b").errors, ElementsAre(HasSubstr("a bracket is not closed")));
  EXPECT_THAT(Read("a: b: c\n").errors, ElementsAre(HasSubstr("f.yaml:1:5: not YAML")));
  EXPECT_THAT(Read("").errors, ElementsAre("f.yaml: the file is empty"));
  EXPECT_THAT(Read("a: \xff\n").errors, ElementsAre("f.yaml: not valid UTF-8"));
  EXPECT_THAT(Read("a: 1\nb: \x1b[31m\n").errors,
              ElementsAre("f.yaml:2:4: a control character"));
}

TEST(YamlReaderTest, SizeDepthAndNumberAreBounded) {
  EXPECT_THAT(Read(std::string(kMaxYamlBytes + 1, ' ')).errors,
              ElementsAre("f.yaml: larger than 1 MiB"));
  EXPECT_FALSE(Read(std::string(100'000, '[')).good);
  std::string dashes;
  for (int i = 0; i < 100'000; ++i) dashes += "- ";
  EXPECT_THAT(Read(dashes).errors, ElementsAre(HasSubstr("nested deeper")));
  std::string deep;
  for (size_t i = 0; i < kMaxYamlDepth; ++i) deep += "[";
  deep += "1" + std::string(kMaxYamlDepth, ']');
  EXPECT_TRUE(Read(deep).good);
  EXPECT_FALSE(Read(StrCat("[", deep, "]")).good);
  std::string many = "[1";
  for (size_t i = 0; i < kMaxYamlNodes; ++i) many += ",1";
  EXPECT_THAT(Read(many + "]").errors, ElementsAre(HasSubstr("more than 50000 values")));
  std::string keys;
  for (int i = 0; i < 1001; ++i) StrAppend(&keys, "k", i, ": 1\n");
  EXPECT_THAT(Read(keys).errors, ElementsAre(HasSubstr("more than 1000 keys")));
}

TEST(YamlReaderTest, NamesOfFilesAreSafeToShow) {
  Problems problems;
  YamlNode root;
  EXPECT_FALSE(ReadYaml("", "a\x1b[2J", &root, &problems));
  EXPECT_THAT(problems.ErrorLines(), ElementsAre("a\\x1b[2J: the file is empty"));
}

}  // namespace
}  // namespace dragnet::console
