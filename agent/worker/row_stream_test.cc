#include "agent/worker/row_stream.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "agent/ipc/frame.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

int64_t fake_now = 1;
int64_t FakeClock() { return fake_now; }

// Any message serves as a row.
v1::Unexamined Row(std::string text) {
  v1::Unexamined row;
  row.set_reason(std::move(text));
  return row;
}

class RowStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    fake_now = 1;
    ::signal(SIGPIPE, SIG_IGN);
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read_end_.Reset(ends[0]);
    write_end_.Reset(ends[1]);
    // Room for everything that a test writes before it reads.
    ASSERT_GE(::fcntl(write_end_.get(), F_SETPIPE_SZ, 1 << 20), 1 << 20);
  }

  // Everything that was written, and the end of it.
  std::vector<ipc::WorkerToMonitor> Written() {
    write_end_.Reset();
    std::vector<ipc::WorkerToMonitor> messages;
    for (;;) {
      ipc::WorkerToMonitor message;
      absl::Status status = ReadFrame(read_end_.get(), &message);
      if (absl::IsOutOfRange(status)) return messages;
      EXPECT_TRUE(status.ok()) << status;
      if (!status.ok()) return messages;
      messages.push_back(std::move(message));
    }
  }

  // Bytes that are waiting to be read.
  bool SomethingWasWritten() {
    char byte;
    int flags = ::fcntl(read_end_.get(), F_GETFL);
    ::fcntl(read_end_.get(), F_SETFL, flags | O_NONBLOCK);
    bool some = ::read(read_end_.get(), &byte, 1) == 1;
    ::fcntl(read_end_.get(), F_SETFL, flags);
    return some;
  }

  UniqueFd read_end_;
  UniqueFd write_end_;
};

TEST_F(RowStreamTest, FirstRowLeavesAtOnceAndTheRestAsABatch) {
  RowStream stream(write_end_.get(), ipc::Job::FORMAT_PROTO, &FakeClock);
  for (const char* text : {"a", "b", "c"}) EXPECT_TRUE(stream.EmitRow(Row(text)));
  ASSERT_TRUE(stream.Finish().ok());
  auto messages = Written();
  ASSERT_THAT(messages, SizeIs(3));
  EXPECT_THAT(messages[0].rows().rows(), ElementsAre(Row("a").SerializeAsString()));
  EXPECT_THAT(messages[1].rows().rows(),
              ElementsAre(Row("b").SerializeAsString(), Row("c").SerializeAsString()));
  EXPECT_TRUE(messages[2].has_summary());
}

TEST_F(RowStreamTest, OldBatchLeavesWithTheNextReport) {
  RowStream stream(write_end_.get(), ipc::Job::FORMAT_PROTO, &FakeClock);
  stream.EmitRow(Row("a"));
  stream.EmitRow(Row("b"));
  stream.AddExamined(1, 1);
  fake_now += kMaxBatchAgeNanoseconds;
  stream.AddExamined(1, 1);
  stream.EmitRow(Row("c"));
  fake_now += kMaxBatchAgeNanoseconds;
  stream.EmitRow(Row("d"));
  auto messages = Written();
  ASSERT_THAT(messages, SizeIs(3));
  EXPECT_THAT(messages[1].rows().rows(), SizeIs(1));
  EXPECT_THAT(messages[2].rows().rows(), SizeIs(2));
}

TEST_F(RowStreamTest, NoMessageIsOverItsBound) {
  RowStream stream(write_end_.get(), ipc::Job::FORMAT_PROTO, &FakeClock);
  for (int i = 0; i < 9; ++i) stream.EmitRow(Row(std::string(60'000, 'x')));
  for (int i = 0; i < 30'000; ++i) stream.EmitRow(Row("y"));
  ASSERT_TRUE(stream.Finish().ok());
  int rows = 0;
  for (const ipc::WorkerToMonitor& message : Written()) {
    EXPECT_LE(message.ByteSizeLong(), kMaxRowsMessageBytes);
    rows += message.rows().rows_size();
  }
  EXPECT_EQ(rows, 30'009);
}

TEST_F(RowStreamTest, RowThatIsTooLargeIsReportedAsNotLookedAt) {
  RowStream stream(write_end_.get(), ipc::Job::FORMAT_PROTO, &FakeClock);
  EXPECT_TRUE(stream.EmitRow(Row(std::string(kMaxRowBytes, 'x'))));
  ASSERT_TRUE(stream.Finish().ok());
  auto messages = Written();
  ASSERT_THAT(messages, SizeIs(1));
  ASSERT_THAT(messages[0].summary().unexamined(), SizeIs(1));
  EXPECT_EQ(messages[0].summary().unexamined(0).reason(), "row too large");
  EXPECT_LE(messages[0].summary().unexamined(0).examples(0).size(), kMaxExampleBytes);
}

TEST_F(RowStreamTest, JsonRowsAreOneObjectOnOneLine) {
  RowStream stream(write_end_.get(), ipc::Job::FORMAT_JSON, &FakeClock);
  v1::ModuleSummary row;
  row.set_items_examined(3);
  row.add_limits_hit("a\nb");
  stream.EmitRow(row);
  auto messages = Written();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_THAT(messages[0].rows().rows(),
              ElementsAre("{\"itemsExamined\":\"3\",\"limitsHit\":[\"a\\nb\"]}"));
}

TEST_F(RowStreamTest, ReasonsAreCountedAndBounded) {
  RowStream stream(write_end_.get(), ipc::Job::FORMAT_PROTO, &FakeClock);
  for (int i = 0; i < 10; ++i) stream.NoteUnexamined("Permission denied", StrCat("/", i));
  for (int i = 0; i < 1000; ++i) stream.NoteUnexamined(StrCat("reason ", i), "");
  ASSERT_TRUE(stream.Finish().ok());
  auto messages = Written();
  ASSERT_THAT(messages, SizeIs(1));
  const v1::ModuleSummary& summary = messages[0].summary();
  ASSERT_THAT(summary.unexamined(), SizeIs(kMaxReasons));
  EXPECT_EQ(summary.unexamined(0).reason(), "Permission denied");
  EXPECT_EQ(summary.unexamined(0).count(), 10u);
  EXPECT_THAT(summary.unexamined(0).examples(), ElementsAre("/0", "/1", "/2", "/3", "/4"));
  uint64_t total = 0;
  bool others = false;
  for (const v1::Unexamined& unexamined : summary.unexamined()) {
    total += unexamined.count();
    others |= unexamined.reason() == "other reasons";
  }
  EXPECT_EQ(total, 1010u);
  EXPECT_TRUE(others);
}

TEST_F(RowStreamTest, HostileTextIsMadeValidAndShort) {
  RowStream stream(write_end_.get(), ipc::Job::FORMAT_PROTO, &FakeClock);
  stream.NoteUnexamined(std::string(1 << 20, '\xff'), std::string(1 << 20, '\xc3'));
  stream.NoteLimitHit(std::string(1 << 20, '\xf0'));
  for (int i = 0; i < 1000; ++i) stream.NoteLimitHit(StrCat("limit ", i % 500));
  ASSERT_TRUE(stream.Finish().ok());
  auto messages = Written();
  ASSERT_THAT(messages, SizeIs(1));
  const v1::ModuleSummary& summary = messages[0].summary();
  EXPECT_THAT(summary.unexamined(0).reason(),
              AllOf(testing::Truly(IsValidUtf8), SizeIs(testing::Le(kMaxReasonBytes))));
  EXPECT_THAT(summary.unexamined(0).examples(0),
              AllOf(testing::Truly(IsValidUtf8), SizeIs(testing::Le(kMaxExampleBytes))));
  EXPECT_THAT(summary.limits_hit(), SizeIs(kMaxLimitsHit));
  EXPECT_TRUE(IsValidUtf8(summary.limits_hit(0)));
}

TEST_F(RowStreamTest, ModuleIsToldToStopWhenTheReaderIsGone) {
  RowStream stream(write_end_.get(), ipc::Job::FORMAT_PROTO, &FakeClock);
  read_end_.Reset();
  EXPECT_FALSE(stream.stopping());
  EXPECT_FALSE(stream.EmitRow(Row("a")));
  EXPECT_TRUE(stream.stopping());
  EXPECT_FALSE(stream.EmitRow(Row("b")));
  EXPECT_FALSE(stream.Finish().ok());
}

TEST_F(RowStreamTest, FailureComesAfterTheRowsThatWereFound) {
  RowStream stream(write_end_.get(), ipc::Job::FORMAT_PROTO, &FakeClock);
  stream.EmitRow(Row("a"));
  stream.EmitRow(Row("b"));
  ASSERT_TRUE(stream.Fail(ipc::Failed::KIND_MODULE_ERROR, "\xff" + std::string(5000, 'x')).ok());
  auto messages = Written();
  ASSERT_THAT(messages, SizeIs(3));
  EXPECT_EQ(messages[2].failed().kind(), ipc::Failed::KIND_MODULE_ERROR);
  EXPECT_THAT(messages[2].failed().detail(),
              AllOf(testing::Truly(IsValidUtf8), SizeIs(testing::Le(1024u))));
}

TEST_F(RowStreamTest, RowsFromManyThreadsAllArrive) {
  RowStream stream(write_end_.get(), ipc::Job::FORMAT_PROTO);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        stream.EmitRow(Row("x"));
        stream.AddExamined(1, 2);
        stream.NoteUnexamined("reason", "example");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(stream.Finish().ok());
  int rows = 0;
  auto messages = Written();
  for (const ipc::WorkerToMonitor& message : messages) rows += message.rows().rows_size();
  EXPECT_EQ(rows, 2000);
  const v1::ModuleSummary& summary = messages.back().summary();
  EXPECT_EQ(summary.items_examined(), 2000u);
  EXPECT_EQ(summary.bytes_examined(), 4000u);
  EXPECT_EQ(summary.unexamined(0).count(), 2000u);
}

TEST_F(RowStreamTest, NothingIsWrittenBeforeThereIsSomethingToSay) {
  RowStream stream(write_end_.get(), ipc::Job::FORMAT_PROTO, &FakeClock);
  stream.AddExamined(1, 1);
  stream.NoteUnexamined("reason", "example");
  fake_now += 10 * kMaxBatchAgeNanoseconds;
  stream.AddExamined(1, 1);
  EXPECT_FALSE(SomethingWasWritten());
}

}  // namespace
}  // namespace dragnet
