#include "scheduler/blobs/blob_files.h"

#include <filesystem>

#include "absl/time/clock.h"
#include "core/action.h"
#include "core/keys.h"
#include "gmock/gmock.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

class BlobFilesTest : public testing::Test {
 protected:
  BlobFilesTest() : files_(*BlobFiles::Open(directory_.path() + "/blobs", 1 << 20)) {}

  static v1::PutBlobPartRequest Part(const std::string& content, uint64_t offset, size_t length) {
    v1::PutBlobPartRequest part;
    part.set_sha256(Sha256(content));
    part.set_size(content.size());
    part.set_offset(offset);
    part.set_data(content.substr(offset, length));
    return part;
  }
  static size_t Count(const std::string& directory) {
    const auto files = std::filesystem::directory_iterator(directory);
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  TemporaryDirectory directory_;
  std::unique_ptr<BlobFiles> files_;
};

TEST_F(BlobFilesTest, ABlobIsThereAfterItsLastPart) {
  const std::string content = "rules";
  ASSERT_TRUE(files_->PutPart("alice", Part(content, 0, 3)).ok());
  EXPECT_FALSE(files_->Has(Sha256(content)));
  ASSERT_TRUE(files_->PutPart("alice", Part(content, 3, 2)).ok());
  EXPECT_TRUE(files_->Has(Sha256(content)));
  EXPECT_EQ(*files_->ReadPart(Sha256(content), 0), "rules");
  EXPECT_EQ(*files_->ReadPart(Sha256(content), 3), "es");
  EXPECT_EQ(*files_->ReadPart(Sha256(content), 5), "");
  // Again changes nothing.
  EXPECT_TRUE(files_->PutPart("bob", Part(content, 0, 5)).ok());
}

TEST_F(BlobFilesTest, ContentThatIsNotWhatItsDigestSaysIsRefused) {
  v1::PutBlobPartRequest part = Part("rules", 0, 5);
  part.set_data("RULES");
  EXPECT_TRUE(absl::IsInvalidArgument(files_->PutPart("mallory", part)));
  EXPECT_FALSE(files_->Has(Sha256("rules")));
  EXPECT_EQ(Count(directory_.path() + "/blobs"), 0u);
}

TEST_F(BlobFilesTest, OnesUploadDoesNotSpoilAnothers) {
  ASSERT_TRUE(files_->PutPart("alice", Part("rules", 0, 3)).ok());
  v1::PutBlobPartRequest poison = Part("rules", 0, 3);
  poison.set_data("xxx");
  ASSERT_TRUE(files_->PutPart("mallory", poison).ok());
  ASSERT_TRUE(files_->PutPart("alice", Part("rules", 3, 2)).ok());
  EXPECT_EQ(*files_->ReadPart(Sha256("rules"), 0), "rules");
}

TEST_F(BlobFilesTest, PartsComeInOrderAndWithinTheirSize) {
  EXPECT_TRUE(absl::IsFailedPrecondition(files_->PutPart("alice", Part("rules", 3, 2))));
  v1::PutBlobPartRequest over = Part("rules", 3, 2);
  over.set_data("es and more");
  EXPECT_TRUE(absl::IsInvalidArgument(files_->PutPart("alice", over)));
  v1::PutBlobPartRequest huge = Part("rules", 0, 5);
  huge.set_size(kMaxBlobBytes + 1);
  EXPECT_TRUE(absl::IsInvalidArgument(files_->PutPart("alice", huge)));
  v1::PutBlobPartRequest wrap = Part("rules", 0, 5);
  wrap.set_offset(UINT64_MAX - 1);
  EXPECT_TRUE(absl::IsInvalidArgument(files_->PutPart("alice", wrap)));
  v1::PutBlobPartRequest path = Part("rules", 0, 5);
  path.set_sha256("../../../../etc/passwd");
  EXPECT_TRUE(absl::IsInvalidArgument(files_->PutPart("alice", path)));
  EXPECT_EQ(*files_->ReadPart("../../../../etc/passwd", 0), "");
}

TEST_F(BlobFilesTest, TheRoomForBlobsIsBounded) {
  const std::string large(600'000, 'x');
  for (size_t offset = 0; offset < large.size(); offset += kMaxBlobPartBytes) {
    ASSERT_TRUE(files_->PutPart("alice", Part(large, offset, kMaxBlobPartBytes)).ok());
  }
  EXPECT_TRUE(absl::IsResourceExhausted(
      files_->PutPart("alice", Part(std::string(600'000, 'y'), 0, kMaxBlobPartBytes))));
}

TEST_F(BlobFilesTest, ManyThatBeganTogetherDoNotGoOverTheRoom) {
  const auto content = [](char c) { return std::string(600'000, c); };
  for (char c = 'a'; c < 'f'; ++c) {
    ASSERT_TRUE(files_->PutPart("mallory", Part(content(c), 0, 1)).ok());
  }
  absl::Status status;
  for (char c = 'a'; c < 'f'; ++c) {
    for (size_t offset = 1; offset < 600'000 && status.ok(); offset += kMaxBlobPartBytes) {
      status = files_->PutPart("mallory", Part(content(c), offset, kMaxBlobPartBytes));
    }
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  uint64_t total = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path() + "/blobs")) {
    total += entry.file_size();
  }
  EXPECT_LE(total, uint64_t{1} << 20);
}

TEST_F(BlobFilesTest, TinyOnesDoNotFillTheDirectory) {
  absl::Status status;
  int count = 0;
  while (status.ok() && count < 1000) {
    const std::string content = std::to_string(count);
    status = files_->PutPart("mallory", Part(content, 0, content.size()));
    if (status.ok()) ++count;
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(Count(directory_.path() + "/blobs"), 64u);  // of 16 KiB, in 1 MiB
  // A later process counts the same.
  files_ = *BlobFiles::Open(directory_.path() + "/blobs", 1 << 20);
  EXPECT_TRUE(absl::IsResourceExhausted(files_->PutPart("mallory", Part("more", 0, 4))));
  files_->RemoveUnused(absl::Now() + absl::Hours(25));
  EXPECT_TRUE(files_->PutPart("alice", Part("more", 0, 4)).ok());
}

TEST_F(BlobFilesTest, APartThatIsNotTheNextLeavesNoFile) {
  EXPECT_TRUE(absl::IsFailedPrecondition(files_->PutPart("mallory", Part("rules", 3, 2))));
  EXPECT_EQ(Count(directory_.path() + "/blobs"), 0u);
}

TEST_F(BlobFilesTest, WhatAValidActionNamesStaysAndTheRestGoesAfterADay) {
  const absl::Time now = absl::Now();
  ASSERT_TRUE(files_->PutPart("alice", Part("kept", 0, 4)).ok());
  ASSERT_TRUE(files_->PutPart("alice", Part("unused", 0, 6)).ok());
  ASSERT_TRUE(files_->KeepUntil(Sha256("kept"), now + absl::Hours(24 * 30)).ok());
  files_->RemoveUnused(now + absl::Hours(1));
  EXPECT_TRUE(files_->Has(Sha256("unused")));
  files_->RemoveUnused(now + absl::Hours(26));
  EXPECT_TRUE(files_->Has(Sha256("kept")));
  EXPECT_FALSE(files_->Has(Sha256("unused")));
  files_->RemoveUnused(now + absl::Hours(24 * 32));
  EXPECT_FALSE(files_->Has(Sha256("kept")));
}

}  // namespace
}  // namespace dragnet::scheduler
