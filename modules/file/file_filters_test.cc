// The module's filters beyond name, size and content, on trees made for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <set>

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

class FileFiltersTest : public testing::Test {
 protected:
  v1::Search* AddSearch(const std::string& path = "") {
    v1::Search* search = parameters_.add_searches();
    search->add_paths(tree_.root() + path);
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

  std::set<std::string> Names() {
    std::set<std::string> names;
    for (const v1::FileRow& row : Run()) {
      const std::string name = row.path().substr(tree_.root().size());
      EXPECT_TRUE(names.insert(name).second) << name << " twice";
    }
    return names;
  }

  std::string Refusal() const { return std::string(module_.Validate(parameters_).message()); }

  const Module& module_ = *FindModule("file");
  const TempTree tree_;
  v1::FileParameters parameters_;
  std::unique_ptr<FakeRunContext> context_;
};

TEST_F(FileFiltersTest, AWildcardPathIsEveryPathThatMatches) {
  for (const char* directory : {"ann", "ann/.ssh", "bob", "bob/.ssh", "bob/x", "bob/x/.ssh"})
    tree_.Directory(directory);
  for (const char* file : {"ann/.ssh/a", "bob/.ssh/b", "bob/x/.ssh/c", "bob/d", "e"})
    tree_.File(file);
  tree_.Link("eve", "bob");
  AddSearch("/*/.ssh");
  EXPECT_THAT(Names(), ElementsAre("/ann/.ssh/a", "/bob/.ssh/b"));
  parameters_.mutable_searches(0)->set_paths(0, tree_.root() + "/**/.ssh");
  EXPECT_THAT(Names(), ElementsAre("/ann/.ssh/a", "/bob/.ssh/b", "/bob/x/.ssh/c"));
  parameters_.mutable_searches(0)->set_paths(0, tree_.root() + "/b*/[a-d]");
  EXPECT_THAT(Names(), ElementsAre("/bob/d"));
  parameters_.mutable_searches(0)->set_paths(0, tree_.root() + "/none*/x");
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_THAT(context_->unexamined, IsEmpty());
}

TEST_F(FileFiltersTest, DepthCountsFromWhereTheWildcardsLead) {
  tree_.Directory("a");
  tree_.Directory("a/b");
  tree_.Directory("a/b/c");
  tree_.File("a/b/1");
  tree_.File("a/b/c/2");
  AddSearch("/*/b")->set_max_depth(1);
  EXPECT_THAT(Names(), ElementsAre("/a/b/1"));
}

TEST_F(FileFiltersTest, SearchesWithWildcardsAndWithoutShareOnePass) {
  tree_.Directory("a");
  tree_.Directory("a/b");
  tree_.File("a/b/1");
  tree_.File("a/2");
  AddSearch("/*/b");
  AddSearch("/a")->set_label("all");
  std::set<std::string> found;
  for (const v1::FileRow& row : Run())
    EXPECT_TRUE(found.insert(row.search() + row.path().substr(tree_.root().size())).second);
  EXPECT_THAT(found, ElementsAre("all/a/2", "all/a/b/1", "s1/a/b/1"));
}

TEST_F(FileFiltersTest, ExcludesPassOverWhatTheyNameAndWhatIsBeneath) {
  for (const char* directory : {"src", "src/node_modules", "src/node_modules/x", "cache"})
    tree_.Directory(directory);
  for (const char* file :
       {"src/a.c", "src/a.o", "src/node_modules/b", "src/node_modules/x/c", "cache/d"}) {
    tree_.File(file);
  }
  v1::Search* search = AddSearch();
  search->add_excludes("node_modules");
  search->add_excludes("*.o");
  EXPECT_THAT(Names(), ElementsAre("/cache/d", "/src/a.c"));
  search->add_excludes(tree_.root() + "/ca*");
  EXPECT_THAT(Names(), ElementsAre("/src/a.c"));
  search->add_exclude_regexes("/src/");
  EXPECT_THAT(Names(), IsEmpty());
  // Another search is not concerned.
  AddSearch("/cache");
  EXPECT_THAT(Names(), ElementsAre("/cache/d"));
}

TEST_F(FileFiltersTest, ARootBeneathAnExcludedDirectoryIsPassedOver) {
  tree_.Directory("a");
  tree_.Directory("a/b");
  tree_.File("a/b/1");
  AddSearch("/a/b")->add_excludes(tree_.root() + "/a");
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(FileFiltersTest, OwnersAreNamesOrNumbersAndASet) {
  tree_.File("a");
  v1::Search* search = AddSearch();
  search->add_owners(std::to_string(geteuid()));
  search->add_owners("4242");
  EXPECT_THAT(Names(), ElementsAre("/a"));
  search->add_owners("!" + std::to_string(geteuid()));
  EXPECT_THAT(Names(), IsEmpty());
  search->clear_owners();
  search->add_owners("no such user");
  EXPECT_THAT(Names(), IsEmpty());
  search->set_owners(0, "!no such user");
  EXPECT_THAT(Names(), ElementsAre("/a"));
  if (geteuid() != 0) GTEST_SKIP() << "the rest needs root";
  ASSERT_EQ(chown(tree_.Path("a").c_str(), 0, 54321), 0);
  search->set_owners(0, "root");
  search->add_groups("?");
  const std::vector<v1::FileRow> rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].owner(), "root");
  EXPECT_EQ(rows[0].group(), "");
  EXPECT_THAT(rows[0].matched(), ElementsAre("owner=root", "group=54321"));
}

TEST_F(FileFiltersTest, EachTimeHasItsFilter) {
  tree_.File("a");
  const struct timespec times[2] = {{1000, 0}, {2000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, tree_.Path("a").c_str(), times, 0), 0);
  v1::Search* search = AddSearch();
  search->add_atimes("before 1970-01-02");
  search->add_mtimes("before 1970-01-02");
  search->add_ctimes("<1d");
  EXPECT_THAT(Names(), ElementsAre("/a"));
  search->set_ctimes(0, ">1d");
  EXPECT_THAT(Names(), IsEmpty());
  search->clear_ctimes();
  search->add_btimes("<1d");
  const std::vector<v1::FileRow> rows = Run();
  // Kept or not, it is not silent.
  EXPECT_EQ(rows.size() + context_->unexamined.size(), 1u);
}

TEST_F(FileFiltersTest, MismatchInvertsFiltersOfAKind) {
  tree_.File("a.txt", "one\n");
  tree_.File("b.log", "one\ntwo\n");
  v1::Search* search = AddSearch();
  search->add_names("\\.txt$");
  search->add_mismatch("name");
  const std::vector<v1::FileRow> rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].path(), tree_.Path("b.log"));
  EXPECT_THAT(rows[0].matched(), ElementsAre("name!=\\.txt$"));
  search->clear_names();
  search->clear_mismatch();
  search->add_contents("^one$");
  search->set_macroal(true);
  EXPECT_THAT(Names(), ElementsAre("/a.txt"));
  search->add_mismatch("content");
  EXPECT_THAT(Names(), ElementsAre("/b.log"));
  search->clear_contents();
  search->set_macroal(false);
  EXPECT_THAT(Refusal(), HasSubstr("mismatch[0] 'content' names a filter"));
  search->set_mismatch(0, "colour");
  EXPECT_THAT(Refusal(), HasSubstr("is no filter"));
}

TEST_F(FileFiltersTest, MismatchOnContentDoesNotFindWhatHasNone) {
  tree_.Directory("d");
  v1::Search* search = AddSearch("/d");
  search->add_types("directory");
  search->add_types("file");
  search->add_contents("x");
  search->add_mismatch("content");
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(FileFiltersTest, AHashListIsASet) {
  tree_.File("hello", "hello\n");
  tree_.File("other", "other\n");
  v1::Search* search = AddSearch();
  search->set_hash_list(
      "# known\n5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  x\n" +
      std::string(32, '0') + "\n");
  const std::vector<v1::FileRow> rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].path(), tree_.Path("hello"));
  EXPECT_THAT(rows[0].matched(), ElementsAre(testing::StartsWith("hash-list=5891b5b5")));
  search->add_mismatch("hash-list");
  EXPECT_THAT(Names(), ElementsAre("/other"));
  search->set_hash_list("zz");
  EXPECT_THAT(Refusal(), HasSubstr("hash_list line 1: 'zz'"));
}

TEST_F(FileFiltersTest, ExtendedAttributesByNameAndValue) {
  const std::string path = tree_.File("with");
  tree_.File("without");
  if (setxattr(path.c_str(), "user.origin", "evil", 4, 0) != 0)
    GTEST_SKIP() << "the file system of the temporary directory has no user attributes";
  v1::Search* search = AddSearch();
  search->add_xattrs("^user\\.");
  EXPECT_THAT(Names(), ElementsAre("/with"));
  search->set_xattrs(0, "^user\\.origin$=^ev");
  EXPECT_THAT(Names(), ElementsAre("/with"));
  search->set_xattrs(0, "^user\\.origin$=good");
  EXPECT_THAT(Names(), IsEmpty());
  search->set_xattrs(0, "!^user\\.");
  EXPECT_THAT(Names(), ElementsAre("/without"));
}

TEST_F(FileFiltersTest, ElfFactsAreFiltersAndColumns) {
  tree_.File("text", "no program\n");
  ASSERT_EQ(system(("cp /proc/self/exe '" + tree_.Path("program") + "'").c_str()), 0);
  v1::Search* search = AddSearch();
  search->add_elf_needed("^libc\\.so");
  const std::vector<v1::FileRow> rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].path(), tree_.Path("program"));
  EXPECT_THAT(rows[0].elf().needed(), testing::Contains(testing::StartsWith("libc.so")));
  search->add_elf_build_ids(rows[0].elf().build_id() + "00");
  EXPECT_THAT(Names(), IsEmpty());
  search->clear_elf_build_ids();
  search->add_elf_types("rel");
  EXPECT_THAT(Names(), IsEmpty());
  search->clear_elf_types();
  search->set_elf_needed(0, "!^libc\\.so");
  EXPECT_THAT(Names(), ElementsAre("/text"));
}

TEST_F(FileFiltersTest, YaraRulesTellWhatMatchedWhere) {
  tree_.File("evil", "xx evil yy\n");
  tree_.File("good", "good\n");
  v1::Search* search = AddSearch();
  search->set_yara("rule Evil : bad { meta: why = \"test\" strings: $a = \"evil\" condition: $a }");
  const std::vector<v1::FileRow> rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].path(), tree_.Path("evil"));
  EXPECT_THAT(rows[0].rules(), ElementsAre("Evil"));
  EXPECT_THAT(rows[0].matched(), ElementsAre("yara=Evil"));
  ASSERT_THAT(rows[0].yara(), SizeIs(1));
  EXPECT_THAT(rows[0].yara(0).tags(), ElementsAre("bad"));
  ASSERT_THAT(rows[0].yara(0).strings(), SizeIs(1));
  EXPECT_EQ(rows[0].yara(0).strings(0).offset(), 3u);
  EXPECT_EQ(rows[0].yara(0).strings(0).bytes(), "evil");
  search->set_yara_no_bytes(true);
  EXPECT_EQ(Run()[0].yara(0).strings(0).bytes(), "");
  search->add_mismatch("yara");
  EXPECT_THAT(Names(), ElementsAre("/good"));
  search->set_yara("rule Bad { condition: $b }");
  EXPECT_THAT(Refusal(), HasSubstr("line 1"));
}

TEST_F(FileFiltersTest, EachSearchHasItsOwnRulesAndExternals) {
  tree_.File("a", "evil\n");
  const std::string rule = "rule R { strings: $a = \"evil\" condition: $a and want }";
  for (const char* want : {"want=true", "want=false"}) {
    v1::Search* search = AddSearch();
    search->set_yara(rule);
    search->add_yara_externals(want);
  }
  const std::vector<v1::FileRow> rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].search(), "s1");
}

TEST_F(FileFiltersTest, MatchedLinesComeWithTheirContext) {
  tree_.File("a", "one\ntwo\nthree\nfour\nfive\n");
  v1::Search* search = AddSearch();
  search->add_contents("^three$");
  search->set_lines(1);
  search->set_context(1);
  const std::vector<v1::FileRow> rows = Run();
  ASSERT_THAT(rows, SizeIs(1));
  ASSERT_THAT(rows[0].lines(), SizeIs(3));
  EXPECT_EQ(rows[0].lines(0).number(), 2u);
  EXPECT_EQ(rows[0].lines(0).text(), "two");
  EXPECT_TRUE(rows[0].lines(0).context());
  EXPECT_EQ(rows[0].lines(1).text(), "three");
  EXPECT_FALSE(rows[0].lines(1).context());
  EXPECT_EQ(rows[0].lines(2).number(), 4u);
}

TEST_F(FileFiltersTest, PrivacyModeRefusesWhatReturnsContent) {
  v1::Search* search = AddSearch();
  search->add_contents("x");
  EXPECT_TRUE(module_.ValidateForPrivacy(parameters_).ok());
  search->set_lines(1);
  EXPECT_TRUE(absl::IsPermissionDenied(module_.ValidateForPrivacy(parameters_)));
  search->set_lines(0);
  search->set_yara("rule R { condition: true }");
  EXPECT_TRUE(absl::IsPermissionDenied(module_.ValidateForPrivacy(parameters_)));
  search->set_yara_no_bytes(true);
  EXPECT_TRUE(module_.ValidateForPrivacy(parameters_).ok());
}

TEST_F(FileFiltersTest, MaxErrorsNamesNoMoreButCountsAll) {
  for (int i = 0; i < 5; ++i)
    tree_.File("f" + std::to_string(i), std::string("\x7f"
                                                    "ELF",
                                                    4) +
                                            std::string(60, '\x01'));
  v1::Search* search = AddSearch();
  search->add_elf_needed("libc");
  parameters_.set_max_errors(2);
  Run();
  int named = 0, all = 0;
  for (const auto& [reason, examples] : context_->unexamined) {
    for (const std::string& example : examples) {
      ++all;
      if (!example.empty()) ++named;
    }
  }
  EXPECT_EQ(all, 5);
  EXPECT_EQ(named, 2);
}

TEST_F(FileFiltersTest, ManyThreadsFindWhatOneFinds) {
  for (int i = 0; i < 40; ++i) {
    const std::string directory = "d" + std::to_string(i);
    tree_.Directory(directory);
    for (int j = 0; j < 20; ++j)
      tree_.File(directory + "/f" + std::to_string(j), std::string(i * j * 10, 'x') + "\nevil\n");
  }
  for (int i = 0; i < 3; ++i)
    tree_.File("large" + std::to_string(i), std::string(3 << 20, 'y') + "\nevil\n");
  v1::Search* search = AddSearch();
  search->add_contents("^evil$");
  search->set_return_sha256(true);
  std::set<std::string> expected;
  for (const uint32_t threads : {1, 2, 8}) {
    parameters_.set_threads(threads);
    std::set<std::string> found;
    for (const v1::FileRow& row : Run())
      EXPECT_TRUE(found.insert(row.path() + row.sha256()).second) << row.path();
    if (threads == 1) expected = found;
    EXPECT_EQ(found, expected);
  }
  EXPECT_EQ(expected.size(), 803u);
  search->set_match_limit(100);
  EXPECT_THAT(Run(), SizeIs(100));
  EXPECT_THAT(context_->limits_hit, SizeIs(1));
}

TEST_F(FileFiltersTest, RootsWhoseNamesSortBetweenAreNotTakenForBeneath) {
  for (const char* directory : {"a", "a-b", "a/x"}) tree_.Directory(directory);
  for (const char* file : {"a/1", "a-b/2", "a/x/3"}) tree_.File(file);
  v1::Search* search = AddSearch("/a");
  search->add_paths(tree_.root() + "/a-b");
  search->add_paths(tree_.root() + "/a/x");
  EXPECT_THAT(Names(), ElementsAre("/a-b/2", "/a/1", "/a/x/3"));
}

}  // namespace
}  // namespace dragnet::file
