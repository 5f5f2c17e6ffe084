// The module over files that the test writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/strings.h"
#include "modules/file/temp_tree.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"
#include "modules/secrets/secrets.pb.h"

namespace dragnet::secrets {
namespace {

using file::TempTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const Module& Secrets() { return *FindModule("secrets"); }

constexpr std::string_view kPassword = "password=Tr0ub4dor&3\n";

v1::SecretsParameters In(const std::string& path) {
  v1::SecretsParameters parameters;
  parameters.add_paths(path);
  return parameters;
}

std::vector<v1::SecretsRow> Find(const v1::SecretsParameters& parameters, FakeRunContext& context) {
  EXPECT_TRUE(Secrets().Run(parameters, context).ok());
  return context.RowsAs<v1::SecretsRow>();
}
std::vector<v1::SecretsRow> Find(const v1::SecretsParameters& parameters) {
  FakeRunContext context;
  auto rows = Find(parameters, context);
  EXPECT_THAT(context.unexamined, IsEmpty());
  return rows;
}

// Paths within the tree.
std::vector<std::string> Places(const TempTree& tree, const std::vector<v1::SecretsRow>& rows) {
  std::vector<std::string> places;
  for (const auto& row : rows)
    places.push_back(StrCat(row.path().substr(tree.root().size() + 1), ":", row.line()));
  return places;
}

TEST(SecretsTest, RowsSayWhereAndWhatButNotTheSecret) {
  const TempTree tree;
  const std::string path = tree.File(".env", StrCat("A=1\n\nDB_", kPassword));
  chmod(path.c_str(), 0640);
  FakeRunContext context;
  const auto rows = Find(In(tree.root()), context);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].kind(), "password");
  EXPECT_EQ(rows[0].path(), path);
  EXPECT_EQ(rows[0].line(), 3u);
  EXPECT_EQ(rows[0].file_kind(), "env");
  EXPECT_EQ(rows[0].mode(), "-rw-r-----");
  EXPECT_EQ(rows[0].uid(), geteuid());
  EXPECT_FALSE(rows[0].world_readable());
  EXPECT_EQ(rows[0].SerializeAsString().find("Tr0ub4dor"), std::string::npos);
  EXPECT_EQ(context.items, 1u);
  EXPECT_TRUE(Secrets().ValidateForPrivacy(v1::SecretsParameters()).ok());
}

TEST(SecretsTest, AllowAndKindsAndExcludeTakeFindingsOut) {
  const TempTree tree;
  tree.Directory("keep");
  tree.Directory("skip");
  tree.File("keep/a.conf", kPassword);
  tree.File("skip/a.conf", kPassword);
  tree.File("b.conf.bak", kPassword);
  auto parameters = In(tree.root());
  const auto all = Find(parameters);
  EXPECT_THAT(Places(tree, all),
              UnorderedElementsAre("keep/a.conf:1", "skip/a.conf:1", "b.conf.bak:1"));
  parameters.add_exclude("skip");
  parameters.add_exclude("*.bak");
  const auto kept = Find(parameters);
  EXPECT_THAT(Places(tree, kept), ElementsAre("keep/a.conf:1"));
  parameters.add_allow(kept.at(0).fingerprint());
  EXPECT_THAT(Find(parameters), IsEmpty());

  parameters = In(tree.root());
  parameters.add_exclude(tree.Path("*/a.conf"));
  EXPECT_THAT(Places(tree, Find(parameters)), ElementsAre("b.conf.bak:1"));
  parameters = In(tree.root());
  parameters.add_kinds("private-key");
  EXPECT_THAT(Find(parameters), IsEmpty());
  parameters = In(tree.Path("skip"));
  parameters.add_exclude(tree.Path("skip"));
  EXPECT_THAT(Find(parameters), IsEmpty());
}

TEST(SecretsTest, WorldReadableTakesTheDirectoriesAboveToo) {
  const TempTree tree;
  tree.Directory("open");
  const std::string closed = tree.Directory("closed");
  tree.File("open/a.conf", kPassword);
  tree.File("closed/a.conf", kPassword);
  chmod(tree.File("open/b.conf", kPassword).c_str(), 0640);
  chmod(closed.c_str(), 0710);
  std::map<std::string, v1::SecretsRow> rows;
  for (const auto& row : Find(In(tree.root()))) rows[row.path().substr(tree.root().size())] = row;
  ASSERT_EQ(rows.size(), 3u);
  // The directory for temporary files may be closed itself.
  struct stat above;
  bool reachable = true;
  for (size_t slash = tree.root().find('/', 1); slash != std::string::npos;
       slash = tree.root().find('/', slash + 1)) {
    ASSERT_EQ(stat(tree.root().substr(0, slash).c_str(), &above), 0);
    reachable = reachable && (above.st_mode & S_IXOTH) != 0;
  }
  EXPECT_EQ(rows["/open/a.conf"].world_readable(), reachable);
  EXPECT_FALSE(rows["/closed/a.conf"].world_readable());
  EXPECT_FALSE(rows["/open/b.conf"].world_readable());
  auto parameters = In(tree.root());
  parameters.set_world_readable(true);
  EXPECT_EQ(Find(parameters).size(), reachable ? 1u : 0u);
}

TEST(SecretsTest, BinaryAndEncryptedFilesArePassedOver) {
  const TempTree tree;
  tree.File("binary", StrCat(std::string(1, '\0'), kPassword));
  tree.File("vault.yml", StrCat("$ANSIBLE_VAULT;1.1;AES256\n", kPassword));
  tree.File("late", StrCat(std::string(10'000, '\n'), kPassword, std::string(1, '\0')));
  EXPECT_THAT(Places(tree, Find(In(tree.root()))), ElementsAre("late:10001"));
}

TEST(SecretsTest, OfLargerFilesTheBeginningIsLookedAtAndTheRestReported) {
  const TempTree tree;
  const std::string path =
      tree.File("large", StrCat(kPassword, std::string(20'000, '\n'), kPassword));
  auto parameters = In(tree.root());
  parameters.set_max_file_size(15'000);
  FakeRunContext context;
  EXPECT_EQ(Find(parameters, context).size(), 1u);
  EXPECT_THAT(context.unexamined["larger than max_file_size: only its beginning was looked at"],
              ElementsAre(path));
  EXPECT_EQ(Find(In(tree.root())).size(), 2u);
}

TEST(SecretsTest, MaxDepthAndLinksBoundTheWalkAndNestedPathsGiveNoRowTwice) {
  const TempTree tree;
  tree.Directory("d");
  tree.File("d/deep", kPassword);
  tree.File("top", kPassword);
  tree.Link("link", "d/deep");
  tree.Fifo("fifo");
  auto parameters = In(tree.root());
  parameters.set_max_depth(1);
  EXPECT_THAT(Places(tree, Find(parameters)), ElementsAre("top:1"));
  parameters = In(tree.root());
  parameters.add_paths(tree.Path("d"));
  parameters.add_paths(tree.Path("d/deep"));
  EXPECT_EQ(Find(parameters).size(), 2u);
}

TEST(SecretsTest, WhatCannotBeReadIsReported) {
  const TempTree tree;
  chmod(tree.File("closed", kPassword).c_str(), 0);
  EXPECT_TRUE(file::WithoutPrivileges([&] {
    FakeRunContext context;
    return Find(In(tree.root()), context).empty() &&
           context.unexamined["Permission denied"].size() == 1;
  }));
}

TEST(SecretsTest, ManyDirectoriesAreSearchedByAllThreadsOnce) {
  const TempTree tree;
  for (int i = 0; i < 60; ++i) {
    tree.Directory(StrCat("d", i));
    for (int k = 0; k < 5; ++k) tree.File(StrCat("d", i, "/f", k), kPassword);
  }
  FakeRunContext context;
  std::set<std::string> paths;
  const auto rows = Find(In(tree.root()), context);
  for (const auto& row : rows) paths.insert(row.path());
  EXPECT_EQ(rows.size(), 300u);
  EXPECT_EQ(paths.size(), 300u);
  EXPECT_EQ(context.items, 300u);
}

TEST(SecretsParametersTest, WhatCannotRunIsRefusedByField) {
  const auto refusal = [](const v1::SecretsParameters& parameters) {
    return std::string(Secrets().Validate(parameters).message());
  };
  EXPECT_EQ(refusal({}), "");
  EXPECT_THAT(refusal(In("etc")), HasSubstr("paths[0] 'etc' is not absolute"));
  v1::SecretsParameters parameters;
  parameters.add_kinds("private-key");
  parameters.add_kinds("secret");
  EXPECT_THAT(refusal(parameters), HasSubstr("kinds[1] 'secret' is unknown"));
  parameters.Clear();
  parameters.add_exclude("a/b");
  EXPECT_THAT(refusal(parameters), HasSubstr("exclude[0] 'a/b'"));
  parameters.Clear();
  parameters.add_exclude("/home/[a");
  EXPECT_THAT(refusal(parameters), HasSubstr("exclude[0] '/home/[a'"));
  parameters.Clear();
  parameters.add_allow("secret:XYZ");
  EXPECT_THAT(refusal(parameters), HasSubstr("allow[0] 'secret:XYZ' is no fingerprint"));
  parameters.Clear();
  parameters.set_max_file_size(1 << 30);
  EXPECT_THAT(refusal(parameters), HasSubstr("max_file_size"));
}

}  // namespace
}  // namespace dragnet::secrets
