// What comes from the network, read: records, a server's answers, subjects, URLs.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "core/strings.h"
#include "core/uuid.h"
#include "dragnet/v1/cluster.pb.h"
#include "scheduler/bus/bus.h"
#include "scheduler/bus/bus_conformance.h"
#include "scheduler/bus/jetstream.h"
#include "scheduler/bus/nats_options.h"
#include "scheduler/bus/record_message.h"

namespace dragnet::scheduler {
namespace {

constexpr uint32_t kPartitions = 8;

// A few bytes changed, cut or doubled.
std::string Damaged(std::string bytes, std::mt19937& random) {
  const auto any = [&](size_t below) {
    return std::uniform_int_distribution<size_t>(0, below - 1)(random);
  };
  for (size_t i = any(6) + 1; i > 0 && !bytes.empty(); --i) {
    switch (any(4)) {
      case 0:
        bytes[any(bytes.size())] = static_cast<char>(any(256));
        break;
      case 1:
        bytes.resize(any(bytes.size() + 1));
        break;
      case 2:
        bytes.insert(any(bytes.size() + 1), bytes.substr(any(bytes.size()), any(20) + 1));
        break;
      default:
        bytes.erase(any(bytes.size()), any(4) + 1);
    }
  }
  return bytes;
}

TEST(RecordMessageTest, PartitionOfAnAgentIsTheSameForEver) {
  // Records that wait in a stream were put there by an older scheduler.
  EXPECT_EQ(PartitionOf("00000000-0000-4000-8000-000000000000", 8),
            PartitionOf("00000000-0000-4000-8000-000000000000", 8));
  EXPECT_EQ(PartitionOf("", 1), 0u);
  std::vector<int> count(kPartitions);
  for (int i = 0; i < 8000; ++i) ++count[PartitionOf(NewUuidV4(), kPartitions)];
  for (const int agents : count) EXPECT_NEAR(agents, 1000, 300);
}

TEST(RecordMessageTest, MessagesOneAfterTheOtherAreAMessageOfAllTheirRecords) {
  std::string bytes;
  for (uint64_t sequence = 1; sequence <= kMaxRecordsTogether; ++sequence)
    bytes += SerializeRecord(TestRecord(AgentNumber(1), sequence));
  const uint32_t partition = PartitionOf(AgentNumber(1), kPartitions);
  const auto records = ParseRecords(bytes, partition, kPartitions);
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->size(), kMaxRecordsTogether);
  for (uint64_t sequence = 1; sequence <= kMaxRecordsTogether; ++sequence) {
    const AgentRecord& record = (*records)[sequence - 1];
    const AgentRecord sent = TestRecord(AgentNumber(1), sequence);
    EXPECT_EQ(record.agent_id, sent.agent_id);
    EXPECT_EQ(record.received, sent.received);
    EXPECT_EQ(record.record.SerializeAsString(), sent.record.SerializeAsString());
  }
  bytes += SerializeRecord(TestRecord(AgentNumber(1), kMaxRecordsTogether + 1));
  EXPECT_FALSE(ParseRecords(bytes, partition, kPartitions).ok());
}

TEST(RecordMessageTest, WhatNoSchedulerPublishesIsRefused) {
  const AgentRecord good = TestRecord(AgentNumber(1), 1);
  const uint32_t partition = PartitionOf(good.agent_id, kPartitions);
  const std::string bytes = SerializeRecord(good);
  ASSERT_TRUE(ParseRecords(bytes, partition, kPartitions).ok());
  EXPECT_FALSE(ParseRecords(bytes, (partition + 1) % kPartitions, kPartitions).ok());
  EXPECT_FALSE(ParseRecords("", partition, kPartitions).ok());
  EXPECT_FALSE(ParseRecords("no protobuf", partition, kPartitions).ok());
  const auto refused = [&](const auto& change) {
    v1::BusRecords message;
    message.ParseFromString(bytes);
    change(*message.mutable_records(0));
    const std::string& agent = message.records(0).agent_id();
    // By itself, and with it what comes with it.
    const std::string changed = message.SerializeAsString();
    return !ParseRecords(changed, PartitionOf(agent, kPartitions), kPartitions).ok() &&
           !ParseRecords(bytes + changed, partition, kPartitions).ok();
  };
  for (const char* agent : {"", "x", "../../etc", "00000001-0000-4000-8000-00000000000G"})
    EXPECT_TRUE(refused([&](v1::BusRecord& record) { record.set_agent_id(agent); })) << agent;
  EXPECT_TRUE(refused([](v1::BusRecord& record) { record.clear_record(); }));
  EXPECT_TRUE(refused(
      [](v1::BusRecord& record) { record.mutable_received()->set_seconds(int64_t{1} << 62); }));
  EXPECT_TRUE(refused([](v1::BusRecord& record) { record.mutable_received()->set_nanos(-1); }));
  EXPECT_TRUE(refused([](v1::BusRecord& record) {
    record.mutable_record()->mutable_rows()->add_rows(std::string(Bus::kMaxRecordBytes, 'x'));
  }));
  int other = 2;
  while (PartitionOf(AgentNumber(other), kPartitions) == partition) ++other;
  EXPECT_TRUE(ParseRecords(bytes + bytes, partition, kPartitions).ok());
  EXPECT_FALSE(ParseRecords(bytes + SerializeRecord(TestRecord(AgentNumber(other), 1)), partition,
                            kPartitions)
                   .ok());
}

TEST(RecordMessageTest, DamagedMessagesAreReadOrRefusedAndNothingElse) {
  std::mt19937 random(1);
  const AgentRecord good = TestRecord(AgentNumber(1), 1, 50);
  const uint32_t partition = PartitionOf(good.agent_id, kPartitions);
  const std::string bytes = SerializeRecord(good) + SerializeRecord(good);
  for (int i = 0; i < 20'000; ++i) {
    const auto records = ParseRecords(Damaged(bytes, random), partition, kPartitions);
    if (!records.ok()) continue;
    EXPECT_FALSE(records->empty());
    for (const AgentRecord& record : *records)
      EXPECT_EQ(PartitionOf(record.agent_id, kPartitions), partition);
  }
}

TEST(JetStreamTest, PublishAnswersAreToldApart) {
  EXPECT_EQ(*ParsePublishAnswer(R"({"stream":"S","seq":12})", "S"), 12u);
  EXPECT_EQ(*ParsePublishAnswer(R"({"stream":"S","seq":12,"duplicate": true})", "S"), 12u);
  // Another one with this id is on its way, and may fail.
  EXPECT_TRUE(absl::IsUnavailable(
      ParsePublishAnswer(R"({"stream":"S","seq":0,"duplicate":true})", "S").status()));
  EXPECT_TRUE(absl::IsUnavailable(ParsePublishAnswer(R"({"stream":"T","seq":12})", "S").status()));
  EXPECT_TRUE(absl::IsResourceExhausted(
      ParsePublishAnswer(
          R"({"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},
              "stream":"S","seq":0})",
          "S")
          .status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      ParsePublishAnswer(R"({"error":{"code":400,"err_code":10054}})", "S").status()));
  EXPECT_TRUE(absl::IsUnavailable(
      ParsePublishAnswer(R"({"error":{"code":503,"err_code":10008}})", "S").status()));
  std::mt19937 random(2);
  for (const std::string_view nonsense :
       {"", "{", "[]", "12", "null", R"({"error":1})", R"({"error":{"err_code":"x"}})",
        R"({"stream":1,"seq":2})", R"({"stream":"S","seq":-2})", R"({"stream":"S","seq":"2"})",
        R"({"stream":"S"})", "\xff\xfe"}) {
    EXPECT_TRUE(absl::IsUnavailable(ParsePublishAnswer(nonsense, "S").status())) << nonsense;
  }
  for (int i = 0; i < 5000; ++i) {
    const auto answer = ParsePublishAnswer(
        Damaged(R"({"error":{"code":503,"err_code":10077,"description":"x"},"stream":"S","seq":1})",
                random),
        "S");
    if (answer.ok()) {
      EXPECT_GT(*answer, 0u);
    }
  }
}

TEST(JetStreamTest, DeliveryNumbersAreReadFromEitherForm) {
  for (const char* reply :
       {"$JS.ACK.STREAM.consumer.1.345.12.1669759075123456789.7",
        "$JS.ACK.domain.hash.STREAM.consumer.1.345.12.1669759075123456789.7",
        "$JS.ACK.domain.hash.STREAM.consumer.1.345.12.1669759075123456789.7.random"}) {
    const auto numbers = ParseDelivery(reply);
    ASSERT_TRUE(numbers.has_value()) << reply;
    EXPECT_EQ(numbers->stream, 345u);
    EXPECT_EQ(numbers->consumer, 12u);
  }
  for (const std::string& reply :
       std::vector<std::string>{"", "_INBOX.x", "$JS.ACK.S.c.1.345.12.1", "$JS.ACK.S.c.1.x.12.1.7",
                                "$JS.ACK.S.c.1.0.12.1.7", "$JS.ACK.S.c.1.-3.12.1.7",
                                "$JS.ACK.S.c.1.99999999999999999999999.12.1.7",
                                "$JS.NAK.S.c.1.345.12.1.7", std::string(5000, '.')}) {
    EXPECT_FALSE(ParseDelivery(reply).has_value()) << reply;
  }
  std::mt19937 random(3);
  for (int i = 0; i < 5000; ++i) ParseDelivery(Damaged("$JS.ACK.S.c.1.345.12.166.7", random));
}

TEST(NatsOptionsTest, UrlsNameServers) {
  const auto one = ParseNatsUrl("nats://a,b:4223, c.example.org");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(Describe(*one), "a:4222, b:4223, c.example.org:4222");
  const auto two = ParseNatsUrl("nats://u:p@a,tls://[::1]:5/");
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ((*two)[0].url, "nats://u:p@a:4222");
  EXPECT_EQ((*two)[1].url, "nats://[::1]:5");
  EXPECT_EQ((*ParseNatsUrl("nats://u:p@a,b"))[1].url, "nats://u:p@b:4222");
  for (const char* bad :
       {"", "a", "http://a", "nats://", "nats://a,,b", "nats://a:0", "nats://a:99999", "nats://a:b",
        "nats://a b", "nats://[::1", "nats://secret@", "nats://a/path"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseNatsUrl(bad).status())) << bad;
  }
  EXPECT_EQ(ParseNatsUrl("nats://user:secret@:1").status().message().find("secret"),
            absl::string_view::npos);
}

TEST(NatsOptionsTest, OptionsThatCantBeUsedAreRefusedByName) {
  const NatsOptions good{.url = "nats://127.0.0.1", .fleet_id = "f-1", .scheduler = "s1"};
  EXPECT_TRUE(CheckNatsOptions(good).ok());
  const auto refused = [&](auto change) {
    NatsOptions options = good;
    change(options);
    return absl::IsInvalidArgument(CheckNatsOptions(options));
  };
  for (const char* token : {"", "a.b", "a*", ">", "a b", "a\r\nb", "ä"}) {
    EXPECT_TRUE(refused([&](NatsOptions& o) { o.fleet_id = token; })) << token;
    EXPECT_TRUE(refused([&](NatsOptions& o) { o.scheduler = token; })) << token;
  }
  EXPECT_TRUE(refused([](NatsOptions& o) { o.replicas = 2; }));
  EXPECT_TRUE(refused([](NatsOptions& o) { o.partitions = 0; }));
  EXPECT_TRUE(refused([](NatsOptions& o) { o.ca_file = "/ca.pem"; }));
  // In the clear over a network: only if a test says so.
  EXPECT_TRUE(refused([](NatsOptions& o) { o.url = "nats://127.0.0.1,nats1"; }));
  EXPECT_FALSE(refused([](NatsOptions& o) {
    o.url = "nats://nats1";
    o.allow_plaintext = true;
  }));
}

}  // namespace
}  // namespace dragnet::scheduler
