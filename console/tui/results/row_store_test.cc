#include "console/tui/results/row_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "console/tui/testing/full_disk.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

using ::testing::HasSubstr;
using Strings = google::protobuf::RepeatedPtrField<std::string>;

Strings Rows(int from, int count) {
  Strings rows;
  for (int i = from; i < from + count; ++i) *rows.Add() = StrCat("row ", i);
  return rows;
}

std::shared_ptr<ScratchFile> Scratch() { return *NewScratchFile(::testing::TempDir()); }

TEST(RowStoreTest, RowsComeBackAsTheyWent) {
  RowStore store(Scratch());
  for (int agent = 0; agent < 100; ++agent)
    ASSERT_TRUE(store.Append(static_cast<uint32_t>(agent), Rows(agent * 1000, 1000)).ok());
  ASSERT_EQ(store.size(), 100'000u);
  RowReader reader(store);
  std::string_view bytes;
  uint32_t agent = 0;
  for (uint32_t row = 0; row < store.size(); ++row) {
    ASSERT_TRUE(reader.Read(row, &bytes, &agent).ok());
    ASSERT_EQ(bytes, StrCat("row ", row));
    ASSERT_EQ(agent, row / 1000);
  }
  // In no order.
  for (uint32_t i = 0; i < 1000; ++i) {
    const uint32_t row = i * 7919 % store.size();
    ASSERT_TRUE(reader.Read(row, &bytes, &agent).ok());
    ASSERT_EQ(bytes, StrCat("row ", row));
  }
  EXPECT_EQ(reader.Read(store.size(), &bytes, &agent).code(), absl::StatusCode::kOutOfRange);
}

TEST(RowStoreTest, EmptyAndLargeRowsAreRowsToo) {
  RowStore store(Scratch());
  Strings rows;
  rows.Add();
  *rows.Add() = std::string(1 << 20, 'x');
  rows.Add();
  ASSERT_TRUE(store.Append(RowStore::kMaxAgents - 1, rows).ok());
  RowReader reader(store);
  std::string_view bytes;
  uint32_t agent = 0;
  ASSERT_TRUE(reader.Read(1, &bytes, &agent).ok());
  EXPECT_EQ(bytes.size(), size_t{1} << 20);
  EXPECT_EQ(agent, RowStore::kMaxAgents - 1);
  ASSERT_TRUE(reader.Read(2, &bytes, &agent).ok());
  EXPECT_EQ(bytes, "");
}

TEST(RowStoreTest, AMillionRowsTakeTwelveBytesEachInMemory) {
  RowStore store(Scratch());
  Strings rows;
  for (int i = 0; i < 1000; ++i) *rows.Add() = "x";
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(store.Append(0, rows).ok());
  EXPECT_EQ(store.size(), 1'000'000u);
  // To the next whole block.
  EXPECT_LE(store.memory_bytes(), size_t{12} * (1'000'000 + 65'536));
}

TEST(RowStoreTest, AFullDiskIsSaidAndWhatWasReadStaysGood) {
  auto disk = std::make_shared<testing::FullDisk>(Scratch(), 100);
  RowStore store(disk);
  ASSERT_TRUE(store.Append(1, Rows(0, 10)).ok());
  const absl::Status status = store.Append(2, Rows(10, 10));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("No space left on device"));
  // All of an agent's rows or none.
  EXPECT_EQ(store.size(), 10u);
  RowReader reader(store);
  std::string_view bytes;
  uint32_t agent = 0;
  for (uint32_t row = 0; row < 10; ++row) {
    ASSERT_TRUE(reader.Read(row, &bytes, &agent).ok());
    EXPECT_EQ(bytes, StrCat("row ", row));
  }
  // There is room again.
  disk->room = 1000;
  ASSERT_TRUE(store.Append(2, Rows(10, 10)).ok());
  ASSERT_TRUE(reader.Read(19, &bytes, &agent).ok());
  EXPECT_EQ(bytes, "row 19");
}

TEST(RowStoreTest, AgentsBeyondTheIndexAreRefused) {
  RowStore store(Scratch());
  EXPECT_EQ(store.Append(RowStore::kMaxAgents, Rows(0, 1)).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(RowStoreTest, RowsAreReadWhileOthersCome) {
  RowStore store(Scratch());
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 2000; ++i) ASSERT_TRUE(store.Append(3, Rows(i * 10, 10)).ok());
    done.store(true);
  });
  const auto read = [&] {
    RowReader reader(store);
    std::string_view bytes;
    uint32_t agent = 0;
    while (!done.load()) {
      const uint32_t size = store.size();
      for (uint32_t row = size - std::min<uint32_t>(size, 50); row < size; ++row) {
        ASSERT_TRUE(reader.Read(row, &bytes, &agent).ok());
        ASSERT_EQ(bytes, StrCat("row ", row));
      }
    }
  };
  std::thread first(read);
  std::thread second(read);
  writer.join();
  first.join();
  second.join();
  EXPECT_EQ(store.size(), 20'000u);
}

TEST(ScratchFileTest, NoOneFindsItByName) {
  const auto file = Scratch();
  ASSERT_TRUE(file->Append("secret").ok());
  std::string bytes;
  ASSERT_TRUE(file->Read(0, 100, &bytes).ok());
  EXPECT_EQ(bytes, "secret");
}

TEST(ScratchFileTest, ADirectoryThatCanNotBeWrittenIsNamed) {
  const auto file = NewScratchFile("/proc/self");
  ASSERT_FALSE(file.ok());
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("/proc/self"));
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("TMPDIR"));
}

}  // namespace
}  // namespace dragnet::console::tui
