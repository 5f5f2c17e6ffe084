// Archives as zip, tar and 7z make them.
#include "modules/file/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/text.h"
#include "modules/file/file.pb.h"
#include "modules/file/temp_tree.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"

namespace dragnet::file {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ArchiveTest : public testing::Test {
 protected:
  ArchiveTest() {
    search_ = parameters_.add_searches();
    search_->add_paths(tree_.root());
    search_->set_archives(true);
    parameters_.set_threads(2);
  }

  // In the tree.
  void Shell(const std::string& command) const {
    ASSERT_EQ(system(("cd '" + tree_.root() + "' && { " + command + "; } >/dev/null 2>&1").c_str()),
              0)
        << command;
  }

  std::set<std::string> Names() {
    context_ = std::make_unique<FakeRunContext>();
    const absl::Status valid = FindModule("file")->Validate(parameters_);
    EXPECT_TRUE(valid.ok()) << valid;
    EXPECT_TRUE(FindModule("file")->Run(parameters_, *context_).ok());
    rows_ = context_->RowsAs<v1::FileRow>();
    std::set<std::string> names;
    for (const v1::FileRow& row : rows_)
      EXPECT_TRUE(names.insert(row.path().substr(tree_.root().size())).second) << row.path();
    return names;
  }

  std::string Unexamined() const {
    std::string all;
    for (const auto& [reason, examples] : context_->unexamined)
      for (const std::string& example : examples)
        all += example.substr(tree_.root().size()) + ": " + reason + "\n";
    return all;
  }

  const TempTree tree_;
  v1::FileParameters parameters_;
  v1::Search* search_;
  std::unique_ptr<FakeRunContext> context_;
  std::vector<v1::FileRow> rows_;
};

TEST_F(ArchiveTest, FilesInEveryKindAreFoundByContent) {
  Shell(
      "mkdir d && echo evil > d/a && echo good > b && ln -s b link && "
      "zip -qry z.zip d b link && zip -q0r stored.bin d && tar cf t.tar d b link && "
      "tar czf t.tgz d b && tar cjf t.bz2 d && tar cJf t.xz d && 7z a s.7z d b && "
      "tar --zstd -cf t.zst d && rm -r d b link");
  search_->add_contents("^evil$");
  std::set<std::string> expected = {"/s.7z!/d/a",  "/stored.bin!/d/a", "/t.bz2!/d/a",
                                    "/t.tar!/d/a", "/t.tgz!/d/a",      "/t.xz!/d/a",
                                    "/t.zst!/d/a", "/z.zip!/d/a"};
  // The tar and the 7z hold the line as it is, too.
  std::set<std::string> found = Names();
  found.erase("/t.tar");
  found.erase("/s.7z");
  EXPECT_EQ(found, expected);
  EXPECT_EQ(Unexamined(), "");
}

TEST_F(ArchiveTest, AMemberIsFoundLikeAFile) {
  Shell(
      "printf 'hello\\n' > a.txt && chmod 4755 a.txt && touch -d 2024-02-03T04:05:06Z a.txt && "
      "tar cf t.tar a.txt && rm a.txt");
  search_->add_names("\\.txt$");
  search_->add_sizes("=6");
  search_->add_modes("^-rws");
  search_->add_mtimes("before 2024-02-04");
  search_->add_sha2("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  search_->set_yara("rule H { strings: $a = \"hello\" condition: $a at 0 and filesize == 6 }");
  search_->set_return_sha256(true);
  EXPECT_THAT(Names(), ElementsAre("/t.tar!/a.txt"));
  EXPECT_EQ(rows_[0].size(), 6u);
  EXPECT_EQ(rows_[0].mode(), "-rwsr-xr-x");
  EXPECT_EQ(rows_[0].mtime().seconds(), 1706933106);
  EXPECT_EQ(rows_[0].sha256(), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  EXPECT_THAT(rows_[0].rules(), ElementsAre("H"));
  EXPECT_FALSE(rows_[0].has_ctime());
  search_->add_owners("!no such user");
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ArchiveTest, WithoutArchivesNoneIsLookedInto) {
  Shell("echo evil > a && zip -q z.zip a && rm a");
  search_->set_archives(false);
  EXPECT_THAT(Names(), ElementsAre("/z.zip"));
}

TEST_F(ArchiveTest, ArchivesWithinAreLookedIntoAsDeepAsAsked) {
  Shell(
      "echo evil > a && zip -q 1.zip a && tar czf 2.tgz 1.zip && 7z a 3.7z 2.tgz && "
      "zip -q 4.zip 3.7z && rm a 1.zip 2.tgz 3.7z");
  search_->add_names("^a$");
  EXPECT_THAT(Names(), IsEmpty());
  search_->set_archive_depth(3);
  EXPECT_THAT(Names(), IsEmpty());
  search_->set_archive_depth(4);
  EXPECT_THAT(Names(), ElementsAre("/4.zip!/3.7z!/2.tgz!/1.zip!/a"));
  EXPECT_EQ(Unexamined(), "");
}

TEST_F(ArchiveTest, EncryptedFilesAndArchivesAreReported) {
  Shell(
      "echo evil > a && zip -q -P secret e.zip a && 7z a -psecret e.7z a && "
      "7z a -psecret -mhe=on h.7z a && rm a");
  search_->add_contents("evil");
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_THAT(Unexamined(), HasSubstr("/e.zip!/a: encrypted in an archive"));
  EXPECT_THAT(Unexamined(), HasSubstr("/e.7z!/a: encrypted in an archive"));
  EXPECT_THAT(Unexamined(), HasSubstr("/h.7z: encrypted archive"));
}

TEST_F(ArchiveTest, CorruptArchivesAreReportedAndTheRestIsFound) {
  Shell(
      "seq 100000 > a && cp a evil && zip -q z.zip a && tar czf t.tgz a evil && "
      "head -c 100000 z.zip > cut.zip && head -c 100000 t.tgz > cut.tgz && "
      "printf 'PK\\003\\004 nothing' > no.zip && printf '7z\\274\\257\\047\\034 no' > no.7z && "
      "rm a evil z.zip t.tgz");
  search_->add_contents("^nowhere$");
  EXPECT_THAT(Names(), IsEmpty());
  for (const char* name : {"/cut.zip", "/cut.tgz", "/no.zip", "/no.7z"})
    EXPECT_THAT(Unexamined(), HasSubstr(name));
}

TEST_F(ArchiveTest, WhatIsOnlyCompressedIsNoArchive) {
  Shell(
      "seq 1000 | gzip > a.gz && : | gzip > empty.gz && head -c 100000 /dev/zero | bzip2 > z.bz2");
  search_->add_names("x");
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_EQ(Unexamined(), "");
}

TEST_F(ArchiveTest, ABombIsGivenUp) {
  Shell(
      "head -c 300000000 /dev/zero > zero && zip -q9 bomb.zip zero && tar cJf bomb.txz zero && "
      "echo last > last && tar rf x.tar last && rm zero last");
  search_->add_contents("^never$");
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_THAT(Unexamined(), HasSubstr("/bomb.txz: archive that expands to more than may be"));
  // Not even when what is in it isn't wanted.
  search_->clear_contents();
  search_->add_names("^last$");
  EXPECT_THAT(Names(), ElementsAre("/x.tar!/last"));
  EXPECT_THAT(Unexamined(), HasSubstr("/bomb.txz: archive that expands to more than may be"));
}

TEST_F(ArchiveTest, NamesThatLeadElsewhereStayWithinTheArchive) {
  Shell("echo evil > a && tar cPf t.tar --transform 's,^a,/../../etc/a,' a && rm a");
  search_->add_contents("evil");
  EXPECT_THAT(Names(), Contains("/t.tar!/../../etc/a"));
}

TEST_F(ArchiveTest, NamesInOtherAlphabetsAndOfNoEncoding) {
  Shell(
      "mkdir d && echo x > d/ключ && touch \"$(printf 'd/\\377')\" && tar cf t.tar d && "
      "rm \"$(printf 'd/\\377')\" && zip -qr z.zip d && 7z a s.7z d && rm -r d");
  search_->add_names("^ключ$");
  EXPECT_THAT(Names(), ElementsAre("/s.7z!/d/ключ", "/t.tar!/d/ключ", "/z.zip!/d/ключ"));
  search_->set_names(0, "^\xef\xbf\xbd$");
  EXPECT_THAT(Names(), ElementsAre("/t.tar!/d/\xef\xbf\xbd"));
}

TEST(ArchiveBudget, CountsBytesAndFiles) {
  ArchiveBudget budget(
      1000, {.max_bytes = 100'000, .max_ratio = 10, .min_ratio_bytes = 500, .max_members = 2});
  EXPECT_TRUE(budget.AddBytes(10'000).ok());
  EXPECT_FALSE(budget.AddBytes(1).ok());
  EXPECT_TRUE(budget.AddMember().ok());
  EXPECT_TRUE(budget.AddMember().ok());
  EXPECT_FALSE(budget.AddMember().ok());
  ArchiveBudget small(1, {.max_bytes = 100'000, .max_ratio = 10, .min_ratio_bytes = 500});
  EXPECT_TRUE(small.AddBytes(500).ok());
  ArchiveBudget huge(UINT64_MAX, {.max_bytes = 100'000, .max_ratio = 10});
  EXPECT_TRUE(huge.AddBytes(100'000).ok());
  EXPECT_FALSE(huge.AddBytes(1).ok());
}

}  // namespace
}  // namespace dragnet::file
