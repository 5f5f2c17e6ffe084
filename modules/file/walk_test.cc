#include "modules/file/walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "modules/file/temp_tree.h"

namespace dragnet::file {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

class Collector : public WalkVisitor {
 public:
  WalkStep Visit(const WalkEntry& entry) override {
    const std::string path = entry.Path();
    EXPECT_TRUE(paths.insert(path).second) << path << " visited twice";
    types[path] = entry.type;
    depths[path] = entry.depth;
    if (on_visit) on_visit(path);
    if (path == stop_at) return WalkStep::kStop;
    return entry.type == FileType::kDirectory && entry.depth < max_depth ? WalkStep::kDescend
                                                                         : WalkStep::kNext;
  }
  bool Cross(FileSystemKind kind, std::string_view) override {
    return kind == FileSystemKind::kOrdinary;
  }
  void Enter(std::string_view path, uint32_t depth) override {
    EXPECT_EQ(depth, branch.size());
    branch.emplace_back(path);
  }
  void Leave(uint32_t depth) override {
    branch.pop_back();
    EXPECT_EQ(depth, branch.size());
  }
  void NotLookedAt(std::string_view reason, std::string_view path) override {
    not_looked_at.push_back(std::string(path) + ": " + std::string(reason));
  }

  std::set<std::string> paths;
  std::map<std::string, FileType> types;
  std::map<std::string, uint32_t> depths;
  std::vector<std::string> branch;
  std::vector<std::string> not_looked_at;
  std::function<void(const std::string&)> on_visit;
  std::string stop_at;
  uint32_t max_depth = UINT32_MAX;
};

std::set<std::string> Find(const std::string& root) {
  const std::vector<std::string> paths = OutputOf("find '" + root + "' -print0");
  return {paths.begin(), paths.end()};
}

// Few enough that every small tree makes the walk close and open again.
constexpr WalkOptions kTight = {.open_levels = 1, .wide_levels = 0};

TEST(WalkTree, VisitsWhatFindVisits) {
  const TempTree tree;
  for (int i = 0; i < 5; ++i) {
    const std::string a = "d" + std::to_string(i);
    tree.Directory(a);
    for (int j = 0; j < 4; ++j) {
      const std::string b = a + "/e" + std::to_string(j);
      tree.Directory(b);
      tree.File(b + "/file");
      tree.Directory(b + "/f");
      tree.Directory(b + "/f/g");
      tree.File(b + "/f/g/file");
    }
    tree.File(a + "/file");
  }
  for (const WalkOptions& options : {WalkOptions{}, kTight, WalkOptions{.open_levels = 2}}) {
    Collector collector;
    WalkTree(tree.root(), collector, options);
    EXPECT_EQ(collector.paths, Find(tree.root()));
    EXPECT_THAT(collector.not_looked_at, IsEmpty());
    EXPECT_THAT(collector.branch, IsEmpty());
  }
}

TEST(WalkTree, TellsTypesAndDepths) {
  const TempTree tree;
  tree.Directory("d");
  tree.File("d/file");
  tree.Link("d/link", "file");
  tree.Fifo("d/fifo");
  Collector collector;
  WalkTree(tree.root(), collector);
  EXPECT_EQ(collector.types[tree.root()], FileType::kDirectory);
  EXPECT_EQ(collector.types[tree.Path("d/file")], FileType::kRegular);
  EXPECT_EQ(collector.types[tree.Path("d/link")], FileType::kSymlink);
  EXPECT_EQ(collector.types[tree.Path("d/fifo")], FileType::kFifo);
  EXPECT_EQ(collector.depths[tree.root()], 0u);
  EXPECT_EQ(collector.depths[tree.Path("d")], 1u);
  EXPECT_EQ(collector.depths[tree.Path("d/file")], 2u);
}

TEST(WalkTree, ARootMayBeAFileOrSlashOrNothing) {
  const TempTree tree;
  const std::string file = tree.File("file");
  Collector collector;
  WalkTree(file, collector);
  EXPECT_THAT(collector.paths, ElementsAre(file));

  Collector slash;
  slash.max_depth = 1;
  WalkTree("/", slash);
  EXPECT_THAT(slash.paths, Contains("/"));
  EXPECT_THAT(slash.paths, Contains("/usr"));
  EXPECT_EQ(slash.depths["/usr"], 1u);

  Collector nothing;
  WalkTree(tree.Path("absent"), nothing);
  EXPECT_THAT(nothing.paths, IsEmpty());
  EXPECT_THAT(nothing.not_looked_at, IsEmpty());
}

TEST(WalkTree, NeverFollowsASymbolicLink) {
  const TempTree tree;
  tree.Directory("a");
  tree.Link("a/up", "..");
  tree.Link("a/self", "self");
  tree.Link("a/root", "/");
  tree.Link("a/dangling", "nowhere");
  Collector collector;
  WalkTree(tree.root(), collector);
  EXPECT_EQ(collector.paths, Find(tree.root()));
  EXPECT_EQ(collector.paths.size(), 6u);
}

TEST(WalkTree, NamesAreBytes) {
  const TempTree tree;
  const std::string name = "new\nline \x1b[31m \xff\xc3\x28 '\"*";
  tree.Directory(name);
  tree.File(name + "/" + name);
  Collector collector;
  WalkTree(tree.root(), collector, kTight);
  EXPECT_THAT(collector.paths, Contains(tree.Path(name + "/" + name)));
}

TEST(WalkTree, PathsMayBeLongerThanPathMax) {
  const TempTree tree;
  constexpr int kLevels = 300;
  const std::string name(200, 'n');
  {
    const UniqueFd innermost = tree.Nest(name, kLevels);
    ASSERT_TRUE(UniqueFd(openat(innermost.get(), "treasure", O_CREAT | O_WRONLY, 0644)).valid());
  }
  for (const WalkOptions& options : {WalkOptions{}, kTight}) {
    Collector collector;
    WalkTree(tree.root(), collector, options);
    EXPECT_EQ(collector.paths.size(), kLevels + 2u);
    EXPECT_THAT(collector.not_looked_at, IsEmpty());
    std::string longest;
    for (const std::string& path : collector.paths)
      if (path.size() > longest.size()) longest = path;
    EXPECT_EQ(longest.size(), tree.root().size() + kLevels * 201 + sizeof("/treasure") - 1);
    EXPECT_TRUE(longest.ends_with("/treasure"));
  }
}

TEST(WalkTree, DepthBeyondTheBoundIsReported) {
  const TempTree tree;
  tree.Nest("d", 6);
  Collector collector;
  WalkTree(tree.root(), collector, {.max_levels = 4});
  EXPECT_THAT(collector.not_looked_at, ElementsAre(tree.Path("d/d/d/d: more than 4 levels deep")));
}

TEST(WalkTree, DescriptorsStayBoundedWhateverTheDepth) {
  const TempTree tree;
  tree.Nest("d", 200);
  const auto open_descriptors = [] { return OutputOf("ls /proc/$PPID/fd", '\n').size(); };
  const size_t before = open_descriptors();
  Collector collector;
  size_t most = 0;
  collector.on_visit = [&](const std::string& path) {
    if (path.size() == tree.root().size() + 2 * 200) most = open_descriptors();
  };
  WalkTree(tree.root(), collector, {.open_levels = 8});
  EXPECT_GT(most, before);
  EXPECT_LE(most, before + 10);
}

TEST(WalkTree, AWideDirectoryIsReadInChunksWithoutLossOrRepetition) {
  const TempTree tree;
  for (int i = 0; i < 3000; ++i) {
    const std::string name = std::string(60, 'x') + std::to_string(i);
    if (i % 3 == 0) {
      tree.Directory(name);
    } else {
      tree.File(name);
    }
  }
  for (const WalkOptions& options : {WalkOptions{}, kTight}) {
    Collector collector;
    WalkTree(tree.root(), collector, options);
    EXPECT_EQ(collector.paths.size(), 3001u);
  }
}

TEST(WalkTree, WhatVanishesMeanwhileIsNoError) {
  const TempTree tree;
  for (const char* name : {"a", "b", "c", "d"}) tree.Directory(name);
  Collector collector;
  collector.on_visit = [&](const std::string& path) {
    if (path != tree.root()) rmdir(path.c_str());
  };
  WalkTree(tree.root(), collector);
  EXPECT_EQ(collector.paths.size(), 5u);
  EXPECT_THAT(collector.not_looked_at, IsEmpty());
}

TEST(WalkTree, ADirectoryThatBecomesALinkIsNotFollowed) {
  const TempTree tree;
  tree.Directory("a");
  tree.Directory("secret");
  tree.File("secret/file");
  Collector collector;
  collector.on_visit = [&](const std::string& path) {
    if (path != tree.Path("a")) return;
    rmdir(path.c_str());
    tree.Link("a", "secret");
  };
  WalkTree(tree.root(), collector);
  EXPECT_THAT(collector.paths, Not(Contains(tree.Path("a/file"))));
  EXPECT_THAT(collector.not_looked_at, ElementsAre(tree.Path("a: replaced while it was searched")));
}

TEST(WalkTree, ASubdirectoryThatIsRenamedBeforeItIsEnteredIsEnteredUnderItsNewName) {
  const TempTree tree;
  tree.Directory("a");
  tree.File("a/file");
  Collector collector;
  collector.on_visit = [&](const std::string& path) {
    if (path != tree.Path("a")) return;
    EXPECT_EQ(rename(path.c_str(), tree.Path("b").c_str()), 0);
  };
  WalkTree(tree.root(), collector);
  EXPECT_THAT(collector.paths, Contains(tree.Path("b/file")));
  EXPECT_THAT(collector.not_looked_at, IsEmpty());
}

TEST(WalkTree, SubdirectoriesThatTradePlacesAreBothEntered) {
  const TempTree tree;
  for (const char* name : {"a", "b"}) {
    tree.Directory(name);
    tree.File(std::string(name) + "/" + name);
  }
  Collector collector;
  collector.on_visit = [&](const std::string& path) {
    if (path != tree.root()) return;
    collector.on_visit = [&](const std::string&) {
      collector.on_visit = nullptr;
      EXPECT_EQ(renameat2(AT_FDCWD, tree.Path("a").c_str(), AT_FDCWD, tree.Path("b").c_str(),
                          RENAME_EXCHANGE),
                0);
    };
  };
  WalkTree(tree.root(), collector);
  EXPECT_THAT(collector.paths, Contains(tree.Path("a/b")));
  EXPECT_THAT(collector.paths, Contains(tree.Path("b/a")));
  EXPECT_THAT(collector.not_looked_at, IsEmpty());
}

TEST(WalkTree, WhatIsLostTwiceIsReported) {
  const TempTree tree;
  tree.Directory("0");
  tree.File("0/file");
  Collector collector;
  // Each time that it is seen it goes by the next name.
  collector.on_visit = [&](const std::string& path) {
    if (path == tree.root()) return;
    std::string next = path;
    ++next.back();
    EXPECT_EQ(rename(path.c_str(), next.c_str()), 0);
  };
  WalkTree(tree.root(), collector);
  EXPECT_THAT(collector.not_looked_at, ElementsAre(tree.Path("1: replaced while it was searched")));
}

TEST(WalkTree, LostEntriesAreBounded) {
  const TempTree tree;
  constexpr int kMany = 5000;
  for (int i = 0; i < kMany; ++i) tree.Directory("d" + std::to_string(i));
  Collector collector;
  collector.on_visit = [&](const std::string& path) {
    if (path != tree.root()) rmdir(path.c_str());
  };
  WalkTree(tree.root(), collector);
  EXPECT_EQ(collector.paths.size(), size_t{kMany + 1});
  EXPECT_THAT(collector.not_looked_at, testing::SizeIs(kMany - 4096));
}

TEST(WalkTree, ASubdirectoryThatIsMovedAwayDoesNotLeadTheWalkAstray) {
  const TempTree tree;
  tree.Directory("top");
  tree.Directory("top/a");
  tree.Directory("top/a/b");
  tree.Directory("top/a/b/c");
  tree.Directory("top/later");
  tree.File("top/later/file");
  tree.Directory("elsewhere");
  tree.File("elsewhere/other");
  Collector collector;
  collector.on_visit = [&](const std::string& path) {
    if (path != tree.Path("top/a/b/c")) return;
    EXPECT_EQ(rename(tree.Path("top/a/b").c_str(), tree.Path("elsewhere/b").c_str()), 0);
  };
  // Its ".." now leads elsewhere; from the root the way back is still there.
  WalkTree(tree.Path("top"), collector, kTight);
  EXPECT_THAT(collector.paths, Contains(tree.Path("top/later/file")));
  EXPECT_THAT(collector.paths, Not(Contains(testing::HasSubstr("other"))));
  EXPECT_THAT(collector.not_looked_at, IsEmpty());
}

TEST(WalkTree, ADirectoryThatCanNotBeFoundAgainIsReported) {
  const TempTree tree;
  tree.Directory("top");
  tree.Directory("top/a");
  tree.Directory("top/a/b");
  tree.Directory("top/a/b/c");
  tree.Directory("elsewhere");
  Collector collector;
  collector.on_visit = [&](const std::string& path) {
    if (path != tree.Path("top/a/b/c")) return;
    EXPECT_EQ(rename(tree.Path("top/a/b").c_str(), tree.Path("elsewhere/b").c_str()), 0);
    EXPECT_EQ(rename(tree.Path("top/a").c_str(), tree.Path("elsewhere/a").c_str()), 0);
  };
  WalkTree(tree.Path("top"), collector, kTight);
  EXPECT_THAT(collector.not_looked_at,
              ElementsAre(tree.Path("top/a: moved while it was searched")));
}

TEST(WalkTree, AnUnreadableDirectoryIsReportedInTheSystemsWords) {
  const TempTree tree;
  tree.Directory("closed");
  tree.File("closed/file");
  tree.File("open");
  ASSERT_EQ(chmod(tree.Path("closed").c_str(), 0), 0);
  EXPECT_TRUE(WithoutPrivileges([&] {
    Collector collector;
    WalkTree(tree.root(), collector);
    return collector.not_looked_at ==
               std::vector<std::string>{tree.Path("closed: Permission denied")} &&
           collector.paths.contains(tree.Path("open"));
  }));
}

TEST(WalkTree, AVisitCanEndTheWalk) {
  const TempTree tree;
  tree.Directory("a");
  tree.File("a/file");
  tree.File("a/file2");
  Collector collector;
  collector.stop_at = tree.Path("a");
  WalkTree(tree.root(), collector);
  EXPECT_EQ(collector.paths.size(), 2u);
}

TEST(WalkTree, PseudoFileSystemsAreEnteredOnlyWhenTheyAreTheRoot) {
  if (access("/proc/sys/kernel/ostype", R_OK) != 0) GTEST_SKIP() << "no /proc here";
  Collector from_above;
  from_above.on_visit = [&](const std::string& path) {
    EXPECT_FALSE(path.starts_with("/proc/")) << path;
    EXPECT_FALSE(path.starts_with("/sys/")) << path;
  };
  from_above.max_depth = 2;
  WalkTree("/", from_above);
  EXPECT_THAT(from_above.paths, Contains("/proc"));

  Collector named;
  WalkTree("/proc/sys/kernel", named);
  EXPECT_THAT(named.paths, Contains("/proc/sys/kernel/ostype"));
}

}  // namespace
}  // namespace dragnet::file
