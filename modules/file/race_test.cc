// Against a local user who renames what is searched, to and fro, all the time:
// a file that is there throughout is found or reported, never silently missed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "modules/file/file.pb.h"
#include "modules/file/temp_tree.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"

namespace dragnet::file {
namespace {

constexpr int kSearches = 1000;
// Ends by itself even if nobody stops it.
constexpr int kMaxMoves = 20'000'000;

class Mover {
 public:
  explicit Mover(std::function<void()> move)
      : thread_([this, move = std::move(move)] {
          for (int i = 0; i < kMaxMoves && !stop_.load(); ++i) move();
        }) {}
  ~Mover() {
    stop_.store(true);
    thread_.join();
  }
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class RaceTest : public testing::Test {
 protected:
  void Rename(const std::string& from, const std::string& to, unsigned flags = 0) const {
    renameat2(AT_FDCWD, tree_.Path(from).c_str(), AT_FDCWD, tree_.Path(to).c_str(), flags);
  }
  void Exchange(const std::string& a, const std::string& b) const { Rename(a, b, RENAME_EXCHANGE); }

  // Searches again and again while `move` is done to the tree.
  void SearchDuring(const std::function<void()>& move, const v1::FileParameters& parameters) {
    const Mover mover(move);
    const Module& module = *FindModule("file");
    int silent = 0;
    for (int i = 0; i < kSearches; ++i) {
      FakeRunContext context;
      const absl::Status status = module.Run(parameters, context);
      ASSERT_TRUE(status.ok()) << status;
      if (context.RowsAs<v1::FileRow>().empty() && context.unexamined.empty()) ++silent;
    }
    EXPECT_EQ(silent, 0) << "of " << kSearches << " searches";
  }

  v1::FileParameters ByContent() const {
    v1::FileParameters parameters;
    v1::Search* search = parameters.add_searches();
    search->add_paths(tree_.root());
    search->add_contents("evil");
    return parameters;
  }
  // What is asked of the inode comes before what is asked of the content.
  v1::FileParameters BySizeAndContent() const {
    v1::FileParameters parameters = ByContent();
    parameters.mutable_searches(0)->add_sizes("<1k");
    return parameters;
  }

  const TempTree tree_;
};

TEST_F(RaceTest, FileThatTradesPlacesWithASymbolicLink) {
  tree_.File("a", "evil");
  tree_.Link("b", "/nowhere");
  SearchDuring([&] { Exchange("a", "b"); }, ByContent());
  SearchDuring([&] { Exchange("a", "b"); }, BySizeAndContent());
}

TEST_F(RaceTest, FileThatIsRenamedWithinItsDirectory) {
  tree_.File("a", "evil");
  const auto move = [&] {
    Rename("a", "b");
    Rename("b", "a");
  };
  SearchDuring(move, ByContent());
  SearchDuring(move, BySizeAndContent());
}

TEST_F(RaceTest, FileThatTradesPlacesWithAHarmlessOne) {
  tree_.File("a", "evil");
  tree_.File("b", "good");
  SearchDuring([&] { Exchange("a", "b"); }, ByContent());
  SearchDuring([&] { Exchange("a", "b"); }, BySizeAndContent());
}

TEST_F(RaceTest, FileThatTradesPlacesWithAPipe) {
  tree_.File("a", "evil");
  tree_.Fifo("b");
  SearchDuring([&] { Exchange("a", "b"); }, ByContent());
}

TEST_F(RaceTest, DirectoryThatTradesPlacesWithAnEmptyOne) {
  tree_.Directory("a");
  tree_.File("a/file", "evil");
  tree_.Directory("b");
  SearchDuring([&] { Exchange("a", "b"); }, ByContent());
}

TEST_F(RaceTest, DirectoryThatIsRenamed) {
  tree_.Directory("a");
  tree_.File("a/file", "evil");
  SearchDuring(
      [&] {
        Rename("a", "b");
        Rename("b", "a");
      },
      ByContent());
}

TEST_F(RaceTest, DirectoryThatTradesPlacesWithASymbolicLink) {
  tree_.Directory("a");
  tree_.File("a/file", "evil");
  tree_.Link("b", "/nowhere");
  SearchDuring([&] { Exchange("a", "b"); }, ByContent());
}

TEST_F(RaceTest, FileThatStaysIsFoundAmongThoseThatComeAndGo) {
  tree_.File("stays", "evil");
  tree_.File("goes", "good");
  v1::FileParameters parameters = ByContent();
  const Module& module = *FindModule("file");
  const Mover mover([&] {
    unlink(tree_.Path("goes").c_str());
    const UniqueFd again(open(tree_.Path("goes").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  });
  for (int i = 0; i < kSearches; ++i) {
    FakeRunContext context;
    ASSERT_TRUE(module.Run(parameters, context).ok());
    ASSERT_EQ(context.RowsAs<v1::FileRow>().size(), 1u);
  }
}

}  // namespace
}  // namespace dragnet::file
