// The module `file` against find, sha256sum, unzip, tar, 7z, readelf and getcap,
// on random trees. (Names, sizes, modes, content and all hashes are compared in
// modules/file/differential_test.cc.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "core/strings.h"
#include "core/text.h"
#include "modules/file/file.pb.h"
#include "modules/file/temp_tree.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"

namespace dragnet::file {
namespace {

using Paths = std::set<std::string>;

std::string PathOf(const v1::FileRow& row) {
  return row.path_raw().empty() ? row.path() : row.path_raw();
}

class DifferentialFileTest : public testing::Test {
 protected:
  void SetUp() override { Fill("", 4); }

  std::string RandomName() {
    static const std::string pieces[] = {"a", "b", ".txt", "\n", " ", "\xff", "é", "[", "*", "\\"};
    std::string name = std::to_string(++count_);
    for (int i = random_() % 4; i > 0; --i) name += pieces[random_() % std::size(pieces)];
    return name;
  }

  void Fill(const std::string& directory, int levels) {
    for (int i = 0; i < 12; ++i) {
      const std::string path = directory + RandomName();
      switch (random_() % 9) {
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
        case 4: {
          // Sparse: much of nothing, and a word.
          tree_.File(path, "");
          const UniqueFd fd(open(tree_.Path(path).c_str(), O_WRONLY | O_CLOEXEC));
          EXPECT_EQ(pwrite(fd.get(), "end", 3, 200'000), 3);
          break;
        }
        default:
          tree_.File(path, std::string(random_() % 3000, 'x'));
          Age(path);
      }
    }
  }

  void Age(const std::string& path) {
    struct timespec times[2] = {};
    times[0].tv_sec = 1'700'000'000 + static_cast<time_t>(random_() % 1'000'000);
    times[1].tv_sec = 1'700'000'000 + static_cast<time_t>(random_() % 1'000'000);
    EXPECT_EQ(utimensat(AT_FDCWD, tree_.Path(path).c_str(), times, 0), 0);
    if (geteuid() != 0) return;
    EXPECT_EQ(lchown(tree_.Path(path).c_str(), random_() % 3, random_() % 3), 0);
  }

  template <typename Change>
  std::vector<v1::FileRow> Rows(Change change) {
    v1::FileParameters parameters;
    parameters.set_threads(1 + random_() % 4);
    v1::Search* search = parameters.add_searches();
    search->add_paths(tree_.root());
    change(search);
    FakeRunContext context;
    const absl::Status valid = FindModule("file")->Validate(parameters);
    EXPECT_TRUE(valid.ok()) << valid;
    const absl::Status status = FindModule("file")->Run(parameters, context);
    EXPECT_TRUE(status.ok()) << status;
    for (const auto& [reason, examples] : context.unexamined)
      ADD_FAILURE() << examples.front() << ": " << reason;
    return context.RowsAs<v1::FileRow>();
  }

  template <typename Change>
  Paths Found(Change change) {
    Paths paths;
    for (const v1::FileRow& row : Rows(change))
      EXPECT_TRUE(paths.insert(PathOf(row)).second) << row.path() << " twice";
    return paths;
  }

  Paths Find(const std::string& arguments) const {
    const std::vector<std::string> paths =
        OutputOf("find '" + tree_.root() + "' -mindepth 1 " + arguments + " -print0");
    return {paths.begin(), paths.end()};
  }

  const TempTree tree_;
  std::mt19937 random_{20261125};
  int count_ = 0;
};

TEST_F(DifferentialFileTest, EveryFileAndEveryTypeAsFind) {
  EXPECT_EQ(Found([](v1::Search*) {}), Find("-type f"));
  EXPECT_GT(Find("-type f").size(), 100u);
  const std::map<std::string, std::string> types = {{"symlink", "l"}, {"fifo", "p"}};
  for (const auto& [type, letter] : types)
    EXPECT_EQ(Found([&](v1::Search* s) { s->add_types(type); }), Find("-type " + letter));
}

TEST_F(DifferentialFileTest, OwnersAsFind) {
  EXPECT_EQ(Found([](v1::Search* s) { s->add_owners("1"); }), Find("-type f -uid 1"));
  EXPECT_EQ(Found([](v1::Search* s) { s->add_owners("daemon"); }), Find("-type f -user daemon"));
  EXPECT_EQ(Found([](v1::Search* s) { s->add_groups("!bin"); }), Find("-type f ! -group bin"));
  EXPECT_EQ(Found([](v1::Search* s) {
              s->add_owners("root");
              s->add_owners("2");
            }),
            Find("-type f \\( -user root -o -uid 2 \\)"));
}

TEST_F(DifferentialFileTest, TimesAsFind) {
  EXPECT_EQ(Found([](v1::Search* s) { s->add_mtimes("after 2023-11-20"); }),
            Find("-type f -newermt '2023-11-19 23:59:59.999999999 UTC'"));
  EXPECT_EQ(Found([](v1::Search* s) { s->add_atimes("before 2023-11-20"); }),
            Find("-type f ! -newerat '2023-11-19 23:59:59.999999999 UTC'"));
  EXPECT_EQ(Found([](v1::Search* s) { s->add_ctimes("<1d"); }), Find("-type f -cmin -1440"));
}

TEST_F(DifferentialFileTest, DepthsAsFind) {
  for (const int depth : {1, 2, 3}) {
    EXPECT_EQ(Found([&](v1::Search* s) { s->set_max_depth(static_cast<uint32_t>(depth)); }),
              Find("-maxdepth " + std::to_string(depth) + " -type f"));
  }
}

TEST_F(DifferentialFileTest, ExcludesAsFindPrunes) {
  EXPECT_EQ(Found([](v1::Search* s) { s->add_excludes("*a*"); }),
            Find("-name '*a*' -prune -o -type f"));
  EXPECT_EQ(Found([](v1::Search* s) { s->add_excludes("*[0-3].txt"); }),
            Find("-name '*[0-3].txt' -prune -o -type f"));
}

TEST_F(DifferentialFileTest, WildcardPathsAsTheShellExpandsThem) {
  for (const std::string glob : {"/*1*/*", "/*/*/*a*", "/[1-4]*/*[!t]"}) {
    Paths expected;
    for (const std::string& path :
         OutputOf("bash -c 'shopt -s nullglob dotglob; LC_ALL=C; for f in " + tree_.root() + glob +
                  "; do [ -L \"$f\" ] || find \"$f\" -type f -print0; done'")) {
      // A link on the way, which the shell follows.
      bool through_link = false;
      for (size_t slash = path.find('/', tree_.root().size() + 1); slash != std::string::npos;
           slash = path.find('/', slash + 1)) {
        struct stat info;
        through_link |= lstat(path.substr(0, slash).c_str(), &info) == 0 && S_ISLNK(info.st_mode);
      }
      if (!through_link) expected.insert(path);
    }
    EXPECT_FALSE(expected.empty()) << glob;
    EXPECT_EQ(Found([&](v1::Search* s) { s->set_paths(0, tree_.root() + glob); }), expected)
        << glob;
  }
}

TEST_F(DifferentialFileTest, HashesOfSparseFilesAsSha256sum) {
  std::map<std::string, std::string> expected;
  for (const std::string& line :
       OutputOf("find '" + tree_.root() + "' -type f -print0 | xargs -0 sha256sum -z"))
    expected[line.substr(66)] = line.substr(0, 64);
  std::map<std::string, std::string> found;
  for (const v1::FileRow& row : Rows([](v1::Search* s) { s->set_return_sha256(true); }))
    found[PathOf(row)] = row.sha256();
  EXPECT_EQ(found, expected);
}

TEST_F(DifferentialFileTest, PathsOfAnyLength) {
  const UniqueFd deep = tree_.Nest(std::string(200, 'd'), 40);
  const UniqueFd file(openat(deep.get(), "needle", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  ASSERT_TRUE(file.valid());
  // The path is over PATH_MAX.
  EXPECT_EQ(Rows([](v1::Search* s) { s->add_names("^needle$"); }).size(),
            OutputOf("cd '" + tree_.root() + "' && find . -name needle -print0").size());
}

TEST_F(DifferentialFileTest, OneFileSystemAsXdev) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  const std::string point = tree_.Directory("mounted");
  if (mount("none", point.c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "mounting is not allowed here";
  tree_.File("mounted/inside");
  const Paths all = Found([](v1::Search*) {});
  const Paths one = Found([](v1::Search* s) { s->set_one_filesystem(true); });
  const Paths find_all = Find("-type f"), find_one = Find("-xdev -type f");
  EXPECT_EQ(umount(point.c_str()), 0);
  EXPECT_EQ(all, find_all);
  EXPECT_EQ(one, find_one);
  EXPECT_EQ(all.size(), one.size() + 1);
}

TEST_F(DifferentialFileTest, MembersAndTheirHashesAsTheArchivers) {
  const std::string root = "'" + tree_.root() + "'";
  const std::string outside = tree_.root() + "-archives";
  ASSERT_EQ(
      system(("rm -rf " + outside + " && mkdir " + outside + " && cd " + root +
              " && find . -type f -print0 | sort -z > " + outside +
              "/list && xargs -0 sha256sum -z < " + outside + "/list > " + outside +
              "/sums && tar czf " + outside + "/t.tgz --null -T " + outside + "/list && tar cJf " +
              outside + "/t.txz --null -T " + outside +
              "/list && find . -maxdepth 2 -type f ! -path '*[^a-z0-9./]*' | sort > " + outside +
              "/plain && zip -q " + outside + "/z.zip -@ < " + outside + "/plain && 7z a " +
              outside + "/s.7z @" + outside + "/plain > " + outside + "/log")
                 .c_str()),
      0);
  std::map<std::string, std::string> sums;
  for (const std::string& line : OutputOf("cat " + outside + "/sums"))
    sums[line.substr(66 + 2)] = line.substr(0, 64);
  ASSERT_GT(sums.size(), 100u);
  std::map<std::string, std::map<std::string, std::string>> found;
  for (const v1::FileRow& row : Rows([&](v1::Search* s) {
         s->set_paths(0, outside);
         s->set_archives(true);
         s->set_return_sha256(true);
       })) {
    const std::string path = PathOf(row).substr(outside.size() + 1);
    const size_t mark = path.find("!/");
    if (mark == std::string::npos) continue;
    std::string name = path.substr(mark + 2);
    if (name.starts_with("./")) name.erase(0, 2);
    found[path.substr(0, mark)][name] = row.sha256();
  }
  EXPECT_EQ(found["t.tgz"], sums);
  EXPECT_EQ(found["t.txz"], sums);
  for (const char* archive : {"z.zip", "s.7z"}) {
    std::set<std::string> names;
    for (const auto& [name, sum] : found[archive]) {
      names.insert(name);
      // 7z keeps a file's own name only, which is unique in this tree.
      const auto original = std::find_if(sums.begin(), sums.end(), [&](const auto& known) {
        return known.first == name || known.first.ends_with("/" + name);
      });
      ASSERT_NE(original, sums.end()) << archive << " " << name;
      EXPECT_EQ(sum, original->second) << archive << " " << name;
    }
    const std::vector<std::string> listed =
        std::string_view(archive) == "z.zip"
            ? OutputOf("python3 -c \"import zipfile; print('\\n'.join(zipfile.ZipFile('" + outside +
                           "/z.zip').namelist()))\"",
                       '\n')
            : OutputOf("7z l -slt -ba " + outside + "/s.7z | sed -n 's/^Path = //p'", '\n');
    EXPECT_FALSE(listed.empty()) << archive;
    EXPECT_EQ(names, std::set<std::string>(listed.begin(), listed.end())) << archive;
  }
  ASSERT_EQ(system(("rm -r " + outside).c_str()), 0);
}

TEST_F(DifferentialFileTest, ElfFactsAsReadelf) {
  size_t compared = 0;
  for (const v1::FileRow& row : Rows([](v1::Search* s) {
         s->set_paths(0, "/usr/bin");
         s->add_elf_needed("^libc\\.so");
         s->add_sizes("<300k");
         s->set_match_limit(150);
       })) {
    ++compared;
    const std::vector<std::string> needed = OutputOf(
        "readelf -d '" + row.path() + "' | sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\]/\\1/p'", '\n');
    EXPECT_THAT(row.elf().needed(), testing::ElementsAreArray(needed)) << row.path();
    const std::vector<std::string> id =
        OutputOf("readelf -n '" + row.path() + "' | sed -n 's/.*Build ID: //p'", '\n');
    EXPECT_EQ(row.elf().build_id(), id.empty() ? "" : id[0]) << row.path();
  }
  EXPECT_GT(compared, 20u);
}

TEST_F(DifferentialFileTest, CapabilitiesAsGetcap) {
  if (geteuid() != 0) GTEST_SKIP() << "setting capabilities needs root";
  const std::string path = tree_.File("capable");
  if (system(("setcap cap_net_raw,cap_net_admin=ep '" + path + "'").c_str()) != 0)
    GTEST_SKIP() << "setcap is not there, or the file system keeps no capabilities";
  const std::vector<v1::FileRow> rows = Rows([](v1::Search* s) { s->add_capabilities("."); });
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_THAT(OutputOf("getcap '" + path + "'", '\n'),
              testing::ElementsAre(path + " " + rows[0].capabilities()));
}

}  // namespace
}  // namespace dragnet::file
