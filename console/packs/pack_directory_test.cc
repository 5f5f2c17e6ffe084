#include "console/packs/pack_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "console/packs/pack_loader.h"
#include "console/testing/sample_module.h"
#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PackDirectoryTest : public ::testing::Test {
 protected:
  PackDirectoryTest() {
    char name[] = "/tmp/dragnet-packs-test-XXXXXX";
    directory_ = ::mkdtemp(name);
    std::filesystem::create_directories(directory_ + "/packs/below");
    Write("secret", "secret");
    Write("packs/list", "listed");
  }
  ~PackDirectoryTest() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(WriteFileAtomically(StrCat(directory_, "/", name), content, 0644).ok());
  }
  absl::StatusOr<std::string> Read(const std::string& name, size_t max_bytes = 1024) {
    return ReadWithin(directory_ + "/packs", name, max_bytes);
  }

  std::string directory_;
};

TEST_F(PackDirectoryTest, ReadsWhatIsWithin) {
  EXPECT_EQ(*Read("list"), "listed");
  std::filesystem::create_symlink("../list", directory_ + "/packs/below/link");
  EXPECT_EQ(*Read("below/link"), "listed");
}

TEST_F(PackDirectoryTest, ALinkThatLeadsOutIsRefused) {
  std::filesystem::create_symlink("../secret", directory_ + "/packs/link");
  std::filesystem::create_symlink("..", directory_ + "/packs/up");
  EXPECT_TRUE(absl::IsPermissionDenied(Read("link").status()));
  EXPECT_TRUE(absl::IsPermissionDenied(Read("up/secret").status()));
}

TEST_F(PackDirectoryTest, AFifoADirectoryAndALargeFileAreRefused) {
  ASSERT_EQ(::mkfifo((directory_ + "/packs/fifo").c_str(), 0600), 0);
  EXPECT_FALSE(Read("fifo").ok());
  EXPECT_FALSE(Read("below").ok());
  EXPECT_FALSE(Read("missing").ok());
  EXPECT_FALSE(Read("list", 5).ok());
  EXPECT_TRUE(Read("list", 6).ok());
}

TEST_F(PackDirectoryTest, APackIsLoadedFromDisk) {
  Write("packs/top.yaml", "id: top\ntitle: Top\ninclude: [below/one.yaml, missing.yaml]\n");
  Write("packs/below/one.yaml",
        "id: one\ntitle: One\nchecks:\n  - {id: a, title: A, severity: low, expect: found,\n"
        "     module: sample, parameters: {list: {file: ../list}}}\n");
  const PackOptions options{.modules = testing::SampleCatalog(), .now = absl::UnixEpoch()};
  std::map<std::string, bool> used;
  Problems problems;
  EXPECT_FALSE(LoadPack(directory_ + "/packs/top.yaml", options, &used, &problems).has_value());
  EXPECT_THAT(problems.ErrorLines(),
              ElementsAre(AllOf(HasSubstr("packs/top.yaml:3:27: include[1]: open "),
                                HasSubstr("packs/missing.yaml: No such file"))));
  Write("packs/missing.yaml", "id: two\ntitle: Two\n");
  Problems none;
  const auto pack = LoadPack(directory_ + "/packs/top.yaml", options, &used, &none);
  ASSERT_TRUE(pack.has_value()) << none.ToStatus();
  EXPECT_EQ(pack->places[0].ToString(), directory_ + "/packs/below/one.yaml:4:5");
}

}  // namespace
}  // namespace dragnet::console
