#include "modules/file/glob.h"

#include <gtest/gtest.h>

namespace dragnet::file {
namespace {

bool Matches(std::string_view glob, std::string_view path) {
  const absl::StatusOr<Glob> compiled = Glob::Compile(glob);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  return compiled.ok() && compiled->Matches(path);
}

TEST(Glob, WildcardsStayWithinOneName) {
  EXPECT_TRUE(Matches("/home/*/.ssh", "/home/ann/.ssh"));
  EXPECT_TRUE(Matches("/home/*/.ssh", "/home/.hidden/.ssh"));
  EXPECT_FALSE(Matches("/home/*/.ssh", "/home/ann/x/.ssh"));
  EXPECT_FALSE(Matches("/home/*/.ssh", "/home/.ssh"));
  EXPECT_FALSE(Matches("/home/*/.ssh", "/home/ann/.ssh2"));
  EXPECT_FALSE(Matches("/home/*", "/homework/x"));
  EXPECT_TRUE(Matches("/a?c", "/abc"));
  EXPECT_FALSE(Matches("/a?c", "/ac"));
  EXPECT_TRUE(Matches("/*a*b*", "/xxaxxbxx"));
  EXPECT_FALSE(Matches("/*a*b*", "/xxbxxaxx"));
}

TEST(Glob, SetsAndEscapes) {
  EXPECT_TRUE(Matches("/[a-c]x", "/bx"));
  EXPECT_FALSE(Matches("/[a-c]x", "/dx"));
  EXPECT_TRUE(Matches("/[!a-c]x", "/dx"));
  EXPECT_TRUE(Matches("/[]]", "/]"));
  EXPECT_TRUE(Matches("/[a-]", "/-"));
  EXPECT_TRUE(Matches("/[\\]]", "/]"));
  EXPECT_TRUE(Matches("/\\*", "/*"));
  EXPECT_FALSE(Matches("/\\*", "/a"));
  EXPECT_TRUE(Matches("/[\x80-\xff]", "/\xe9"));
}

TEST(Glob, TwoStarsPassAnyNumberOfNames) {
  EXPECT_TRUE(Matches("/srv/**/x", "/srv/x"));
  EXPECT_TRUE(Matches("/srv/**/x", "/srv/a/b/x"));
  EXPECT_FALSE(Matches("/srv/**/x", "/srv/a/b/y"));
  EXPECT_TRUE(Matches("/srv/**", "/srv"));
  EXPECT_TRUE(Matches("/srv/**", "/srv/a/b"));
  EXPECT_TRUE(Matches("/**/a/**/b", "/x/a/y/z/b"));
  EXPECT_FALSE(Matches("/**/a/**/b", "/x/y/z/b"));
}

TEST(Glob, ProgressTellsWhetherToGoOn) {
  const absl::StatusOr<Glob> glob = Glob::Compile("/home/*/.ssh");
  ASSERT_TRUE(glob.ok());
  EXPECT_EQ(glob->prefix(), "/home");
  const Glob::Progress ann = glob->Step(glob->Start(), "ann");
  EXPECT_TRUE(glob->GoesOn(ann));
  EXPECT_FALSE(glob->IsMatch(ann));
  EXPECT_EQ(glob->Step(ann, "www"), 0u);
  const Glob::Progress ssh = glob->Step(ann, ".ssh");
  EXPECT_TRUE(glob->IsMatch(ssh));
  EXPECT_FALSE(glob->GoesOn(ssh));
}

TEST(Glob, WhatIsNotOneIsRefused) {
  for (const char* bad : {"/[", "/[a", "/[!", "/[]", "/[a\\", "/a\\", "/[a/b]"})
    EXPECT_FALSE(Glob::Compile(bad).ok()) << bad;
  std::string deep;
  for (int i = 0; i < 63; ++i) deep += "/*";
  EXPECT_FALSE(Glob::Compile(deep).ok());
  EXPECT_TRUE(Glob::Compile(deep.substr(2)).ok());
}

TEST(Glob, ManyStarsTakeNoExponentialTime) {
  std::string pattern = "/";
  for (int i = 0; i < 100; ++i) pattern += "*a";
  EXPECT_FALSE(Matches(pattern + "b", "/" + std::string(4000, 'a')));
}

}  // namespace
}  // namespace dragnet::file
