#include "agent/monitor/blob_cache.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/keys.h"
#include "core/text.h"
#include "gmock/gmock.h"

namespace dragnet {
namespace {

class BlobCacheTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/dragnet-blob-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  BlobCache Open(uint64_t max_bytes = BlobCache::kMaxBytes) const {
    absl::StatusOr<BlobCache> cache = BlobCache::Open(directory_ + "/blobs", max_bytes);
    EXPECT_TRUE(cache.ok()) << cache.status();
    return *std::move(cache);
  }
  static v1::Blob BlobOf(const std::string& content) {
    v1::Blob blob;
    blob.set_sha256(Sha256(content));
    blob.set_size(content.size());
    return blob;
  }
  static v1::BlobPart Part(const v1::Blob& blob, uint64_t offset, const std::string& data) {
    v1::BlobPart part;
    part.set_sha256(blob.sha256());
    part.set_offset(offset);
    part.set_data(data);
    return part;
  }
  static std::string Read(const UniqueFd& file) {
    char buffer[256];
    const ssize_t count = ::pread(file.get(), buffer, sizeof buffer, 0);
    return count < 0 ? "" : std::string(buffer, static_cast<size_t>(count));
  }
  size_t FileCount() const {
    const auto files = std::filesystem::directory_iterator(directory_ + "/blobs");
    return static_cast<size_t>(std::distance(begin(files), end(files)));
  }

  std::string directory_;
};

TEST_F(BlobCacheTest, ABlobThatCameInPartsIsThereAfterTheLast) {
  BlobCache cache = Open();
  const v1::Blob blob = BlobOf("hello world");
  EXPECT_TRUE(absl::IsNotFound(cache.Find(blob).status()));
  EXPECT_FALSE(cache.NextRequest().has_value());
  cache.StartFetch(blob);
  EXPECT_EQ(cache.NextRequest()->offset(), 0u);
  ASSERT_TRUE(cache.AddPart(Part(blob, 0, "hello ")).ok());
  EXPECT_EQ(cache.NextRequest()->offset(), 6u);
  EXPECT_TRUE(absl::IsNotFound(cache.Find(blob).status()));
  ASSERT_TRUE(cache.AddPart(Part(blob, 6, "world")).ok());
  EXPECT_FALSE(cache.is_fetching());
  ASSERT_TRUE(cache.Find(blob).ok());
  EXPECT_EQ(Read(*cache.Find(blob)), "hello world");
  // Another process finds it, too.
  BlobCache again = Open();
  EXPECT_TRUE(again.Find(blob).ok());
}

TEST_F(BlobCacheTest, ContentWithAnotherDigestIsRefusedAndNothingStays) {
  BlobCache cache = Open();
  const v1::Blob blob = BlobOf("rule a { condition: true }");
  cache.StartFetch(blob);
  EXPECT_TRUE(absl::IsDataLoss(cache.AddPart(Part(blob, 0, "rule b { condition: true }"))));
  EXPECT_FALSE(cache.is_fetching());
  EXPECT_FALSE(cache.Find(blob).ok());
  EXPECT_EQ(FileCount(), 0u);
}

TEST_F(BlobCacheTest, MoreThanTheActionSaysIsRefused) {
  BlobCache cache = Open();
  const v1::Blob blob = BlobOf("short");
  cache.StartFetch(blob);
  EXPECT_TRUE(absl::IsDataLoss(cache.AddPart(Part(blob, 0, "short and more"))));
  EXPECT_EQ(FileCount(), 0u);
}

TEST_F(BlobCacheTest, WhatWasNotAskedForChangesNothing) {
  BlobCache cache = Open();
  const v1::Blob blob = BlobOf("content");
  EXPECT_TRUE(cache.AddPart(Part(blob, 0, "content")).ok());
  EXPECT_FALSE(cache.Find(blob).ok());
  cache.StartFetch(blob);
  EXPECT_TRUE(cache.AddPart(Part(BlobOf("another"), 0, "another")).ok());
  EXPECT_TRUE(cache.AddPart(Part(blob, 3, "tent")).ok());
  EXPECT_EQ(cache.NextRequest()->offset(), 0u);
  EXPECT_EQ(FileCount(), 0u);
}

TEST_F(BlobCacheTest, ASchedulerThatDoesNotHaveItSaysSo) {
  BlobCache cache = Open();
  const v1::Blob blob = BlobOf("content");
  cache.StartFetch(blob);
  EXPECT_TRUE(absl::IsNotFound(cache.AddPart(Part(blob, 0, ""))));
  EXPECT_FALSE(cache.is_fetching());
}

TEST_F(BlobCacheTest, TheLeastRecentlyUsedGoesWhenThereIsNoRoom) {
  BlobCache cache = Open(/*max_bytes=*/20);
  const v1::Blob first = BlobOf("0123456789");
  const v1::Blob second = BlobOf("abcdefghij");
  for (const auto& [blob, content] : {std::pair(first, "0123456789"), {second, "abcdefghij"}}) {
    cache.StartFetch(blob);
    ASSERT_TRUE(cache.AddPart(Part(blob, 0, content)).ok());
  }
  // Older than the other by the clock of the file system, whatever its grain.
  std::filesystem::last_write_time(
      directory_ + "/blobs/" + HexEncode(second.sha256()),
      std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  const v1::Blob third = BlobOf("ABCDEFGHIJ");
  cache.StartFetch(third);
  ASSERT_TRUE(cache.AddPart(Part(third, 0, "ABCDEFGHIJ")).ok());
  EXPECT_TRUE(cache.Find(first).ok());
  EXPECT_FALSE(cache.Find(second).ok());
  EXPECT_TRUE(cache.Find(third).ok());
}

TEST_F(BlobCacheTest, WhatIsOnlyLookedForDoesNotPushOutWhatComes) {
  BlobCache cache = Open(/*max_bytes=*/20);
  const v1::Blob looked_for = BlobOf("0123456789");
  const v1::Blob used = BlobOf("abcdefghij");
  for (const auto& [blob, content] : {std::pair(looked_for, "0123456789"), {used, "abcdefghij"}}) {
    cache.StartFetch(blob);
    ASSERT_TRUE(cache.AddPart(Part(blob, 0, content)).ok());
    std::filesystem::last_write_time(
        directory_ + "/blobs/" + HexEncode(blob.sha256()),
        std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  }
  cache.NoteUse(used);
  EXPECT_TRUE(cache.Find(looked_for).ok());
  const v1::Blob third = BlobOf("ABCDEFGHIJ");
  cache.StartFetch(third);
  ASSERT_TRUE(cache.AddPart(Part(third, 0, "ABCDEFGHIJ")).ok());
  EXPECT_FALSE(cache.Find(looked_for).ok());
  EXPECT_TRUE(cache.Find(used).ok());
}

TEST_F(BlobCacheTest, AFileOfAnotherSizeInItsPlaceIsNotIt) {
  BlobCache cache = Open();
  const v1::Blob blob = BlobOf("content");
  std::ofstream(directory_ + "/blobs/" + HexEncode(blob.sha256())) << "cont";
  EXPECT_FALSE(cache.Find(blob).ok());
}

}  // namespace
}  // namespace dragnet
