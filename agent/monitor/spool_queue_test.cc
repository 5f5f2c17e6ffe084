#include "agent/monitor/spool_queue.h"

#include <stdlib.h>

#include <filesystem>

#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SpoolQueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/dragnet-queue-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    store_ = *StateStore::Open(directory_ + "/agent.db");
    queue_ = std::make_unique<SpoolQueue>(*store_);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  static v1::ResultRecord RowsOf(const std::string& action, uint64_t sequence,
                                 uint32_t operation = 0) {
    v1::ResultRecord record;
    record.set_action_id(action);
    record.set_operation(operation);
    record.set_sequence(sequence);
    record.mutable_rows()->add_rows("row");
    return record;
  }
  static v1::ResultRecord RefusalOf(const std::string& action, const std::string& digest) {
    v1::ResultRecord record;
    record.set_action_id(action);
    record.mutable_refusal()->set_envelope_sha256(digest);
    return record;
  }
  void Add(const v1::ResultRecord& record) {
    if (record.has_refusal()) {
      ASSERT_TRUE(*store_->AppendRefusal(record));
    } else {
      ASSERT_TRUE(store_->Append(std::vector{record}).ok());
    }
    queue_->Added(record);
  }
  // "action operation:sequence", or "action refusal digest"; at most `count` of them.
  std::vector<std::string> Send(size_t count = 1000) {
    std::vector<std::string> sent;
    while (sent.size() < count) {
      const auto next = queue_->Next();
      EXPECT_TRUE(next.ok()) << next.status();
      if (!next.ok() || !next->has_value()) break;
      v1::ResultRecord record;
      EXPECT_TRUE(record.ParseFromString((*next)->bytes));
      positions_[Name(record)] = (*next)->position;
      sent.push_back(Name(record));
    }
    return sent;
  }
  static std::string Name(const v1::ResultRecord& record) {
    if (record.has_refusal()) {
      return StrCat(record.action_id(), " refusal ", record.refusal().envelope_sha256());
    }
    return StrCat(record.action_id(), " ", record.operation(), ":", record.sequence());
  }

  std::string directory_;
  std::unique_ptr<StateStore> store_;
  std::unique_ptr<SpoolQueue> queue_;
  std::map<std::string, int64_t> positions_;
};

TEST_F(SpoolQueueTest, OperationsTakeTurnsAndEachStaysInOrder) {
  for (uint64_t i = 1; i <= 4; ++i) Add(RowsOf("flood", i));
  Add(RowsOf("a", 1));
  Add(RowsOf("a", 1, /*operation=*/1));
  Add(RowsOf("a", 2, /*operation=*/1));
  EXPECT_THAT(Send(), ElementsAre("flood 0:1", "a 0:1", "a 1:1", "flood 0:2", "a 1:2", "flood 0:3",
                                  "flood 0:4"));
  EXPECT_EQ(queue_->in_flight(), 7u);
  EXPECT_THAT(Send(), IsEmpty()) << "each once in a session";
}

TEST_F(SpoolQueueTest, WhatIsAddedLaterIsSentOnceAlsoToOneThatWasDone) {
  Add(RowsOf("a", 1));
  EXPECT_THAT(Send(), ElementsAre("a 0:1"));
  Add(RowsOf("a", 2));
  Add(RowsOf("a", 3));
  Add(RowsOf("b", 1));
  EXPECT_THAT(Send(), ElementsAre("a 0:2", "b 0:1", "a 0:3"));
}

TEST_F(SpoolQueueTest, ANewSessionSendsAllThatIsLeft) {
  for (const char* action : {"b", "a"}) {
    for (uint64_t i = 1; i <= 2; ++i) Add(RowsOf(action, i));
  }
  Add(RefusalOf("", "digest"));
  EXPECT_EQ(Send().size(), 5u);
  v1::RecordKey key;
  key.set_action_id("a");
  key.set_sequence(1);
  const auto positions = store_->Acknowledge(std::vector{key});
  ASSERT_TRUE(positions.ok());
  for (const int64_t position : *positions) queue_->Forgotten(position);
  EXPECT_EQ(queue_->in_flight(), 4u);
  ASSERT_TRUE(queue_->Restart().ok());
  EXPECT_EQ(queue_->in_flight(), 0u);
  EXPECT_THAT(Send(), ElementsAre(" refusal digest", "a 0:2", "b 0:1", "b 0:2"));
}

TEST_F(SpoolQueueTest, RefusalsOfOneActionAreEachSentOnceInWhateverOrderTheyCome) {
  Add(RowsOf("a", 1));
  Add(RefusalOf("a", "m"));
  EXPECT_THAT(Send(), ElementsAre("a refusal m", "a 0:1"));
  Add(RefusalOf("a", "b"));
  Add(RefusalOf("a", "z"));
  Add(RowsOf("a", 2));
  EXPECT_THAT(Send(), ElementsAre("a refusal b", "a refusal z", "a 0:2"));
  EXPECT_EQ(queue_->in_flight(), 5u);
  Add(RefusalOf("a", "m"));  // the same again
  EXPECT_THAT(Send(), IsEmpty());
}

}  // namespace
}  // namespace dragnet
