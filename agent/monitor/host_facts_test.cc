#include "agent/monitor/host_facts.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "core/target.h"
#include "core/uuid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::HasSubstr;

TEST(HostFactsTest, OsReleaseIsReadWithItsQuotes) {
  const auto values =
      ParseOsRelease("# comment\nID=debian\nVERSION_ID=\"12\"\nNAME='x y'\nbroken\n\xff=1\n");
  EXPECT_EQ(values.at("ID"), "debian");
  EXPECT_EQ(values.at("VERSION_ID"), "12");
  EXPECT_EQ(values.at("NAME"), "x y");
}

TEST(HostFactsTest, ThisHostHasWhatTargetsAskFor) {
  v1::Facts facts = CollectHostFacts();
  facts.set_id("id");
  EXPECT_TRUE(*TargetMatches("os='linux' and length(name)>0 and length(arch)>0", facts));
  EXPECT_TRUE(*TargetMatches("modules like '%\"file\"%' and boot_time>0", facts));
}

TEST(HostFactsTest, TheBootIdIsAUuidAndStaysTheSame) {
  EXPECT_TRUE(IsUuid(BootId()));
  EXPECT_EQ(BootId(), BootId());
}

// The image is hostile: its links lead into itself, and what isn't a file isn't read.
TEST(HostFactsTest, AnImagesDistributionIsReadWithinTheImage) {
  char pattern[] = "/tmp/dragnet-facts-XXXXXX";
  const std::string root = ::mkdtemp(pattern);
  std::filesystem::create_directories(root + "/etc");
  std::filesystem::create_directories(root + "/usr/lib");
  EXPECT_TRUE(absl::IsNotFound(CollectImageFacts(root).status));
  ASSERT_EQ(::mkfifo((root + "/etc/os-release").c_str(), 0644), 0);
  std::ofstream(root + "/usr/lib/os-release") << "VERSION_ID=7\n";
  // What is there and can't be read isn't passed over for what is in its stead.
  EXPECT_THAT(CollectImageFacts(root).status.message(), HasSubstr("not a regular file"));
  EXPECT_EQ(CollectImageFacts(root).facts.distribution(), "");
  std::filesystem::remove(root + "/etc/os-release");
  EXPECT_THAT(CollectImageFacts(root).status.message(), HasSubstr("no ID"));
  std::filesystem::create_symlink("/../../usr/lib/os-release", root + "/etc/os-release");
  std::ofstream(root + "/usr/lib/os-release") << "ID=\"image\"\nVERSION_ID=7\n";
  EXPECT_TRUE(CollectImageFacts(root).status.ok()) << CollectImageFacts(root).status;
  const v1::Facts facts = CollectImageFacts(root).facts;
  EXPECT_EQ(facts.distribution(), "image");
  EXPECT_EQ(facts.distribution_version(), "7");
  EXPECT_EQ(facts.os(), "linux");
  EXPECT_EQ(facts.arch(), CollectHostFacts().arch());
  EXPECT_EQ(facts.kernel(), "");
  std::filesystem::remove_all(root);
}

TEST(HostFactsTest, AnEmptyDirectoryIsNoImage) {
  char pattern[] = "/tmp/dragnet-facts-XXXXXX";
  const std::string root = ::mkdtemp(pattern);
  EXPECT_FALSE(LooksLikeAnImage(root));
  EXPECT_FALSE(LooksLikeAnImage(root + "/none"));
  std::filesystem::create_directories(root + "/proc");
  EXPECT_FALSE(LooksLikeAnImage(root));
  std::filesystem::create_symlink("usr/bin", root + "/bin");
  EXPECT_TRUE(LooksLikeAnImage(root));
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace dragnet
