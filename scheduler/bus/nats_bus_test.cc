#include "scheduler/bus/nats_bus.h"

#include <gtest/gtest.h>

#include <future>
#include <random>
#include <thread>

#include "absl/strings/match.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "dragnet/v1/cluster.pb.h"
#include "scheduler/bus/bus_conformance.h"
#include "scheduler/bus/jetstream.h"
#include "scheduler/bus/record_message.h"
#include "scheduler/bus/stream_reader.h"
#include "scheduler/testing/nats_server.h"

namespace dragnet::scheduler {
namespace {

// One for all tests that leave it running; each has a fleet of its own.
NatsServers& SharedServer() {
  static const std::unique_ptr<NatsServers> server = [] {
    absl::StatusOr<std::unique_ptr<NatsServers>> started = NatsServers::Start({});
    EXPECT_TRUE(started.ok()) << started.status();
    return *std::move(started);
  }();
  return *server;
}

NatsOptions OptionsFor(const NatsServers& servers, std::string_view scheduler,
                       const std::string& fleet) {
  NatsOptions options;
  options.url = servers.url();
  options.fleet_id = fleet;
  options.scheduler = std::string(scheduler);
  options.replicas = servers.nodes() == 1 ? 1 : 3;
  options.max_record_bytes = 256 << 20;
  return options;
}

std::unique_ptr<NatsBus> ConnectTo(const NatsOptions& options) {
  absl::StatusOr<std::unique_ptr<NatsBus>> bus = NatsBus::Connect(options);
  EXPECT_TRUE(bus.ok()) << bus.status();
  return bus.ok() ? *std::move(bus) : nullptr;
}

class NatsFixture : public BusFixture {
 public:
  std::unique_ptr<Bus> Connect(std::string_view name) override {
    return ConnectTo(OptionsFor(SharedServer(), name, fleet_));
  }

 private:
  const std::string fleet_ = NewUuidV4();
};

std::unique_ptr<BusFixture> NewFixture() { return std::make_unique<NatsFixture>(); }

INSTANTIATE_TEST_SUITE_P(Nats, BusConformance, ::testing::Values(&NewFixture));

std::set<uint32_t> All(const Bus& bus) {
  std::set<uint32_t> all;
  for (uint32_t i = 0; i < bus.partitions(); ++i) all.insert(i);
  return all;
}

v1::PeerMessage Message(std::string_view text) {
  v1::PeerMessage message;
  message.mutable_order_request()->set_sent_by(std::string(text));
  return message;
}

class NatsBusTest : public ::testing::Test {
 protected:
  NatsOptions Options(std::string_view scheduler = "a") const {
    return OptionsFor(SharedServer(), scheduler, fleet_);
  }
  std::unique_ptr<NatsBus> Connect(std::string_view scheduler = "a") const {
    return ConnectTo(Options(scheduler));
  }
  // Of someone else on the network.
  std::unique_ptr<NatsConnection> Stranger() const {
    return *NatsConnection::Connect(Options("stranger"));
  }

  const std::string fleet_ = NewUuidV4();
  const NatsNames names_{fleet_};
  MemoryWriter writer_;
  size_t published_ = 0;
};

// ---- streams

TEST_F(NatsBusTest, StreamWithOtherSettingsIsRefusedByName) {
  ASSERT_NE(Connect(), nullptr);
  NatsOptions options = Options();
  options.partitions = 4;
  const absl::Status status = NatsBus::Connect(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), names_.RecordStream())) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "8 subjects")) << status;
}

TEST_F(NatsBusTest, WhoMayNotMakeStreamsNeedsThemPrepared) {
  NatsOptions options = Options();
  options.create_streams = false;
  const absl::Status status = NatsBus::Connect(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  ASSERT_TRUE(PrepareNats(options, 0).ok());
  EXPECT_TRUE(NatsBus::Connect(options).ok());
  // Again, with more room.
  options.max_record_bytes *= 2;
  EXPECT_TRUE(PrepareNats(options, 0).ok());
  EXPECT_EQ(ConnectTo(options)->backlog()->max_bytes, uint64_t{512} << 20);
}

// The numbers of one made anew would be those of stored records.
TEST_F(NatsBusTest, StreamThatWasMadeAnewIsNotReadUntilItIsPrepared) {
  writer_.Write(
      {.range = BusRange{.partition = PartitionOf(AgentNumber(1), 8), .after = 0, .last = 1000},
       .records = {}},
      [](absl::Status) {});
  {
    const std::unique_ptr<NatsBus> bus = Connect();
    bus->SetWriter(writer_);
    EXPECT_TRUE(absl::IsFailedPrecondition(bus->ForgetRecords(writer_.Positions(8))));
  }
  ASSERT_TRUE(PrepareNats(Options(), 1000).ok());
  const std::unique_ptr<NatsBus> bus = Connect();
  bus->SetWriter(writer_);
  bus->ReadPartitions(All(*bus));
  PublishUntilStored(*bus, TestRecord(AgentNumber(1), 1));
  EXPECT_TRUE(writer_.WaitForRecords(1));
  EXPECT_EQ(writer_.Faults(), "");
  EXPECT_TRUE(PrepareNats(Options(), 1001).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(PrepareNats(Options(), 5000)));
}

TEST(NatsBusStartTest, NoServerIsAnErrorWithItsNameAndWithoutThePassword) {
  NatsOptions options;
  options.url = "nats://user:secret@127.0.0.1:1";
  options.fleet_id = "f";
  options.scheduler = "a";
  const absl::Status status = NatsBus::Connect(options).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "127.0.0.1:1")) << status;
  EXPECT_FALSE(absl::StrContains(status.message(), "secret")) << status;
}

// ---- records

TEST_F(NatsBusTest, AnotherReaderGoesOnWhereTheFirstStoppedAndEachRecordIsStoredOnce) {
  std::mt19937 random(7);
  writer_.FailBy([&random]() -> absl::Status {
    const auto chance = random() % 10;
    if (chance == 0) return absl::AbortedError("another one was faster");
    if (chance <= 2) return absl::UnavailableError("the store is away");
    return absl::OkStatus();
  });
  constexpr int kAgents = 40;
  constexpr uint64_t kEach = 100;
  const std::unique_ptr<NatsBus> publisher = Connect("publisher");
  std::unique_ptr<NatsBus> reader = Connect("r0");
  reader->SetWriter(writer_);
  reader->ReadPartitions(All(*reader));
  Publications publications;
  for (uint64_t sequence = 1; sequence <= kEach; ++sequence) {
    for (int agent = 0; agent < kAgents; ++agent) {
      publications.Publish(*publisher, TestRecord(AgentNumber(agent), sequence, 300));
    }
    if (sequence % 20 != 0) continue;
    // Two that think they read the same, for a while; then one is killed.
    std::unique_ptr<NatsBus> next = Connect(StrCat("r", sequence));
    next->SetWriter(writer_);
    next->ReadPartitions(All(*next));
    ASSERT_TRUE(writer_.WaitForRecords(sequence * kAgents / 3));
    reader->ReadPartitions({});
    reader = std::move(next);
  }
  ASSERT_TRUE(publications.WaitForAll());
  for (const Publications::End& end : publications.Ends()) ASSERT_TRUE(end.status.ok());
  ASSERT_TRUE(writer_.WaitForRecords(kAgents * kEach));
  std::vector<uint64_t> in_order;
  for (uint64_t sequence = 1; sequence <= kEach; ++sequence) in_order.push_back(sequence);
  for (int agent = 0; agent < kAgents; ++agent) {
    EXPECT_EQ(writer_.SequencesOf(AgentNumber(agent)), in_order);
  }
  EXPECT_EQ(writer_.Faults(), "");
}

TEST_F(NatsBusTest, PartitionsThatAreGivenUpAreNotReadAnyMore) {
  const std::unique_ptr<NatsBus> bus = Connect();
  bus->SetWriter(writer_);
  const uint32_t partition = PartitionOf(AgentNumber(1), bus->partitions());
  bus->ReadPartitions({partition});
  PublishUntilStored(*bus, TestRecord(AgentNumber(1), 1));
  ASSERT_TRUE(writer_.WaitForRecords(1));
  int other = 2;
  while (PartitionOf(AgentNumber(other), bus->partitions()) == partition) ++other;
  PublishUntilStored(*bus, TestRecord(AgentNumber(other), 1));
  PublishUntilStored(*bus, TestRecord(AgentNumber(1), 2));
  ASSERT_TRUE(writer_.WaitForRecords(2));
  EXPECT_TRUE(writer_.SequencesOf(AgentNumber(other)).empty());
  EXPECT_EQ(bus->backlog()->messages, 1u);
  bus->ReadPartitions(All(*bus));
  EXPECT_TRUE(writer_.WaitForRecords(3));
}

TEST_F(NatsBusTest, FullStreamRefusesUntilWhatIsStoredIsForgotten) {
  NatsOptions options = Options();
  options.max_record_bytes = 4 << 20;
  const std::unique_ptr<NatsBus> bus = ConnectTo(options);
  bus->SetWriter(writer_);
  Publications publications;
  for (int i = 0; i < 200; ++i) {
    publications.Publish(*bus, TestRecord(AgentNumber(i), 1, 50'000));
    // Each in a message of its own.
    ASSERT_TRUE(publications.WaitForAll());
  }
  size_t stored = 0;
  std::set<std::string> refused;
  for (const Publications::End& end : publications.Ends()) {
    if (end.status.ok()) {
      ++stored;
    } else {
      EXPECT_TRUE(absl::IsResourceExhausted(end.status)) << end.status;
      refused.insert(end.agent);
    }
  }
  EXPECT_GT(stored, 50u);
  ASSERT_FALSE(refused.empty());
  const Bus::Backlog backlog = *bus->backlog();
  EXPECT_EQ(backlog.messages, stored);
  EXPECT_LE(backlog.bytes, backlog.max_bytes);
  EXPECT_EQ(backlog.max_bytes, uint64_t{4} << 20);

  bus->ReadPartitions(All(*bus));
  ASSERT_TRUE(writer_.WaitForRecords(stored));
  ASSERT_TRUE(Eventually([&] { return bus->backlog()->messages == 0; }));
  // Read is not enough.
  Publications again;
  again.Publish(*bus, TestRecord(*refused.begin(), 1, 50'000));
  ASSERT_TRUE(again.WaitForAll());
  EXPECT_TRUE(absl::IsResourceExhausted(again.Ends()[0].status));
  const absl::Status forgotten = bus->ForgetRecords(writer_.Positions(8));
  ASSERT_TRUE(forgotten.ok()) << forgotten;
  size_t more = 0;
  for (const std::string& agent : refused) {
    if (++more > 50) break;
    Publications publication;
    publication.Publish(*bus, TestRecord(agent, 1, 50'000));
    ASSERT_TRUE(publication.WaitForAll());
    EXPECT_TRUE(publication.Ends()[0].status.ok()) << publication.Ends()[0].status;
  }
}

// What comes of a partition while its last message is under way shares the next one.
TEST_F(NatsBusTest, RecordsTravelTogetherInOrderAndWithinTheirBounds) {
  const std::unique_ptr<NatsBus> bus = Connect();
  bus->SetWriter(writer_);
  constexpr int kAgents = 50;
  constexpr uint64_t kEach = 100;
  Publications publications;
  std::mt19937 random(13);
  for (uint64_t sequence = 1; sequence <= kEach; ++sequence) {
    for (int agent = 0; agent < kAgents; ++agent) {
      const size_t bytes = random() % 100 == 0 ? 400'000 : 20;
      publications.Publish(*bus, TestRecord(AgentNumber(agent), sequence, bytes));
    }
  }
  ASSERT_TRUE(publications.WaitForAll());
  for (const Publications::End& end : publications.Ends()) ASSERT_TRUE(end.status.ok());
  const std::unique_ptr<NatsConnection> stranger = Stranger();
  StreamReader reader(*stranger, names_.RecordStream(), names_.RecordSubjects(), {});
  ASSERT_TRUE(reader.Open(0).ok());
  size_t messages = 0, records = 0;
  while (records < kAgents * kEach) {
    const auto some = reader.Next(absl::Minutes(1));
    ASSERT_TRUE(some.ok()) << some.status();
    ASSERT_FALSE(some->empty());
    for (const StreamMessage& message : *some) {
      v1::BusRecords content;
      const std::string_view bytes = DataOf(message.message);
      ASSERT_LE(bytes.size(), Bus::kMaxRecordBytes);
      ASSERT_TRUE(content.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
      ASSERT_LE(static_cast<size_t>(content.records_size()), kMaxRecordsTogether);
      records += content.records_size();
      ++messages;
    }
  }
  // How many go together depends on how fast answers come.
  EXPECT_LT(messages, records);

  bus->ReadPartitions(All(*bus));
  ASSERT_TRUE(writer_.WaitForRecords(kAgents * kEach));
  std::vector<uint64_t> in_order;
  for (uint64_t sequence = 1; sequence <= kEach; ++sequence) in_order.push_back(sequence);
  for (int agent = 0; agent < kAgents; ++agent)
    EXPECT_EQ(writer_.SequencesOf(AgentNumber(agent)), in_order);
  EXPECT_EQ(writer_.Faults(), "");
}

// All that wait of a partition fail with the first, so that none of an agent overtakes it.
TEST_F(NatsBusTest, AfterAFailureNothingOfThatAgentIsStoredOutOfOrder) {
  NatsOptions options = Options();
  options.max_record_bytes = 4 << 20;
  const std::unique_ptr<NatsBus> bus = ConnectTo(options);
  bus->SetWriter(writer_);
  Publications publications;
  const auto any_failed = [&] {
    const std::vector<Publications::End> ends = publications.Ends();
    return std::any_of(ends.begin(), ends.end(),
                       [](const Publications::End& end) { return !end.status.ok(); });
  };
  // Large ones, and small ones after them that would still fit. What comes after the failure
  // was told is a new beginning; sessions end with it.
  uint64_t before_failure = 0;
  for (uint64_t sequence = 1; sequence <= 200 && !any_failed(); ++sequence) {
    publications.Publish(*bus,
                         TestRecord(AgentNumber(1), sequence, sequence % 2 == 1 ? 100'000 : 10));
    if (!any_failed()) before_failure = sequence;
  }
  ASSERT_TRUE(publications.WaitForAll());
  bool failed = false;
  uint64_t stored = 0;
  for (const Publications::End& end : publications.Ends()) {
    if (end.sequence > before_failure) continue;
    if (end.status.ok()) {
      EXPECT_FALSE(failed) << end.sequence << " was stored, and one before it wasn't";
      ++stored;
      EXPECT_EQ(end.sequence, stored);
    } else {
      failed = true;
    }
  }
  EXPECT_TRUE(failed);
  bus->ReadPartitions(All(*bus));
  ASSERT_TRUE(writer_.WaitForRecords(stored));
  for (uint64_t sequence = 1; sequence <= stored; ++sequence)
    EXPECT_EQ(writer_.SequencesOf(AgentNumber(1))[sequence - 1], sequence);
}

TEST_F(NatsBusTest, WhatOneAgentMayNotPublishIsNoneOfTheOthers) {
  const std::unique_ptr<NatsBus> bus = Connect();
  bus->SetWriter(writer_);
  int neighbour = 2;
  while (PartitionOf(AgentNumber(neighbour), 8) != PartitionOf(AgentNumber(1), 8)) ++neighbour;
  Publications publications;
  for (uint64_t sequence = 1; sequence <= 200; ++sequence) {
    publications.Publish(*bus, TestRecord(AgentNumber(1), sequence, Bus::kMaxRecordBytes + 1));
    publications.Publish(*bus, TestRecord(AgentNumber(neighbour), sequence));
  }
  ASSERT_TRUE(publications.WaitForAll());
  for (const Publications::End& end : publications.Ends())
    EXPECT_EQ(end.status.ok(), end.agent == AgentNumber(neighbour)) << end.status;
}

TEST_F(NatsBusTest, TooManyPendingRecordsAreRefused) {
  NatsOptions options = Options();
  options.max_pending_bytes = 100'000;
  const std::unique_ptr<NatsBus> bus = ConnectTo(options);
  bus->SetWriter(writer_);
  Publications publications;
  for (uint64_t sequence = 1; sequence <= 2000; ++sequence) {
    publications.Publish(*bus, TestRecord(AgentNumber(1), sequence, 10'000));
    EXPECT_LE(bus->pending_bytes(), 100'000u);
  }
  ASSERT_TRUE(publications.WaitForAll());
  EXPECT_EQ(bus->pending_bytes(), 0u);
  std::vector<uint64_t> stored;
  size_t refused = 0;
  for (const Publications::End& end : publications.Ends()) {
    if (end.status.ok()) {
      stored.push_back(end.sequence);
    } else {
      EXPECT_TRUE(absl::IsResourceExhausted(end.status)) << end.status;
      ++refused;
    }
  }
  EXPECT_GT(refused, 0u);
  EXPECT_TRUE(std::is_sorted(stored.begin(), stored.end()));
}

TEST_F(NatsBusTest, WhatOthersPutIntoTheStreamIsSkippedAndBlocksNothing) {
  const std::unique_ptr<NatsBus> bus = Connect();
  bus->SetWriter(writer_);
  bus->ReadPartitions(All(*bus));
  const std::unique_ptr<NatsConnection> stranger = Stranger();
  std::mt19937 random(5);
  constexpr int kEach = 30;
  for (int i = 0; i < kEach; ++i) {
    PublishUntilStored(*bus, TestRecord(AgentNumber(1), i + 1));
    for (uint32_t partition = 0; partition < 8; ++partition) {
      const std::string subject = names_.RecordSubject(partition);
      std::string nonsense(random() % 2000, '\0');
      for (char& c : nonsense) c = static_cast<char>(random());
      ASSERT_TRUE(stranger->Publish({.subject = subject, .data = nonsense}).ok());
      ASSERT_TRUE(stranger->Publish({.subject = subject, .data = ""}).ok());
      // Of an agent of another partition.
      int other = 1;
      while (PartitionOf(AgentNumber(other), 8) == partition) ++other;
      ASSERT_TRUE(stranger
                      ->Publish({.subject = subject,
                                 .data = SerializeRecord(TestRecord(AgentNumber(other), 1000 + i))})
                      .ok());
      // Looks like a server's word that a request has ended.
      natsMsg* word = nullptr;
      ASSERT_EQ(natsMsg_Create(&word, subject.c_str(), nullptr, nullptr, 0), NATS_OK);
      const NatsMessage owned(word);
      natsMsgHeader_Set(word, "Status", i % 2 == 0 ? "409" : "408");
      ASSERT_EQ(natsConnection_PublishMsg(stranger->get(), word), NATS_OK);
    }
  }
  ASSERT_TRUE(stranger->Flush().ok());
  PublishUntilStored(*bus, TestRecord(AgentNumber(1), kEach + 1));
  ASSERT_TRUE(writer_.WaitForRecords(kEach + 1));
  ASSERT_TRUE(Eventually([&] {
    return bus->counters().skipped_records.value() == uint64_t{4} * 8 * kEach;
  })) << bus->counters().skipped_records.value();
  EXPECT_EQ(writer_.SequencesOf(AgentNumber(1)).size(), kEach + 1u);
  EXPECT_EQ(writer_.Faults(), "");
  // They are covered by the positions all the same.
  ASSERT_TRUE(Eventually([&] { return bus->backlog()->messages == 0; }));
}

TEST_F(NatsBusTest, StoreThatStandsStillHoldsWhatIsReadBounded) {
  const std::unique_ptr<NatsBus> bus = Connect();
  bus->SetWriter(writer_);
  writer_.Hold(true);
  bus->ReadPartitions(All(*bus));
  Publications publications;
  for (uint64_t sequence = 1; sequence <= 20; ++sequence) {
    for (int agent = 0; agent < 100; ++agent) {
      publications.Publish(*bus, TestRecord(AgentNumber(agent), sequence, 20'000));
    }
    ASSERT_TRUE(publications.WaitForAll());
  }
  for (const Publications::End& end : publications.Ends()) EXPECT_TRUE(end.status.ok());
  EXPECT_GT(bus->backlog()->bytes, 20'000'000u);
  writer_.Hold(false);
  ASSERT_TRUE(writer_.WaitForRecords(2000));
  EXPECT_EQ(writer_.Faults(), "");
}

// ---- forgetting

TEST_F(NatsBusTest, QuietPartitionsDontHoldBackTheOthers) {
  const std::unique_ptr<NatsBus> bus = Connect();
  bus->SetWriter(writer_);
  bus->ReadPartitions(All(*bus));
  // One partition has one old record, another many; the other six have none.
  int quiet = 2;
  while (PartitionOf(AgentNumber(quiet), 8) == PartitionOf(AgentNumber(1), 8)) ++quiet;
  PublishUntilStored(*bus, TestRecord(AgentNumber(quiet), 1));
  for (uint64_t sequence = 1; sequence <= 100; ++sequence) {
    PublishUntilStored(*bus, TestRecord(AgentNumber(1), sequence));
  }
  ASSERT_TRUE(writer_.WaitForRecords(101));
  ASSERT_TRUE(
      Eventually([&] { return writer_.Positions(8)[PartitionOf(AgentNumber(1), 8)] == 101; }));
  const absl::Status status = bus->ForgetRecords(writer_.Positions(8));
  ASSERT_TRUE(status.ok()) << status;
  const std::unique_ptr<NatsConnection> connection = Stranger();
  EXPECT_EQ((*StreamInfo(*connection, names_.RecordStream()))->State.Msgs, 0u);
}

// Their numbers alternate, and those that no one has read are the lower ones, too.
TEST_F(NatsBusTest, APartitionThatIsNotReadKeepsItsMessagesWhateverOthersHaveStored) {
  const std::unique_ptr<NatsBus> bus = Connect();
  bus->SetWriter(writer_);
  const uint32_t read = PartitionOf(AgentNumber(1), 8);
  int unread = 2;
  while (PartitionOf(AgentNumber(unread), 8) == read) ++unread;
  bus->ReadPartitions({read});
  for (uint64_t sequence = 1; sequence <= 100; ++sequence) {
    PublishUntilStored(*bus, TestRecord(AgentNumber(unread), sequence));
    PublishUntilStored(*bus, TestRecord(AgentNumber(1), sequence));
  }
  ASSERT_TRUE(writer_.WaitForRecords(100));
  ASSERT_TRUE(Eventually([&] { return writer_.Positions(8)[read] == 200; }));
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = bus->ForgetRecords(writer_.Positions(8));
    ASSERT_TRUE(status.ok()) << status;
    const std::unique_ptr<NatsConnection> connection = Stranger();
    EXPECT_EQ((*StreamInfo(*connection, names_.RecordStream()))->State.Msgs, 100u);
  }
  bus->ReadPartitions(All(*bus));
  ASSERT_TRUE(writer_.WaitForRecords(200));
  EXPECT_EQ(writer_.Faults(), "");
}

TEST_F(NatsBusTest, PositionsOfAnotherBusForgetNothing) {
  const std::unique_ptr<NatsBus> bus = Connect();
  bus->SetWriter(writer_);
  PublishUntilStored(*bus, TestRecord(AgentNumber(1), 1));
  EXPECT_TRUE(absl::IsInvalidArgument(bus->ForgetRecords({1, 2})));
  EXPECT_TRUE(absl::IsFailedPrecondition(bus->ForgetRecords(std::vector<uint64_t>(8, 1'000'000))));
  EXPECT_TRUE(bus->ForgetRecords(std::vector<uint64_t>(8, 0)).ok());
  EXPECT_EQ(bus->backlog()->messages, 1u);
}

// Records come all the time, partitions are read at different pace and by turns, and
// someone forgets without a pause: not one record may be missing in the end.
TEST_F(NatsBusTest, ForgettingNeverTakesWhatIsNotStored) {
  const std::unique_ptr<NatsBus> publisher = Connect("publisher");
  const std::unique_ptr<NatsBus> bus = Connect();
  bus->SetWriter(writer_);
  constexpr int kAgents = 16;
  constexpr uint64_t kEach = 150;
  std::atomic<bool> stop = false;
  std::thread forgetting([&] {
    while (!stop) {
      // Positions are read before: they are behind when they are used.
      const std::vector<uint64_t> positions = writer_.Positions(8);
      const absl::Status status = bus->ForgetRecords(positions);
      EXPECT_TRUE(status.ok()) << status;
    }
  });
  std::mt19937 random(11);
  for (uint64_t sequence = 1; sequence <= kEach; ++sequence) {
    if (sequence % 10 == 1) {
      std::set<uint32_t> some;
      for (uint32_t i = 0; i < 8; ++i) {
        if (random() % 2 == 0) some.insert(i);
      }
      bus->ReadPartitions(some);
    }
    Publications publications;
    // Few agents at a time, so that partitions are empty and come back.
    const int first = static_cast<int>(random() % kAgents);
    for (int agent = 0; agent < kAgents; ++agent) {
      if ((agent + first) % 4 == 0 || sequence == kEach) {
        publications.Publish(*publisher, TestRecord(AgentNumber(agent), sequence, 50));
      }
    }
    ASSERT_TRUE(publications.WaitForAll());
    for (const Publications::End& end : publications.Ends()) ASSERT_TRUE(end.status.ok());
    published_ += publications.published();
  }
  bus->ReadPartitions(All(*bus));
  EXPECT_TRUE(writer_.WaitForRecords(published_))
      << writer_.Stored().size() << " of " << published_;
  stop = true;
  forgetting.join();
  EXPECT_EQ(writer_.Faults(), "");
}

// What comes for one that goes must not end the process.
TEST_F(NatsBusTest, SubscriptionsGoWhileMessagesComeForThem) {
  const std::unique_ptr<NatsConnection> from = Stranger();
  const std::unique_ptr<NatsConnection> to = Stranger();
  std::atomic<bool> stop = false;
  std::thread publishing([&] {
    while (!stop) EXPECT_TRUE(from->Publish({.subject = "t.x", .data = "x"}).ok());
  });
  for (int i = 0; i < 3000; ++i) {
    absl::StatusOr<NatsQueue> queue = to->SubscribeSync("t.*");
    ASSERT_TRUE(queue.ok()) << queue.status();
    ASSERT_TRUE(to->Flush().ok());
    natsMsg* message = nullptr;
    ASSERT_EQ(natsSubscription_NextMsg(&message, queue->get(), 60'000), NATS_OK);
    natsMsg_Destroy(message);
  }
  stop = true;
  publishing.join();
}

// ---- notices

TEST_F(NatsBusTest, NoticesThatAreNoneAreSkipped) {
  WaitableMutex mutex;
  std::vector<uint64_t> heard;
  const std::unique_ptr<NatsBus> bus = Connect();
  const std::unique_ptr<NatsConnection> stranger = Stranger();
  ASSERT_TRUE(
      stranger->Publish({.subject = names_.NoticeSubject(), .data = "\xff\xff no notice"}).ok());
  ASSERT_TRUE(stranger->Flush().ok());
  v1::Notice notice;
  notice.set_id(5);
  ASSERT_TRUE(bus->PublishNotice(notice).ok());
  bus->FollowNotices(
      0,
      [&](const v1::Notice& notice) {
        WaitableMutex::Lock lock(mutex);
        heard.push_back(notice.id());
        return absl::OkStatus();
      },
      [] { FAIL() << "nothing was missed"; });
  {
    WaitableMutex::Lock lock(mutex);
    EXPECT_TRUE(lock.AwaitFor(absl::Minutes(1), [&] { return !heard.empty(); }));
    EXPECT_EQ(heard, (std::vector<uint64_t>{5}));
  }
  EXPECT_EQ(bus->counters().skipped_notices.value(), 1u);
}

TEST_F(NatsBusTest, RemovedNoticesAreMissedOnce) {
  WaitableMutex mutex;
  std::vector<std::string> heard;
  const std::unique_ptr<NatsBus> bus = Connect();
  v1::Notice notice;
  for (uint64_t id = 1; id <= 10; ++id) {
    notice.set_id(id);
    ASSERT_TRUE(bus->PublishNotice(notice).ok());
  }
  const std::unique_ptr<NatsConnection> stranger = Stranger();
  jsOptions purge;
  jsOptions_Init(&purge);
  purge.Stream.Purge.Sequence = 8;
  ASSERT_EQ(js_PurgeStream(stranger->js(), names_.NoticeStream().c_str(), &purge, nullptr),
            NATS_OK);
  bus->FollowNotices(
      3,
      [&](const v1::Notice& notice) {
        WaitableMutex::Lock lock(mutex);
        heard.push_back(StrCat(notice.id()));
        return absl::OkStatus();
      },
      [&] {
        WaitableMutex::Lock lock(mutex);
        heard.push_back("missed");
      });
  WaitableMutex::Lock lock(mutex);
  EXPECT_TRUE(lock.AwaitFor(absl::Minutes(1), [&] { return heard.size() >= 4; }));
  EXPECT_EQ(heard, (std::vector<std::string>{"missed", "8", "9", "10"}));
}

// ---- messages

TEST_F(NatsBusTest, SchedulersTellAndAskEachOther) {
  WaitableMutex mutex;
  std::vector<std::string> heard_by_a, heard_by_b;
  const std::unique_ptr<NatsBus> a = Connect("a");
  const std::unique_ptr<NatsBus> b = Connect("b");
  a->OnMessage([&](v1::PeerMessage message, Bus::Reply reply) {
    WaitableMutex::Lock lock(mutex);
    heard_by_a.push_back(message.from() + ":" + message.order_request().sent_by());
    EXPECT_FALSE(reply);
  });
  Bus::Reply late;
  b->OnMessage([&](v1::PeerMessage message, Bus::Reply reply) {
    WaitableMutex::Lock lock(mutex);
    heard_by_b.push_back(message.from() + ":" + message.order_request().sent_by());
    if (message.order_request().sent_by() == "late") {
      late = std::move(reply);
    } else if (reply) {
      reply(Message("answer"));
    }
  });
  a->Tell("", Message("all"));
  a->Tell("b", Message("one"));
  b->Tell("", Message("back"));
  const auto answer = a->Ask("b", Message("question"), absl::Seconds(30));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->from(), "b");
  EXPECT_EQ(answer->order_request().sent_by(), "answer");
  // From another thread, later.
  std::future<absl::StatusOr<v1::PeerMessage>> asked = std::async(
      std::launch::async, [&] { return a->Ask("b", Message("late"), absl::Seconds(60)); });
  {
    WaitableMutex::Lock lock(mutex);
    ASSERT_TRUE(lock.AwaitFor(absl::Minutes(1), [&] { return late != nullptr; }));
  }
  late(Message("late answer"));
  ASSERT_TRUE(asked.get().ok());
  // No one answers.
  EXPECT_TRUE(absl::IsUnavailable(a->Ask("b", Message("late"), absl::Milliseconds(200)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      a->Ask("b", Message(std::string(NatsBus::kMaxMessageBytes, 'x')), absl::Seconds(1))
          .status()));
  // Large, but not too large.
  a->Tell("b", Message(std::string(NatsBus::kMaxMessageBytes - 1000, 'x')));
  WaitableMutex::Lock lock(mutex);
  EXPECT_TRUE(lock.AwaitFor(absl::Minutes(1),
                            [&] { return heard_by_a.size() >= 1 && heard_by_b.size() >= 6; }));
  EXPECT_EQ(heard_by_a, (std::vector<std::string>{"b:back"}));
  lock.Await([&] { return true; });
  late = nullptr;
}

TEST_F(NatsBusTest, MessagesThatNoSchedulerSendsAreSkipped) {
  WaitableMutex mutex;
  int heard = 0;
  bool asked = false;
  const std::unique_ptr<NatsBus> bus = Connect();
  bus->SetWriter(writer_);
  bus->OnMessage([&](v1::PeerMessage, Bus::Reply reply) {
    WaitableMutex::Lock lock(mutex);
    ++heard;
    if (reply) {
      asked = true;
      reply(Message("x"));
    }
  });
  const std::unique_ptr<NatsConnection> stranger = Stranger();
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    std::string nonsense(random() % 500, '\0');
    for (char& c : nonsense) c = static_cast<char>(random());
    // Field number 0, which no message has: never readable, whatever follows.
    nonsense.insert(0, 1, '\0');
    ASSERT_TRUE(stranger->Publish({.subject = names_.PeersSubject(), .data = nonsense}).ok());
    ASSERT_TRUE(stranger->Publish({.subject = names_.PeerSubject("a"), .data = ""}).ok());
  }
  // Who asks for an answer to where a scheduler's word counts gets none.
  ASSERT_TRUE(stranger
                  ->Publish({.subject = names_.PeerSubject("a"),
                             .data = Message("x").SerializeAsString(),
                             .reply = names_.RecordSubject(0)})
                  .ok());
  ASSERT_TRUE(Eventually([&] {
    WaitableMutex::Lock lock(mutex);
    return heard == 1 && bus->counters().skipped_messages.value() == 400;
  }));
  EXPECT_FALSE(asked);
  EXPECT_EQ(bus->backlog()->messages, 0u);
}

// ---- when servers go and come

TEST(NatsFaultTest, ServerThatComesBackIsConnectedToAgainAndNothingIsLost) {
  absl::StatusOr<std::unique_ptr<NatsServers>> servers = NatsServers::Start({});
  ASSERT_TRUE(servers.ok()) << servers.status();
  MemoryWriter writer;
  // What has lost its answer is sent again.
  writer.AllowRepeats();
  NatsOptions options = OptionsFor(**servers, "a", "fleet");
  options.publish_patience = absl::Seconds(2);
  const std::unique_ptr<NatsBus> bus = ConnectTo(options);
  std::atomic<int> reconnected = 0;
  bus->OnReconnected([&] { ++reconnected; });
  bus->SetWriter(writer);
  bus->ReadPartitions(All(*bus));
  PublishUntilStored(*bus, TestRecord(AgentNumber(1), 1));
  ASSERT_TRUE(writer.WaitForRecords(1));
  (*servers)->Kill(0);
  ASSERT_TRUE(Eventually([&] { return absl::IsUnavailable(bus->state()); }));
  Publications publications;
  publications.Publish(*bus, TestRecord(AgentNumber(1), 2));
  publications.Publish(*bus, TestRecord(AgentNumber(1), 3));
  ASSERT_TRUE(publications.WaitForAll());
  for (const Publications::End& end : publications.Ends()) {
    EXPECT_TRUE(absl::IsUnavailable(end.status)) << end.status;
  }
  EXPECT_TRUE(absl::IsUnavailable(bus->backlog().status()));
  EXPECT_TRUE(absl::IsUnavailable(bus->Ask("b", Message("x"), absl::Seconds(1)).status()));
  ASSERT_TRUE((*servers)->Restart(0).ok());
  ASSERT_TRUE(Eventually([&] { return bus->state().ok() && reconnected == 1; }));
  for (uint64_t sequence = 2; sequence <= 10; ++sequence) {
    PublishUntilStored(*bus, TestRecord(AgentNumber(1), sequence));
  }
  ASSERT_TRUE(writer.WaitForRecords(10));
  EXPECT_EQ(writer.SequencesOf(AgentNumber(1)),
            (std::vector<uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(writer.Faults(), "");
}

TEST(NatsFaultTest, PublicationsEndWhenTheBusGoesWhileItsServerIsAway) {
  absl::StatusOr<std::unique_ptr<NatsServers>> servers = NatsServers::Start({});
  ASSERT_TRUE(servers.ok()) << servers.status();
  Publications publications;
  {
    MemoryWriter writer;
    const std::unique_ptr<NatsBus> bus = ConnectTo(OptionsFor(**servers, "a", "fleet"));
    bus->SetWriter(writer);
    bus->ReadPartitions(All(*bus));
    (*servers)->Kill(0);
    for (int i = 0; i < 100; ++i) publications.Publish(*bus, TestRecord(AgentNumber(i), 1));
  }
  EXPECT_TRUE(publications.WaitForAll());
  EXPECT_FALSE(publications.AnyTwice());
}

// Publishes one record after the other for each agent, as sessions do: what failed is sent
// again before what follows it.
void PublishLikeSessions(Bus& bus, int agents, uint64_t each) {
  std::vector<std::thread> sessions;
  for (int agent = 0; agent < agents; ++agent) {
    sessions.emplace_back([&bus, agent, each] {
      for (uint64_t sequence = 1; sequence <= each; ++sequence) {
        PublishUntilStored(bus, TestRecord(AgentNumber(agent), sequence, 200));
      }
    });
  }
  for (std::thread& session : sessions) session.join();
}

TEST(NatsClusterTest, LeaderThatIsKilledUnderLoadCostsNothing) {
  absl::StatusOr<std::unique_ptr<NatsServers>> started = NatsServers::Start({.nodes = 3});
  ASSERT_TRUE(started.ok()) << started.status();
  NatsServers& servers = **started;
  MemoryWriter writer;
  // What has lost its answer is sent again.
  writer.AllowRepeats();
  const std::unique_ptr<NatsBus> publisher = ConnectTo(OptionsFor(servers, "p", "fleet"));
  const std::unique_ptr<NatsBus> reader = ConnectTo(OptionsFor(servers, "r", "fleet"));
  ASSERT_TRUE(publisher != nullptr && reader != nullptr);
  reader->SetWriter(writer);
  reader->ReadPartitions(All(*reader));
  const std::string stream = NatsNames("fleet").RecordStream();
  constexpr int kAgents = 30;
  constexpr uint64_t kEach = 200;
  std::thread sessions([&] { PublishLikeSessions(*publisher, kAgents, kEach); });
  std::atomic<bool> stop = false;
  std::thread forgetting([&] {
    while (!stop) {
      reader->ForgetRecords(writer.Positions(8)).IgnoreError();
      absl::SleepFor(absl::Milliseconds(300));
    }
  });
  EXPECT_TRUE(writer.WaitForRecords(kAgents * kEach / 4));
  int leader = -1;
  EXPECT_TRUE(Eventually([&] {
    leader = servers.LeaderOf(stream).value_or(-1);
    return leader >= 0;
  }));
  servers.Kill(leader);
  sessions.join();
  EXPECT_TRUE(writer.WaitForRecords(kAgents * kEach));
  const absl::Status restarted = servers.Restart(leader);
  EXPECT_TRUE(restarted.ok()) << restarted;
  stop = true;
  forgetting.join();
  std::vector<uint64_t> in_order;
  for (uint64_t sequence = 1; sequence <= kEach; ++sequence) in_order.push_back(sequence);
  for (int agent = 0; agent < kAgents; ++agent) {
    EXPECT_EQ(writer.SequencesOf(AgentNumber(agent)), in_order);
  }
  EXPECT_EQ(writer.Faults(), "");
}

// nats-server before 2.9.18 loses what wasn't purged when a range was, and it starts anew.
TEST(NatsClusterTest, WhatWasNotForgottenIsThereAfterAllServersWereKilled) {
  absl::StatusOr<std::unique_ptr<NatsServers>> started = NatsServers::Start({.nodes = 3});
  ASSERT_TRUE(started.ok()) << started.status();
  NatsServers& servers = **started;
  MemoryWriter writer;
  // What has lost its answer is sent again.
  writer.AllowRepeats();
  const std::unique_ptr<NatsBus> bus = ConnectTo(OptionsFor(servers, "a", "fleet"));
  ASSERT_NE(bus, nullptr);
  bus->SetWriter(writer);
  bus->ReadPartitions(All(*bus));
  PublishLikeSessions(*bus, 10, 30);
  ASSERT_TRUE(writer.WaitForRecords(300));
  bus->ReadPartitions({});
  writer.Hold(true);
  for (int agent = 0; agent < 10; ++agent) {
    for (uint64_t sequence = 31; sequence <= 50; ++sequence) {
      PublishUntilStored(*bus, TestRecord(AgentNumber(agent), sequence));
    }
  }
  writer.Hold(false);
  const absl::Status forgotten = bus->ForgetRecords(writer.Positions(8));
  ASSERT_TRUE(forgotten.ok()) << forgotten;
  // The servers note with these that what was before is decided.
  for (int agent = 0; agent < 10; ++agent) {
    PublishUntilStored(*bus, TestRecord(AgentNumber(agent), 51));
  }
  const absl::Status all = servers.RestartAll();
  ASSERT_TRUE(all.ok()) << all;
  ASSERT_TRUE(Eventually([&] { return bus->state().ok() && bus->backlog().ok(); }));
  bus->ReadPartitions(All(*bus));
  ASSERT_TRUE(writer.WaitForRecords(510)) << writer.Stored().size();
  EXPECT_EQ(writer.Faults(), "");
}

TEST(NatsTlsTest, OnlyClientsWithACertificateOfTheCaGetIn) {
  absl::StatusOr<std::unique_ptr<NatsServers>> servers = NatsServers::Start({.tls = true});
  ASSERT_TRUE(servers.ok()) << servers.status();
  const NatsOptions plain = OptionsFor(**servers, "a", "fleet");
  EXPECT_FALSE(NatsBus::Connect(plain).ok());
  const auto with = [&](const NatsServers::TlsFiles& files) {
    NatsOptions options = plain;
    options.ca_file = files.ca;
    options.certificate_file = files.certificate;
    options.key_file = files.key;
    return options;
  };
  const absl::Status stranger = NatsBus::Connect(with((*servers)->StrangersFiles())).status();
  EXPECT_FALSE(stranger.ok());
  MemoryWriter writer;
  const std::unique_ptr<NatsBus> bus = ConnectTo(with((*servers)->ClientFiles()));
  ASSERT_NE(bus, nullptr);
  bus->SetWriter(writer);
  bus->ReadPartitions(All(*bus));
  PublishUntilStored(*bus, TestRecord(AgentNumber(1), 1));
  EXPECT_TRUE(writer.WaitForRecords(1));
  // The server's certificate is of 127.0.0.1 and localhost.
  NatsOptions elsewhere = with((*servers)->ClientFiles());
  const size_t at = elsewhere.url.find("127.0.0.1");
  elsewhere.url.replace(at, 9, "127.0.0.2");
  EXPECT_FALSE(NatsBus::Connect(elsewhere).ok());
}

}  // namespace
}  // namespace dragnet::scheduler
