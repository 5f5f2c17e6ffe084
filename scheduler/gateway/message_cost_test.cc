#include "scheduler/gateway/message_cost.h"

#include <gtest/gtest.h>

#include <string>

#include "dragnet/v1/agent_gateway.pb.h"

namespace dragnet::scheduler {
namespace {

// What it really takes, parsed.
size_t SizeInMemory(const std::string& serialised) {
  v1::AgentMessage message;
  EXPECT_TRUE(message.ParseFromString(serialised));
  return message.SpaceUsedLong();
}

void ExpectBound(const v1::AgentMessage& message, bool is_record) {
  const std::string serialised = message.SerializeAsString();
  const auto cost = CostOfAgentMessage(serialised);
  ASSERT_TRUE(cost.ok()) << cost.status();
  EXPECT_EQ(cost->is_record, is_record);
  EXPECT_GE(cost->bytes, SizeInMemory(serialised) + serialised.size());
}

TEST(MessageCostTest, EmptyRowsAreCountedAtWhatTheyGrowTo) {
  v1::AgentMessage message;
  for (int i = 0; i < 700'000; ++i) message.mutable_record()->mutable_rows()->add_rows();
  EXPECT_LT(message.ByteSizeLong(), 1'500'000u);
  ExpectBound(message, true);
  EXPECT_GT(CostOfAgentMessage(message.SerializeAsString())->bytes, 40'000'000u);
}

TEST(MessageCostTest, OrdinaryRowsAreNotCountedAtManyTimesTheirSize) {
  v1::AgentMessage message;
  for (int i = 0; i < 1000; ++i)
    message.mutable_record()->mutable_rows()->add_rows(std::string(200, 'x'));
  ExpectBound(message, true);
  EXPECT_LT(CostOfAgentMessage(message.SerializeAsString())->bytes, 4 * message.ByteSizeLong());
}

TEST(MessageCostTest, EveryKindOfMessageIsBounded) {
  v1::AgentMessage summary;
  for (int i = 0; i < 10'000; ++i)
    summary.mutable_record()->mutable_summary()->mutable_module()->add_unexamined()->add_examples();
  ExpectBound(summary, true);

  v1::AgentMessage hello;
  for (int i = 0; i < 10'000; ++i)
    (*hello.mutable_hello()->mutable_facts()->mutable_tags())[std::to_string(i)] = "";
  ExpectBound(hello, false);

  v1::AgentMessage heartbeat;
  heartbeat.mutable_heartbeat()->mutable_now()->set_seconds(1);
  ExpectBound(heartbeat, false);
}

TEST(MessageCostTest, FieldsOfNoVersionAreCountedToo) {
  std::string varints;
  for (int i = 0; i < 500'000; ++i) varints += "\x78\x01";  // field 15
  const auto cost = CostOfAgentMessage(varints);
  ASSERT_TRUE(cost.ok());
  EXPECT_GE(cost->bytes, SizeInMemory(varints));
}

TEST(MessageCostTest, ARecordBesideOtherContentIsARecord) {
  // The last one of a oneof counts; a parser reads both.
  v1::AgentMessage record;
  record.mutable_record()->set_sequence(1);
  v1::AgentMessage heartbeat;
  heartbeat.mutable_heartbeat();
  const auto cost = CostOfAgentMessage(record.SerializeAsString() + heartbeat.SerializeAsString());
  ASSERT_TRUE(cost.ok());
  EXPECT_TRUE(cost->is_record);
}

TEST(MessageCostTest, WhatIsNotAMessageIsRefused) {
  EXPECT_FALSE(CostOfAgentMessage("\x12\x7f").ok());              // longer than what is there
  EXPECT_FALSE(CostOfAgentMessage("\x12\x04\x2a\x7f\x0a").ok());  // an inner one, likewise
  EXPECT_FALSE(CostOfAgentMessage("\x7b\x7c").ok());              // a group
  EXPECT_FALSE(CostOfAgentMessage("\xff\xff\xff\xff\xff\xff").ok());
  EXPECT_TRUE(CostOfAgentMessage("").ok());
}

}  // namespace
}  // namespace dragnet::scheduler
