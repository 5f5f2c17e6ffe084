#include "core/file_io.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>

#include "core/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::HasSubstr;

class FileIoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/dragnet-io-XXXXXX";
    directory_ = ::mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  size_t Entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(directory_), {}));
  }
  std::string directory_;
};

TEST_F(FileIoTest, WritesWholeFilesWithTheModeGiven) {
  const std::string path = directory_ + "/a";
  ASSERT_TRUE(WriteFileAtomically(path, "one", 0640).ok());
  ASSERT_TRUE(WriteFileAtomically(path, "two", 0600).ok());
  EXPECT_EQ(*ReadFile(path), "two");
  struct stat info;
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(FileIoTest, NewFilesReplaceNothing) {
  const std::string path = directory_ + "/a";
  ASSERT_TRUE(WriteNewFile(path, "one", 0600).ok());
  EXPECT_EQ(WriteNewFile(path, "two", 0600).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*ReadFile(path), "one");
  EXPECT_EQ(Entries(), 1u);
}

TEST_F(FileIoTest, AFullDiskLeavesTheOldContentAndNoRest) {
  // RLIMIT_FSIZE would kill the test; /dev/full fails the same way as a full disk.
  const UniqueFd full(::open("/dev/full", O_WRONLY));
  ASSERT_TRUE(full.valid());
  EXPECT_EQ(WriteAll(full.get(), "x").code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FileIoTest, ErrorsNameThePathAndTheSystemsWords) {
  EXPECT_THAT(std::string(ReadFile(directory_ + "/nosuch").status().message()),
              HasSubstr(directory_ + "/nosuch: No such file or directory"));
  EXPECT_FALSE(WriteFileAtomically(directory_ + "/no/such", "x", 0600).ok());
}

TEST_F(FileIoTest, LargerThanTheBoundIsRefused) {
  ASSERT_TRUE(WriteFileAtomically(directory_ + "/a", "12345", 0600).ok());
  EXPECT_TRUE(ReadFile(directory_ + "/a", 5).ok());
  EXPECT_EQ(ReadFile(directory_ + "/a", 4).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(ReadFile("/dev/zero", 1 << 20).ok());
}

TEST_F(FileIoTest, SecretsBehindFifosAndDirectoriesAreRefused) {
  ASSERT_EQ(::mkfifo((directory_ + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(ReadSecretFile(directory_ + "/fifo").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(ReadSecretFile(directory_).ok());
}

TEST_F(FileIoTest, MakesDirectoriesAndAcceptsThoseThere) {
  EXPECT_TRUE(MakeDirectories(directory_ + "/a/b/c", 0700).ok());
  EXPECT_TRUE(MakeDirectories(directory_ + "/a/b/c", 0700).ok());
  ASSERT_TRUE(WriteNewFile(directory_ + "/file", "", 0600).ok());
  struct stat info;
  const mode_t before = ::umask(077);
  EXPECT_TRUE(MakeDirectories(directory_ + "/open", 0711).ok());
  ::umask(before);
  ASSERT_EQ(::stat((directory_ + "/open").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0711u) << "whatever the umask";
  EXPECT_FALSE(MakeDirectories(directory_ + "/file", 0700).ok());
  EXPECT_FALSE(MakeDirectories(directory_ + "/file/x", 0700).ok());
}

}  // namespace
}  // namespace dragnet
