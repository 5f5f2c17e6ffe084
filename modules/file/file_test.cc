// The module as a whole, on trees made for it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <map>
#include <set>

#include "absl/time/clock.h"
#include "core/text.h"
#include "modules/file/file.pb.h"
#include "modules/file/temp_tree.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"

namespace dragnet::file {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class FileModuleTest : public testing::Test {
 protected:
  v1::Search* AddSearch() {
    v1::Search* search = parameters_.add_searches();
    search->add_paths(tree_.root());
    return search;
  }

  std::vector<v1::FileRow> Run() {
    context_ = std::make_unique<FakeRunContext>();
    const absl::Status valid = module_.Validate(parameters_);
    EXPECT_TRUE(valid.ok()) << valid;
    const absl::Status status = module_.Run(parameters_, *context_);
    EXPECT_TRUE(status.ok()) << status;
    return context_->RowsAs<v1::FileRow>();
  }

  // Of all rows, beneath the tree; each must be there once per search.
  std::set<std::string> Names() {
    std::set<std::string> names;
    for (const v1::FileRow& row : Run()) {
      const std::string name = row.path().substr(tree_.root().size());
      EXPECT_TRUE(names.insert(name).second) << name << " twice";
    }
    return names;
  }

  std::string Unexamined() const {
    std::string all;
    for (const auto& [reason, examples] : context_->unexamined)
      for (const std::string& example : examples) all += example + ": " + reason + "\n";
    return all;
  }

  const Module& module_ = *FindModule("file");
  const TempTree tree_;
  v1::FileParameters parameters_;
  std::unique_ptr<FakeRunContext> context_;
};

TEST_F(FileModuleTest, ASearchWithoutFiltersFindsEveryFileAndNothingElse) {
  tree_.Directory("d");
  tree_.File("d/a");
  tree_.File("b", "xyz");
  tree_.Link("link", "b");
  tree_.Fifo("fifo");
  AddSearch();
  EXPECT_THAT(Names(), ElementsAre("/b", "/d/a"));
  EXPECT_EQ(context_->items, 2u);
  EXPECT_EQ(context_->bytes, 0u);
  EXPECT_EQ(Unexamined(), "");
}

TEST_F(FileModuleTest, ARowTellsWhatStatTells) {
  tree_.File("a", "hello\n");
  const struct timespec times[2] = {{0, 0}, {1706933106, 5000}};
  ASSERT_EQ(utimensat(AT_FDCWD, tree_.Path("a").c_str(), times, 0), 0);
  ASSERT_EQ(chmod(tree_.Path("a").c_str(), 04750), 0);
  AddSearch()->set_return_sha256(true);
  const std::vector<v1::FileRow> rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].path(), tree_.Path("a"));
  EXPECT_EQ(rows[0].path_raw(), "");
  EXPECT_EQ(rows[0].size(), 6u);
  EXPECT_EQ(rows[0].mode(), "-rwsr-x---");
  EXPECT_EQ(rows[0].mtime().seconds(), 1706933106);
  EXPECT_EQ(rows[0].mtime().nanos(), 5000);
  EXPECT_EQ(rows[0].uid(), geteuid());
  EXPECT_EQ(rows[0].type(), "file");
  EXPECT_EQ(rows[0].search(), "s1");
  EXPECT_EQ(rows[0].sha256(), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  EXPECT_THAT(rows[0].matched(), IsEmpty());
  EXPECT_EQ(context_->bytes, 6u);
}

TEST_F(FileModuleTest, AllFiltersMustHoldUnlessAnyIsEnough) {
  tree_.File("a.txt", "root:x:0\n");
  tree_.File("b.txt", "nothing\n");
  tree_.File("c.log", "root:y:1\n");
  v1::Search* search = AddSearch();
  search->add_names("\\.txt$");
  search->add_contents("^root:");
  EXPECT_THAT(Names(), ElementsAre("/a.txt"));
  search->set_match_any(true);
  EXPECT_THAT(Names(), ElementsAre("/a.txt", "/b.txt", "/c.log"));
  std::map<std::string, std::vector<std::string>> matched;
  for (const v1::FileRow& row : context_->RowsAs<v1::FileRow>())
    matched[row.path().substr(tree_.root().size())] = {row.matched().begin(), row.matched().end()};
  EXPECT_THAT(matched["/a.txt"], ElementsAre("name=\\.txt$", "content=^root:"));
  EXPECT_THAT(matched["/b.txt"], ElementsAre("name=\\.txt$"));
  EXPECT_THAT(matched["/c.log"], ElementsAre("content=^root:"));
}

TEST_F(FileModuleTest, SeveralValuesOfAFilterMustAllHold) {
  tree_.File("ab", "one\ntwo\n");
  tree_.File("a", "one\n");
  v1::Search* search = AddSearch();
  search->add_names("a");
  search->add_names("b");
  EXPECT_THAT(Names(), ElementsAre("/ab"));
  search->clear_names();
  search->add_contents("one");
  search->add_contents("two");
  EXPECT_THAT(Names(), ElementsAre("/ab"));
  search->clear_contents();
  search->add_sizes(">2");
  search->add_sizes("<5");
  EXPECT_THAT(Names(), ElementsAre("/a"));
}

TEST_F(FileModuleTest, InvertedFiltersHoldWhereNothingMatches) {
  tree_.File("with", "a\nsecret\nb\n");
  tree_.File("without", "a\nb\n");
  tree_.File("empty");
  v1::Search* search = AddSearch();
  search->add_contents("!secret");
  EXPECT_THAT(Names(), ElementsAre("/empty", "/without"));
  search->add_contents("a");
  EXPECT_THAT(Names(), ElementsAre("/without"));
  search->clear_contents();
  search->add_names("!^with");
  EXPECT_THAT(Names(), ElementsAre("/empty"));
}

TEST_F(FileModuleTest, TimesAndModesAreFilters) {
  tree_.File("old");
  tree_.File("new");
  const struct timespec times[2] = {{0, 0}, {absl::ToUnixSeconds(absl::Now()) - 40 * 86400, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, tree_.Path("old").c_str(), times, 0), 0);
  ASSERT_EQ(chmod(tree_.Path("new").c_str(), 04755), 0);
  v1::Search* search = AddSearch();
  search->add_mtimes(">30d");
  EXPECT_THAT(Names(), ElementsAre("/old"));
  search->set_mtimes(0, "<2h");
  EXPECT_THAT(Names(), ElementsAre("/new"));
  search->set_mtimes(0, "after 2000-01-01");
  EXPECT_THAT(Names(), ElementsAre("/new", "/old"));
  search->add_modes("^-..s");
  EXPECT_THAT(Names(), ElementsAre("/new"));
}

TEST_F(FileModuleTest, HashesOfOneKindAreASet) {
  tree_.File("abc", "abc");
  tree_.File("empty");
  tree_.File("other", "other");
  v1::Search* search = AddSearch();
  search->add_sha2("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD");
  search->add_sha2(
      "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f");  // SHA-224 of nothing
  EXPECT_THAT(Names(), ElementsAre("/abc", "/empty"));
  search->add_md5("900150983cd24fb0d6963f7d28e17f72");
  EXPECT_THAT(Names(), ElementsAre("/abc"));
  EXPECT_THAT(context_->RowsAs<v1::FileRow>()[0].matched(),
              ElementsAre("md5=900150983cd24fb0d6963f7d28e17f72",
                          "sha2=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

TEST_F(FileModuleTest, OtherTypesAreFoundByWhatTheyAreNotByWhatIsInThem) {
  tree_.Directory("dir");
  tree_.File("file", "x\n");
  tree_.Link("symlink", "file");
  tree_.Fifo("fifo");
  v1::Search* search = AddSearch();
  for (const char* type : {"directory", "symlink", "fifo"}) search->add_types(type);
  EXPECT_THAT(Names(), ElementsAre("", "/dir", "/fifo", "/symlink"));
  search->add_modes("^l");
  EXPECT_THAT(Names(), ElementsAre("/symlink"));
  search->clear_modes();
  search->add_types("file");
  search->add_contents("!nothere");
  EXPECT_THAT(Names(), ElementsAre("/file"));
}

TEST_F(FileModuleTest, PipesAndDevicesAreNeverOpened) {
  tree_.Fifo("fifo");
  // Opening the first would hang, reading the second would never end.
  if (geteuid() == 0) mknod(tree_.Path("zero").c_str(), S_IFCHR | 0644, makedev(1, 5));
  tree_.File("file", "x\n");
  v1::Search* search = AddSearch();
  search->add_contents("x");
  search->set_return_sha256(true);
  EXPECT_THAT(Names(), ElementsAre("/file"));
  // Nor when they are named.
  search->clear_paths();
  search->add_paths(tree_.Path("fifo"));
  search->add_paths(tree_.Path("zero"));
  search->add_types("fifo");
  search->add_types("char");
  search->add_types("file");
  search->clear_contents();
  search->set_match_any(true);
  search->add_contents("!x");
  search->add_names("fifo");
  EXPECT_THAT(Names(), ElementsAre("/fifo"));
}

TEST_F(FileModuleTest, APathCoversWhatIsBeneathItAndNotItsNamesakes) {
  tree_.Directory("etc");
  tree_.File("etc/a");
  tree_.Directory("etcfoo");
  tree_.File("etcfoo/b");
  v1::Search* search = AddSearch();
  search->set_paths(0, tree_.Path("etc"));
  EXPECT_THAT(Names(), ElementsAre("/etc/a"));
  search->set_paths(0, tree_.root() + "//etc/./");
  EXPECT_THAT(Names(), ElementsAre("/etc/a"));
  search->set_paths(0, tree_.Path("etc/a"));
  EXPECT_THAT(Names(), ElementsAre("/etc/a"));
}

TEST_F(FileModuleTest, APathThatIsALinkIsResolvedOnceAndShownResolved) {
  tree_.Directory("real");
  tree_.File("real/file");
  tree_.Link("real/loop", "../real");
  tree_.Link("alias", "real");
  v1::Search* search = AddSearch();
  search->set_paths(0, tree_.Path("alias"));
  EXPECT_THAT(Names(), ElementsAre("/real/file"));
  // Under both names it is one place, and each file is found once.
  search->add_paths(tree_.Path("real"));
  search->add_paths(tree_.Path("real/file"));
  EXPECT_THAT(Names(), ElementsAre("/real/file"));
}

TEST_F(FileModuleTest, ARequiredPathThatDoesNotExistIsReported) {
  v1::Search* search = AddSearch();
  search->set_required(true);
  search->set_paths(0, tree_.Path("absent"));
  search->add_paths(tree_.Path("absent/*/x"));
  EXPECT_THAT(Run(), IsEmpty());
  EXPECT_THAT(Unexamined(), HasSubstr(tree_.Path("absent: No such file or directory\n")));
}

TEST_F(FileModuleTest, NothingIsFoundAtAPathThatDoesNotExist) {
  tree_.File("file");
  v1::Search* search = AddSearch();
  search->set_paths(0, tree_.Path("absent"));
  search->add_paths(tree_.Path("file/beneath-a-file"));
  EXPECT_THAT(Run(), IsEmpty());
  EXPECT_EQ(Unexamined(), "");
}

TEST_F(FileModuleTest, APathThatCanNotBeResolvedIsReported) {
  tree_.Link("loop", "loop");
  v1::Search* search = AddSearch();
  search->set_paths(0, tree_.Path("loop"));
  EXPECT_THAT(Run(), IsEmpty());
  EXPECT_EQ(Unexamined(), tree_.Path("loop: Too many levels of symbolic links\n"));
}

TEST_F(FileModuleTest, DepthIsCountedFromEachPath) {
  tree_.Directory("a");
  tree_.Directory("a/b");
  tree_.Directory("a/b/c");
  tree_.File("1");
  tree_.File("a/2");
  tree_.File("a/b/3");
  tree_.File("a/b/c/4");
  v1::Search* search = AddSearch();
  search->set_max_depth(1);
  EXPECT_THAT(Names(), ElementsAre("/1"));
  search->set_max_depth(2);
  EXPECT_THAT(Names(), ElementsAre("/1", "/a/2"));
  // A path beneath another begins its own count, and nothing is found twice.
  search->add_paths(tree_.Path("a/b"));
  EXPECT_THAT(Names(), ElementsAre("/1", "/a/2", "/a/b/3", "/a/b/c/4"));
  search->set_max_depth(1);
  EXPECT_THAT(Names(), ElementsAre("/1", "/a/b/3"));
  search->set_paths(1, tree_.Path("a/b/c"));
  EXPECT_THAT(Names(), ElementsAre("/1", "/a/b/c/4"));
}

TEST_F(FileModuleTest, SearchesOfDifferentPathsShareOneWalk) {
  tree_.Directory("a");
  tree_.Directory("a/b");
  tree_.File("a/1", "x\n");
  tree_.File("a/b/2", "x\n");
  v1::Search* outer = AddSearch();
  outer->set_label("outer");
  outer->add_contents("x");
  v1::Search* inner = AddSearch();
  inner->set_label("inner");
  inner->set_paths(0, tree_.Path("a/b"));
  inner->add_contents("x");
  std::multiset<std::string> found;
  for (const v1::FileRow& row : Run())
    found.insert(row.search() + row.path().substr(tree_.root().size()));
  EXPECT_THAT(found, ElementsAre("inner/a/b/2", "outer/a/1", "outer/a/b/2"));
  // Each file was looked at and read once.
  EXPECT_EQ(context_->items, 2u);
  EXPECT_EQ(context_->bytes, 4u);
}

TEST_F(FileModuleTest, AMatchLimitEndsItsSearchOnlyAndIsReported) {
  for (int i = 0; i < 10; ++i) tree_.File(std::to_string(i));
  v1::Search* limited = AddSearch();
  limited->set_label("few");
  limited->set_match_limit(3);
  AddSearch()->set_label("all");
  std::map<std::string, int> found;
  for (const v1::FileRow& row : Run()) ++found[row.search()];
  EXPECT_EQ(found["few"], 3);
  EXPECT_EQ(found["all"], 10);
  EXPECT_THAT(context_->limits_hit, ElementsAre("match_limit 3 of search 'few'"));
}

TEST_F(FileModuleTest, TheWalkEndsWhenEverySearchHasEnough) {
  tree_.Nest("d", 50);
  for (int i = 0; i < 10; ++i) tree_.File(std::to_string(i));
  AddSearch()->set_match_limit(1);
  EXPECT_THAT(Run(), SizeIs(1));
  EXPECT_EQ(context_->items, 1u);
}

TEST_F(FileModuleTest, EndsSoonWhenNoMoreRowsAreWanted) {
  for (int i = 0; i < 100; ++i) tree_.File(std::to_string(i));
  AddSearch();
  FakeRunContext context(/*stop_at_row=*/5);
  EXPECT_TRUE(module_.Run(parameters_, context).ok());
  EXPECT_THAT(context.rows, SizeIs(5));
}

TEST_F(FileModuleTest, NamesThatAreNotUtf8AreShownValidWithTheTruthBeside) {
  const std::string name = "a\xff\xc3\x28\n\x1b[31m";
  tree_.File(name);
  v1::Search* search = AddSearch();
  search->add_names("^a.+\\($|^a.+m$");
  const std::vector<v1::FileRow> rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].path(), tree_.Path("a\uFFFD\uFFFD(\n\x1b[31m"));
  EXPECT_EQ(rows[0].path_raw(), tree_.Path(name));
  std::string serialised;
  EXPECT_TRUE(rows[0].SerializeToString(&serialised));
  // Matched as shown.
  search->set_names(0, "^a\uFFFD{2}\\(");
  EXPECT_THAT(Run(), SizeIs(1));
}

TEST_F(FileModuleTest, RowsStaySmallHoweverLongThePath) {
  const std::string name(250, '\xff');
  const UniqueFd innermost = tree_.Nest(name, 300);
  ASSERT_TRUE(UniqueFd(openat(innermost.get(), "end", O_CREAT | O_WRONLY, 0644)).valid());
  v1::Search* search = AddSearch();
  search->set_match_any(true);
  for (int i = 0; i < 128; ++i) search->add_names("(end|" + std::string(1000, 'x') + ")");
  const std::vector<v1::FileRow> rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_LT(rows[0].ByteSizeLong(), 64u * 1024);
  EXPECT_TRUE(rows[0].path().starts_with(tree_.root()));
  EXPECT_TRUE(rows[0].path().ends_with("/end"));
  EXPECT_TRUE(IsValidUtf8(rows[0].path()));
}

TEST_F(FileModuleTest, TimesThatATimestampCanNotSayAreClamped) {
  tree_.File("a");
  const struct timespec times[2] = {{0, 0}, {int64_t{1} << 40, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, tree_.Path("a").c_str(), times, 0), 0);
  AddSearch();
  const std::vector<v1::FileRow> rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_LE(rows[0].mtime().seconds(), 253402300799);
}

TEST_F(FileModuleTest, UnreadableFilesAreReportedOnlyWhereTheirContentMatters) {
  tree_.File("closed.txt", "x\n");
  tree_.File("closed.log", "x\n");
  tree_.File("open.txt", "x\n");
  ASSERT_EQ(chmod(tree_.Path("closed.txt").c_str(), 0), 0);
  ASSERT_EQ(chmod(tree_.Path("closed.log").c_str(), 0), 0);
  v1::Search* search = AddSearch();
  search->add_names("\\.txt$");
  EXPECT_TRUE(WithoutPrivileges([&] { return Run().size() == 2 && Unexamined().empty(); }));
  search->add_contents("x");
  EXPECT_TRUE(WithoutPrivileges([&] {
    return Run().size() == 1 && Unexamined() == tree_.Path("closed.txt: Permission denied\n");
  }));
  // Not inverted either: what was not read may hold anything.
  search->set_contents(0, "!y");
  EXPECT_TRUE(WithoutPrivileges([&] { return Run().size() == 1 && !Unexamined().empty(); }));
  // What is found without its content is found, the rest still reported.
  search->set_match_any(true);
  EXPECT_TRUE(WithoutPrivileges(
      [&] { return Run().size() == 2 && Unexamined().find("closed.txt") != std::string::npos; }));
}

TEST_F(FileModuleTest, SparseFilesAreReadLikeOthers) {
  const std::string path = tree_.File("sparse");
  const UniqueFd fd(open(path.c_str(), O_WRONLY));
  const std::string_view needle = "needle\n";
  ASSERT_EQ(pwrite(fd.get(), needle.data(), needle.size(), 20 << 20), ssize_t(needle.size()));
  v1::Search* search = AddSearch();
  search->add_contents("needle$");
  EXPECT_THAT(Names(), ElementsAre("/sparse"));
  EXPECT_EQ(Unexamined(), "");
  // In a line of 20 MiB, a match over zeros without bound can't be ruled out.
  search->set_contents(0, "^x[0-9]*needle$");
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_EQ(Unexamined(), "");
  search->set_contents(0, "^x.*needle$");
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_EQ(Unexamined(), path + ": a match over more than 1 MiB of a line can't be ruled out\n");
  // Unless another filter rules the file out.
  search->add_contents("absent");
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_EQ(Unexamined(), "");
}

TEST_F(FileModuleTest, FilesOfPseudoFileSystemsAreReadWhenNamed) {
  if (access("/proc/sys/kernel/ostype", R_OK) != 0) GTEST_SKIP() << "no /proc here";
  v1::Search* search = AddSearch();
  search->set_paths(0, "/proc/sys/kernel/ostype");
  search->add_contents("^Linux$");
  EXPECT_THAT(Run(), SizeIs(1));
  // Also when a path above them, from which they aren't entered, is searched too.
  search->add_paths("/");
  search->set_max_depth(1);
  search->add_names("^ostype$");
  EXPECT_THAT(Run(), SizeIs(1));
}

}  // namespace
}  // namespace dragnet::file
