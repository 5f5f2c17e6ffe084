#include "console/tui/command/completion.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "console/testing/sample_module.h"
#include "console/tui/command/history.h"
#include "core/file_io.h"

namespace dragnet::console::tui {
namespace {

using Words = std::vector<std::string>;

Words Complete(std::string_view before, size_t* start) {
  return CompleteCommand(console::testing::SampleCatalog(), {"webshells"}, before, start);
}

TEST(CompletionTest, ModulesFlagsAndChoices) {
  size_t start = 0;
  EXPECT_EQ(Complete("sam", &start), Words{"sample"});
  EXPECT_EQ(start, 0u);
  EXPECT_EQ(Complete("sample --pat", &start), (Words{"--path", "--patience"}));
  EXPECT_EQ(start, 7u);
  EXPECT_EQ(Complete("sample --hash ", &start), (Words{"md5", "sha2-256"}));
  EXPECT_EQ(Complete("sample --hash=s", &start), Words{"sha2-256"});
  EXPECT_EQ(start, 14u);
  EXPECT_EQ(Complete("sample --expir", &start), Words{"--expires"});
  // Given once, and not to be given again; and what is for JSON only.
  EXPECT_EQ(Complete("sample --max-depth 3 --max", &start), Words());
  EXPECT_EQ(Complete("sample --secret", &start), Words());
  EXPECT_EQ(Complete("load web", &start), Words{"webshells"});
}

TEST(CompletionTest, ColumnsOfATarget) {
  size_t start = 0;
  EXPECT_EQ(Complete("sample -t \"os='linux' and ker", &start), Words{"\"os='linux' and kernel"});
  EXPECT_EQ(start, 10u);
  EXPECT_EQ(Complete("sample -t \"os='li", &start), Words());
  EXPECT_EQ(CompleteTarget("(o"), Words{"(os"});
}

TEST(CompletionTest, PathsWithSpacesComeQuoted) {
  std::string directory = ::testing::TempDir() + "/complete-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  ASSERT_TRUE(WriteFileAtomically(directory + "/a b.txt", "", 0600).ok());
  ASSERT_TRUE(MakeDirectories(directory + "/sub", 0700).ok());
  size_t start = 0;
  EXPECT_EQ(Complete("sample --list " + directory + "/a", &start),
            Words{"'" + directory + "/a b.txt'"});
  EXPECT_EQ(Complete("sample --list " + directory + "/s", &start), Words{directory + "/sub/"});
  EXPECT_EQ(Complete("sample --list '" + directory + "/a", &start),
            Words{"'" + directory + "/a b.txt'"});
}

class HistoryTest : public ::testing::Test {
 protected:
  HistoryTest() {
    std::string base = ::testing::TempDir() + "/history-XXXXXX";
    directory_ = std::string(::mkdtemp(base.data())) + "/new";
  }
  std::string directory_;
};

TEST_F(HistoryTest, IsSharedAndHasEachLineOnce) {
  EXPECT_EQ(*LoadHistory(directory_), Words());
  ASSERT_TRUE(AddToHistory(directory_, "one").ok());
  ASSERT_TRUE(AddToHistory(directory_, "two").ok());
  EXPECT_EQ(*AddToHistory(directory_, "one"), (Words{"two", "one"}));
  EXPECT_EQ(*LoadHistory(directory_), (Words{"two", "one"}));
}

TEST_F(HistoryTest, IsForItsOwnerOnlyAndKeepsTheNewestThousand) {
  ASSERT_TRUE(MakeDirectories(directory_, 0700).ok());
  std::string lines;
  for (int i = 0; i < 1200; ++i) lines += std::to_string(i) + "\n";
  ASSERT_TRUE(WriteFileAtomically(directory_ + "/history", lines, 0600).ok());
  const auto kept = AddToHistory(directory_, "last");
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->size(), kMaxHistory);
  EXPECT_EQ(kept->back(), "last");
  struct stat status;
  ASSERT_EQ(::stat((directory_ + "/history").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

}  // namespace
}  // namespace dragnet::console::tui
