// The module against find, grep and the sum tools, on random trees.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "core/strings.h"
#include "modules/file/file.pb.h"
#include "modules/file/temp_tree.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"

namespace dragnet::file {
namespace {

using Paths = std::set<std::string>;

class DifferentialTest : public testing::Test {
 protected:
  void SetUp() override { Fill("", 4); }

  std::string RandomName() {
    static const std::string pieces[] = {"a", "b", ".txt", "\n", " ",      "\xff",
                                         "é", "'", "*",    "\\", "\x1b[1m"};
    // The number makes it unique.
    std::string name = std::to_string(++count_);
    for (int i = random_() % 4; i > 0; --i) name += pieces[random_() % std::size(pieces)];
    return name;
  }

  std::string RandomContent() {
    static const std::string words[] = {"root", ":", "x", "\n", "\n", "0", "\xff", " ", "pass"};
    std::string content;
    for (int i = random_() % 60; i > 0; --i) content += words[random_() % std::size(words)];
    // Some are longer than a block, with their words on both sides of its border.
    if (random_() % 8 == 0) content.insert(0, 131'060 + random_() % 20, random_() % 2 ? 'x' : '\n');
    if (random_() % 8 == 0) content.insert(content.size() / 2, 1, '\0');
    return content;
  }

  void Fill(const std::string& directory, int levels) {
    for (int i = 0; i < 12; ++i) {
      const std::string path = directory + RandomName();
      switch (random_() % 8) {
        case 0:
        case 1:
          tree_.Directory(path);
          if (levels > 1) Fill(path + "/", levels - 1);
          break;
        case 2:
          tree_.Link(path, random_() % 2 ? ".." : "nowhere");
          break;
        case 3:
          tree_.Fifo(path);
          break;
        default:
          tree_.File(path, RandomContent());
          chmod(tree_.Path(path).c_str(), 0400 | (random_() % 04000));
      }
    }
  }

  template <typename Change>
  Paths Found(Change change) {
    v1::FileParameters parameters;
    v1::Search* search = parameters.add_searches();
    search->add_paths(tree_.root());
    change(search);
    FakeRunContext context;
    const absl::Status status = FindModule("file")->Run(parameters, context);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_TRUE(context.unexamined.empty());
    Paths paths;
    for (const v1::FileRow& row : context.RowsAs<v1::FileRow>()) {
      const std::string& path = row.path_raw().empty() ? row.path() : row.path_raw();
      EXPECT_TRUE(paths.insert(path).second) << path << " twice";
    }
    return paths;
  }

  Paths Find(const std::string& tests) {
    const auto paths = OutputOf(StrCat("LC_ALL=C find '", tree_.root(), "' ", tests, " -print0"));
    return {paths.begin(), paths.end()};
  }

  Paths Grep(const std::string& options) {
    const auto paths = OutputOf(StrCat("LC_ALL=C grep -raZ ", options, " '", tree_.root(), "'"));
    return {paths.begin(), paths.end()};
  }

  const TempTree tree_;
  std::mt19937 random_{20240203};
  int count_ = 0;
};

TEST_F(DifferentialTest, MetadataAsFind) {
  EXPECT_EQ(Found([](auto*) {}), Find("-type f"));
  EXPECT_GT(Find("-type f").size(), 50u);
  EXPECT_EQ(Found([](auto* s) { s->add_types("symlink"); }), Find("-type l"));
  EXPECT_EQ(Found([](auto* s) { s->add_types("directory"); }), Find("-type d"));
  EXPECT_EQ(Found([](auto* s) { s->add_types("fifo"); }), Find("-type p"));
  EXPECT_EQ(Found([](auto* s) { s->add_names("a"); }), Find("-type f -name '*a*'"));
  EXPECT_EQ(Found([](auto* s) { s->add_names("\\.txt$"); }), Find("-type f -name '*.txt'"));
  EXPECT_EQ(Found([](auto* s) { s->add_names("!b"); }), Find("-type f ! -name '*b*'"));
  EXPECT_EQ(Found([](auto* s) { s->add_names("\n"); }), Find("-type f -name '*\n*'"));
  EXPECT_EQ(Found([](auto* s) { s->add_sizes(">100"); }), Find("-type f -size +100c"));
  EXPECT_EQ(Found([](auto* s) { s->add_sizes("<100"); }), Find("-type f -size -100c"));
  EXPECT_EQ(Found([](auto* s) { s->add_sizes("=0"); }), Find("-type f -size 0"));
  EXPECT_EQ(Found([](auto* s) { s->set_max_depth(2); }), Find("-maxdepth 2 -type f"));
  EXPECT_EQ(Found([](auto* s) { s->add_modes("^-.......w"); }), Find("-type f -perm -002"));
  EXPECT_EQ(Found([](auto* s) { s->add_modes("^.{6}[sS]"); }), Find("-type f -perm -2000"));
  EXPECT_EQ(Found([](auto* s) { s->add_modes("^..(w|...w)"); }), Find("-type f -perm /220"));
  EXPECT_EQ(Found([](auto* s) { s->add_mtimes("<1d"); }), Find("-type f -mmin -1440"));
  EXPECT_EQ(Found([](auto* s) {
              s->set_match_any(true);
              s->add_names("a");
              s->add_sizes("=0");
            }),
            Find("-type f '(' -name '*a*' -o -size 0 ')'"));
}

TEST_F(DifferentialTest, ContentAsGrep) {
  for (const char* pattern :
       {"root", "^root", "root$", "^$", "^x+root", "root:x", "x:|0 0", "(root|pass).*0$", "^[^x]*$",
        "x{20}root", "s[^:]p", "x.?\\xff", "^(root|x|:)+$"}) {
    // grep -P for \xff; the others mean the same to both.
    const std::string options = StrCat("-l -P -e '", pattern, "'");
    EXPECT_EQ(Found([&](auto* s) { s->add_contents(pattern); }), Grep(options)) << pattern;
    const std::string inverted = StrCat("-L -P -e '", pattern, "'");
    EXPECT_EQ(Found([&](auto* s) { s->add_contents(StrCat("!", pattern)); }), Grep(inverted))
        << pattern;
  }
}

TEST_F(DifferentialTest, HashesAsTheSumTools) {
  const std::pair<const char*, void (v1::Search::*)(const std::string&)> tools[] = {
      {"md5sum", &v1::Search::add_md5},
      {"sha1sum", &v1::Search::add_sha1},
      {"sha224sum", &v1::Search::add_sha2},
      {"sha256sum", &v1::Search::add_sha2},
      {"sha384sum", &v1::Search::add_sha2},
      {"sha512sum", &v1::Search::add_sha2},
      {"openssl dgst -sha3-224 -r", &v1::Search::add_sha3},
      {"openssl dgst -sha3-256 -r", &v1::Search::add_sha3},
      {"openssl dgst -sha3-384 -r", &v1::Search::add_sha3},
      {"openssl dgst -sha3-512 -r", &v1::Search::add_sha3},
  };
  for (const auto& [tool, add] : tools) {
    // Read from standard input, so that names never reach the output.
    const std::vector<std::string> hashes =
        OutputOf(StrCat("LC_ALL=C find '", tree_.root(),
                        "' -type f -print0 | LC_ALL=C sort -z | xargs -0 sh -c 'for f; do ", tool,
                        " < \"$f\"; done' sh | cut -d' ' -f1"),
                 '\n');
    const Paths files = Find("-type f");
    ASSERT_EQ(hashes.size(), files.size()) << tool;
    std::set<std::string> wanted;
    for (size_t i = 0; i < hashes.size(); i += 3) wanted.insert(hashes[i]);
    Paths expected;
    size_t i = 0;
    for (const std::string& file : files)
      if (wanted.contains(hashes[i++])) expected.insert(file);
    EXPECT_EQ(Found([&, add = add](auto* s) {
                for (const std::string& hash : wanted) (s->*add)(hash);
              }),
              expected)
        << tool;
  }
}

}  // namespace
}  // namespace dragnet::file
