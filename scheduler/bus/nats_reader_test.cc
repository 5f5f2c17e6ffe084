// What readers of the bus do about a record that can't be stored, and about messages that
// are lost between a server and them.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/bus/bus_conformance.h"
#include "scheduler/bus/nats_bus.h"
#include "scheduler/testing/nats_server.h"

namespace dragnet::scheduler {
namespace {

class NatsReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<NatsServers>> servers = NatsServers::Start({});
    ASSERT_TRUE(servers.ok()) << servers.status();
    servers_ = *std::move(servers);
  }
  NatsOptions Options() const {
    NatsOptions options;
    options.url = servers_->url();
    options.fleet_id = "fleet";
    options.scheduler = "a";
    options.max_record_bytes = 256 << 20;
    return options;
  }

  std::unique_ptr<NatsServers> servers_;
};

// Fails each batch in which there is a record of this sequence.
class WriterWithATaboo : public MemoryWriter {
 public:
  WriterWithATaboo(uint64_t taboo, absl::Status failure)
      : taboo_(taboo), failure_(std::move(failure)) {}
  void Write(RecordBatch batch, Done done) override {
    for (const AgentRecord& record : batch.records) {
      if (record.record.sequence() != taboo_) continue;
      ++failures_;
      return done(failure_);
    }
    MemoryWriter::Write(std::move(batch), std::move(done));
  }
  int failures() const { return failures_; }

 private:
  const uint64_t taboo_;
  const absl::Status failure_;
  std::atomic<int> failures_ = 0;
};

TEST_F(NatsReaderTest, RecordThatTheStoreCantTakeIsDroppedAndItsPartitionGoesOn) {
  WriterWithATaboo writer(3, absl::InternalError("a value that no column holds"));
  absl::StatusOr<std::unique_ptr<NatsBus>> bus = NatsBus::Connect(Options());
  ASSERT_TRUE(bus.ok()) << bus.status();
  (*bus)->SetWriter(writer);
  for (uint64_t sequence = 1; sequence <= 6; ++sequence)
    PublishUntilStored(**bus, TestRecord(AgentNumber(1), sequence));
  const uint64_t dropped = TheMetrics().records_dropped.value();
  (*bus)->ReadPartitions({0, 1, 2, 3, 4, 5, 6, 7});
  ASSERT_TRUE(writer.WaitForRecords(5));
  EXPECT_EQ(writer.SequencesOf(AgentNumber(1)), (std::vector<uint64_t>{1, 2, 4, 5, 6}));
  EXPECT_EQ(TheMetrics().records_dropped.value(), dropped + 1);
  EXPECT_GT(writer.failures(), 3);
  EXPECT_EQ(writer.Faults(), "");
}

TEST_F(NatsReaderTest, OfAMessageWithManyRecordsOneIsDropped) {
  WriterWithATaboo writer(137, absl::InternalError("a value that no column holds"));
  absl::StatusOr<std::unique_ptr<NatsBus>> bus = NatsBus::Connect(Options());
  ASSERT_TRUE(bus.ok()) << bus.status();
  (*bus)->SetWriter(writer);
  std::vector<uint64_t> others;
  Publications publications;
  for (uint64_t sequence = 1; sequence <= 400; ++sequence) {
    publications.Publish(**bus, TestRecord(AgentNumber(1), sequence));
    if (sequence != 137) others.push_back(sequence);
  }
  ASSERT_TRUE(publications.WaitForAll());
  EXPECT_LT((*bus)->backlog()->messages, 400u);
  const uint64_t dropped = TheMetrics().records_dropped.value();
  (*bus)->ReadPartitions({0, 1, 2, 3, 4, 5, 6, 7});
  ASSERT_TRUE(writer.WaitForRecords(399));
  EXPECT_EQ(writer.SequencesOf(AgentNumber(1)), others);
  ASSERT_TRUE(Eventually([&] { return (*bus)->backlog()->messages == 0; }));
  EXPECT_EQ(TheMetrics().records_dropped.value(), dropped + 1);
  EXPECT_EQ(writer.Faults(), "");
}

// Whoever reads it next tries it as often as anybody.
TEST_F(NatsReaderTest, WhoGivesUpAPartitionDropsNothingOfIt) {
  WriterWithATaboo writer(1, absl::InternalError("a value that no column holds"));
  absl::StatusOr<std::unique_ptr<NatsBus>> bus = NatsBus::Connect(Options());
  ASSERT_TRUE(bus.ok()) << bus.status();
  (*bus)->SetWriter(writer);
  PublishUntilStored(**bus, TestRecord(AgentNumber(1), 1));
  const uint64_t dropped = TheMetrics().records_dropped.value();
  (*bus)->ReadPartitions({0, 1, 2, 3, 4, 5, 6, 7});
  // With others, in its message, and once by itself.
  ASSERT_TRUE(Eventually([&] { return writer.failures() == 3; }));
  (*bus)->ReadPartitions({});
  // Waits for the reader.
  bus->reset();
  EXPECT_EQ(TheMetrics().records_dropped.value(), dropped);
  for (const uint64_t position : writer.Positions(8)) EXPECT_EQ(position, 0u);
}

TEST_F(NatsReaderTest, NothingIsDroppedForAnErrorOfTheStore) {
  for (const absl::Status& failure :
       {absl::UnavailableError("away"), absl::ResourceExhaustedError("full"),
        absl::DataLossError("damaged"), absl::FailedPreconditionError("no such table"),
        absl::PermissionDeniedError("not this role")}) {
    NatsOptions options = Options();
    options.fleet_id = NewUuidV4();
    WriterWithATaboo writer(1, failure);
    absl::StatusOr<std::unique_ptr<NatsBus>> bus = NatsBus::Connect(options);
    ASSERT_TRUE(bus.ok()) << bus.status();
    (*bus)->SetWriter(writer);
    PublishUntilStored(**bus, TestRecord(AgentNumber(1), 1));
    (*bus)->ReadPartitions({0, 1, 2, 3, 4, 5, 6, 7});
    ASSERT_TRUE(Eventually([&] { return writer.failures() > 2; }));
    EXPECT_EQ(writer.Stored().size(), 0u);
    for (const uint64_t position : writer.Positions(8)) EXPECT_EQ(position, 0u);
  }
}

// By this a reader learns that something was lost on its way to it.
TEST_F(NatsReaderTest, ServersSayInSilenceHowMuchTheyHaveDelivered) {
  absl::StatusOr<std::unique_ptr<NatsBus>> bus = NatsBus::Connect(Options());
  ASSERT_TRUE(bus.ok()) << bus.status();
  PublishUntilStored(**bus, TestRecord(AgentNumber(1), 1));
  NatsOptions options = Options();
  options.scheduler = "b";
  absl::StatusOr<std::unique_ptr<NatsConnection>> connection = NatsConnection::Connect(options);
  ASSERT_TRUE(connection.ok()) << connection.status();
  const std::string stream = NatsNames("fleet").RecordStream();
  jsConsumerConfig config;
  jsConsumerConfig_Init(&config);
  config.AckPolicy = js_AckNone;
  config.InactiveThreshold = absl::ToInt64Nanoseconds(absl::Seconds(60));
  jsConsumerInfo* created = nullptr;
  ASSERT_EQ(
      js_AddConsumer(&created, (*connection)->js(), stream.c_str(), &config, nullptr, nullptr),
      NATS_OK);
  const NatsPtr<jsConsumerInfo> info(created);
  const std::string inbox = (*connection)->NewInbox();
  const auto answers = (*connection)->SubscribeSync(inbox);
  ASSERT_TRUE(answers.ok());
  ASSERT_TRUE((*connection)
                  ->Publish({.subject = StrCat("$JS.API.CONSUMER.MSG.NEXT.", stream, ".",
                                               std::string(info->Name)),
                             .data = "{\"batch\":10,\"expires\":20000000000,"
                                     "\"idle_heartbeat\":200000000}",
                             .reply = inbox})
                  .ok());
  int records = 0;
  for (;;) {
    natsMsg* taken = nullptr;
    ASSERT_EQ(natsSubscription_NextMsg(&taken, answers->get(), 30'000), NATS_OK);
    const NatsMessage message(taken);
    if (StatusOf(message) != "100") {
      ++records;
      continue;
    }
    if (records == 0) continue;
    const char* delivered = nullptr;
    ASSERT_EQ(natsMsgHeader_Get(taken, "Nats-Last-Consumer", &delivered), NATS_OK);
    EXPECT_STREQ(delivered, "1");
    EXPECT_EQ(records, 1);
    return;
  }
}

}  // namespace
}  // namespace dragnet::scheduler
