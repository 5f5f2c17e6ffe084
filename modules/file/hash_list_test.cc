#include "modules/file/hash_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/text.h"

namespace dragnet::file {
namespace {

using testing::HasSubstr;

TEST(HashList, TakesToolsOutputCommentsAndKinds) {
  const std::string md5(32, 'a'), sha1(40, 'B'), sha256(64, '0');
  const absl::StatusOr<HashList> list =
      HashList::Parse("# feed\r\n\n" + md5 + "\n  " + sha1 + " # why\r\n" + sha256 +
                      "  ./name with spaces\n" + md5);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->size(), 3u);
  EXPECT_TRUE(list->Contains(std::string(16, '\xaa')));
  EXPECT_TRUE(list->Contains(std::string(20, '\xbb')));
  EXPECT_TRUE(list->Contains(std::string(32, '\0')));
  EXPECT_FALSE(list->Contains(std::string(32, '\1')));
  EXPECT_FALSE(list->Contains(""));
  EXPECT_EQ(list->kinds(),
            Bit(DigestKind::kMd5) | Bit(DigestKind::kSha1) | Bit(DigestKind::kSha256));
}

TEST(HashList, ARefusalNamesTheLine) {
  EXPECT_THAT(HashList::Parse("\n#\nbad\n").status().message(), HasSubstr("line 3: 'bad'"));
  EXPECT_THAT(HashList::Parse(std::string(33, 'a')).status().message(), HasSubstr("line 1"));
  EXPECT_THAT(HashList::Parse("# nothing\n").status().message(), HasSubstr("no hash"));
}

TEST(HashList, AHundredThousandAreFoundAndNoOther) {
  std::string text;
  for (uint32_t i = 0; i < 100'000; ++i) {
    std::string bytes(32, '\7');
    for (int shift = 0; shift < 4; ++shift) bytes[shift] = static_cast<char>(i * 7 >> 8 * shift);
    text += HexEncode(bytes) + "\n";
  }
  const absl::StatusOr<HashList> list = HashList::Parse(text);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->size(), 100'000u);
  for (uint32_t i = 0; i < 700'000; ++i) {
    std::string bytes(32, '\7');
    for (int shift = 0; shift < 4; ++shift) bytes[shift] = static_cast<char>(i >> 8 * shift);
    ASSERT_EQ(list->Contains(bytes), i % 7 == 0) << i;
  }
}

TEST(HashList, HasAnEnd) {
  std::string text;
  for (size_t i = 0; i <= kMaxHashListEntries; ++i) text += std::string(32, 'a') + "\n";
  EXPECT_THAT(HashList::Parse(text).status().message(), HasSubstr("line 250001: more than"));
}

}  // namespace
}  // namespace dragnet::file
