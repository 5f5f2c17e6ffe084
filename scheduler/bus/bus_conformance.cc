#include "scheduler/bus/bus_conformance.h"

#include <future>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "core/clock.h"
#include "core/strings.h"
#include "scheduler/bus/record_message.h"

namespace dragnet::scheduler {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(3);

// What makes two records one to a store. Of refusals, which all have sequence 0, all that they say.
std::string KeyOf(const AgentRecord& record) {
  const v1::ResultRecord& content = record.record;
  return StrCat(record.agent_id, " ", content.action_id(), " ", content.occurrence(), " ",
                content.operation(), " ", content.sequence(), " ",
                content.has_refusal() ? content.SerializeAsString() : "");
}

v1::Notice NoticeNumber(uint64_t id) {
  v1::Notice notice;
  notice.set_id(id);
  notice.set_kind(v1::Notice::KIND_ACTION);
  notice.set_name(StrCat("action ", id));
  return notice;
}

// Follows, and remembers what came.
struct Follower {
  WaitableMutex mutex;
  std::vector<uint64_t> heard;
  int missed = 0;
  int failures_left = 0;

  void Follow(Bus& bus, uint64_t position) {
    bus.FollowNotices(
        position,
        [this](const v1::Notice& notice) -> absl::Status {
          WaitableMutex::Lock lock(mutex);
          if (failures_left > 0) {
            --failures_left;
            return absl::UnavailableError("the store is away");
          }
          heard.push_back(notice.id());
          return absl::OkStatus();
        },
        [this] {
          WaitableMutex::Lock lock(mutex);
          ++missed;
        });
  }
  std::vector<uint64_t> WaitFor(size_t count) {
    WaitableMutex::Lock lock(mutex);
    lock.AwaitFor(kPatience, [&] { return heard.size() >= count; });
    return heard;
  }
};

}  // namespace

absl::StatusOr<uint64_t> MemoryWriter::PositionOf(uint32_t partition) {
  WaitableMutex::Lock lock(mutex_);
  return positions_[partition];
}

void MemoryWriter::Write(RecordBatch batch, Done done) {
  absl::Status status;
  {
    WaitableMutex::Lock lock(mutex_);
    lock.Await([&] { return !hold_; });
    status = StoreLocked(batch);
  }
  done(status);
}

absl::Status MemoryWriter::StoreLocked(RecordBatch& batch) {
  const absl::Status failure = failure_ ? failure_() : absl::OkStatus();
  if (!failure.ok() && !absl::IsAborted(failure)) return failure;
  if (batch.range.has_value()) {
    uint64_t& position = positions_[batch.range->partition];
    // Without a step only a single record of a message comes, by itself.
    if (batch.range->last < batch.range->after ||
        (batch.range->last == batch.range->after && batch.records.size() != 1))
      StrAppend(&faults_, "an empty range; ");
    if (position != batch.range->after) return absl::AbortedError("another one reads it");
    position = batch.range->last;
  } else if (!failure.ok()) {
    return failure;
  }
  for (AgentRecord& record : batch.records) {
    // A store keeps one.
    if (!keys_.insert(KeyOf(record)).second) {
      if (batch.range.has_value() && !may_repeat_)
        StrAppend(&faults_, record.agent_id, " ", record.record.sequence(), " came again; ");
      continue;
    }
    stored_.push_back(std::move(record));
  }
  // Aborted: someone else has stored exactly this, and who brings it hears that.
  return failure;
}

void MemoryWriter::FailBy(std::function<absl::Status()> failure) {
  WaitableMutex::Lock lock(mutex_);
  failure_ = std::move(failure);
}

void MemoryWriter::AllowRepeats() {
  WaitableMutex::Lock lock(mutex_);
  may_repeat_ = true;
}

void MemoryWriter::Hold(bool hold) {
  WaitableMutex::Lock lock(mutex_);
  hold_ = hold;
}

std::vector<AgentRecord> MemoryWriter::Stored() {
  WaitableMutex::Lock lock(mutex_);
  return stored_;
}

std::vector<uint64_t> MemoryWriter::SequencesOf(const std::string& agent) {
  WaitableMutex::Lock lock(mutex_);
  std::vector<uint64_t> sequences;
  for (const AgentRecord& record : stored_) {
    if (record.agent_id == agent) sequences.push_back(record.record.sequence());
  }
  return sequences;
}

std::vector<uint64_t> MemoryWriter::Positions(uint32_t partitions) {
  WaitableMutex::Lock lock(mutex_);
  std::vector<uint64_t> positions;
  for (uint32_t i = 0; i < partitions; ++i) positions.push_back(positions_[i]);
  return positions;
}

bool MemoryWriter::WaitForRecords(size_t count) {
  WaitableMutex::Lock lock(mutex_);
  return lock.AwaitFor(kPatience, [&] { return stored_.size() >= count; });
}

std::string MemoryWriter::Faults() {
  WaitableMutex::Lock lock(mutex_);
  return faults_;
}

void Publications::Publish(Bus& bus, const AgentRecord& record) {
  size_t number;
  {
    WaitableMutex::Lock lock(state_->mutex);
    number = state_->published++;
  }
  bus.PublishRecord(record, [state = state_, number, agent = record.agent_id,
                             sequence = record.record.sequence()](absl::Status status) {
    WaitableMutex::Lock lock(state->mutex);
    if (!state->ended.insert(number).second) state->twice = true;
    state->ends.push_back({agent, sequence, std::move(status)});
  });
}

std::vector<Publications::End> Publications::Ends() {
  WaitableMutex::Lock lock(state_->mutex);
  return state_->ends;
}

bool Publications::WaitForAll() {
  WaitableMutex::Lock lock(state_->mutex);
  return lock.AwaitFor(kPatience, [&] { return state_->ended.size() == state_->published; });
}

size_t Publications::published() {
  WaitableMutex::Lock lock(state_->mutex);
  return state_->published;
}

bool Publications::AnyTwice() {
  WaitableMutex::Lock lock(state_->mutex);
  return state_->twice;
}

std::string AgentNumber(int number) {
  return absl::StrFormat("%08x-0000-4000-8000-000000000000", number);
}

AgentRecord TestRecord(const std::string& agent, uint64_t sequence, size_t bytes) {
  AgentRecord record;
  record.agent_id = agent;
  record.record.set_action_id("0190a000-0000-7000-8000-000000000001");
  record.record.set_sequence(sequence);
  record.record.mutable_rows()->add_rows(std::string(bytes, 'r'));
  record.received = absl::FromUnixSeconds(1'800'000'000) + absl::Nanoseconds(5);
  return record;
}

void PublishUntilStored(Bus& bus, const AgentRecord& record) {
  const absl::Time until = SteadyNow() + kPatience;
  for (;;) {
    auto done = std::make_shared<std::promise<absl::Status>>();
    bus.PublishRecord(record, [done](absl::Status status) { done->set_value(std::move(status)); });
    const absl::Status status = done->get_future().get();
    if (status.ok()) return;
    ASSERT_LT(SteadyNow(), until) << status;
  }
}

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time until = SteadyNow() + kPatience;
  while (!condition()) {
    if (SteadyNow() > until) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

void BusConformance::SetUp() {
  fixture_ = GetParam()();
  bus_ = fixture_->Connect("a");
  ASSERT_NE(bus_, nullptr);
  bus_->SetWriter(writer_);
  bus_->ReadPartitions(AllPartitions());
}

std::set<uint32_t> BusConformance::AllPartitions() const {
  std::set<uint32_t> all;
  for (uint32_t i = 0; i < bus_->partitions(); ++i) all.insert(i);
  return all;
}

TEST_P(BusConformance, RecordGetsToTheWriterAsItWas) {
  AgentRecord record = TestRecord(AgentNumber(1), 7, 5000);
  record.record.set_occurrence(1'700'000'000);
  record.record.set_operation(3);
  Publications publications;
  publications.Publish(*bus_, record);
  ASSERT_TRUE(publications.WaitForAll());
  EXPECT_TRUE(publications.Ends()[0].status.ok()) << publications.Ends()[0].status;
  ASSERT_TRUE(writer_.WaitForRecords(1));
  const AgentRecord stored = writer_.Stored()[0];
  EXPECT_EQ(stored.agent_id, record.agent_id);
  EXPECT_EQ(stored.record.SerializeAsString(), record.record.SerializeAsString());
  EXPECT_EQ(stored.received, record.received);
  EXPECT_EQ(bus_->pending_bytes(), 0u);
}

TEST_P(BusConformance, RecordsOfAnAgentComeInOrder) {
  constexpr int kAgents = 20;
  constexpr uint64_t kEach = 100;
  Publications publications;
  for (uint64_t sequence = 1; sequence <= kEach; ++sequence) {
    for (int agent = 0; agent < kAgents; ++agent) {
      publications.Publish(*bus_, TestRecord(AgentNumber(agent), sequence));
    }
  }
  ASSERT_TRUE(publications.WaitForAll());
  ASSERT_TRUE(writer_.WaitForRecords(kAgents * kEach));
  EXPECT_FALSE(publications.AnyTwice());
  std::vector<uint64_t> in_order;
  for (uint64_t sequence = 1; sequence <= kEach; ++sequence) in_order.push_back(sequence);
  for (int agent = 0; agent < kAgents; ++agent) {
    EXPECT_EQ(writer_.SequencesOf(AgentNumber(agent)), in_order);
  }
  EXPECT_EQ(writer_.Faults(), "");
}

TEST_P(BusConformance, LargestRecordGetsThrough) {
  Publications publications;
  publications.Publish(*bus_, TestRecord(AgentNumber(1), 1, 512 * 1024 - 100));
  ASSERT_TRUE(publications.WaitForAll());
  EXPECT_TRUE(publications.Ends()[0].status.ok()) << publications.Ends()[0].status;
  EXPECT_TRUE(writer_.WaitForRecords(1));
}

TEST_P(BusConformance, RecordThatComesAgainIsOne) {
  writer_.AllowRepeats();
  AgentRecord refusal;
  refusal.agent_id = AgentNumber(2);
  refusal.received = absl::FromUnixSeconds(1);
  refusal.record.mutable_refusal()->set_envelope_sha256("one");
  AgentRecord other = refusal;
  other.record.mutable_refusal()->set_envelope_sha256("other");
  for (int i = 0; i < 3; ++i) {
    PublishUntilStored(*bus_, TestRecord(AgentNumber(1), 1));
    PublishUntilStored(*bus_, refusal);
    PublishUntilStored(*bus_, other);
  }
  PublishUntilStored(*bus_, TestRecord(AgentNumber(1), 2));
  PublishUntilStored(*bus_, TestRecord(AgentNumber(2), 9));
  ASSERT_TRUE(writer_.WaitForRecords(5));
  ASSERT_TRUE(Eventually([&] {
    return !writer_.SequencesOf(AgentNumber(2)).empty() &&
           writer_.SequencesOf(AgentNumber(2)).back() == 9 &&
           writer_.SequencesOf(AgentNumber(1)).back() == 2;
  }));
  // Given to it again or not.
  EXPECT_EQ(writer_.SequencesOf(AgentNumber(1)), (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(writer_.SequencesOf(AgentNumber(2)), (std::vector<uint64_t>{0, 0, 9}));
  EXPECT_EQ(writer_.Faults(), "");
}

TEST_P(BusConformance, NothingIsLostAndNothingComesTwiceWhenTheWriterFails) {
  auto calls = std::make_shared<int>(0);
  writer_.FailBy([calls]() -> absl::Status {
    const int call = ++*calls;
    if (call % 3 == 0) return absl::UnavailableError("the store is away");
    if (call % 5 == 0) return absl::AbortedError("another scheduler reads it");
    return absl::OkStatus();
  });
  for (uint64_t sequence = 1; sequence <= 20; ++sequence) {
    for (int agent = 0; agent < 5; ++agent) {
      PublishUntilStored(*bus_, TestRecord(AgentNumber(agent), sequence));
    }
  }
  ASSERT_TRUE(writer_.WaitForRecords(100));
  for (int agent = 0; agent < 5; ++agent) {
    const std::vector<uint64_t> sequences = writer_.SequencesOf(AgentNumber(agent));
    EXPECT_EQ(sequences.size(), 20u);
    EXPECT_TRUE(std::is_sorted(sequences.begin(), sequences.end()));
  }
  EXPECT_EQ(writer_.Faults(), "");
}

TEST_P(BusConformance, WhatIsStoredCanBeForgottenAndIsNoBacklog) {
  for (uint64_t sequence = 1; sequence <= 50; ++sequence) {
    PublishUntilStored(*bus_, TestRecord(AgentNumber(sequence % 7), sequence));
  }
  ASSERT_TRUE(writer_.WaitForRecords(50));
  EXPECT_TRUE(Eventually([&] {
    const auto backlog = bus_->backlog();
    return backlog.ok() && backlog->messages == 0 && backlog->bytes == 0;
  }));
  const absl::Status status = bus_->ForgetRecords(writer_.Positions(bus_->partitions()));
  EXPECT_TRUE(status.ok()) << status;
  PublishUntilStored(*bus_, TestRecord(AgentNumber(1), 100));
  EXPECT_TRUE(writer_.WaitForRecords(51));
}

TEST_P(BusConformance, NoticesComeInOrder) {
  Follower follower;
  // Declared before: it must go first.
  const std::unique_ptr<Bus> bus = std::move(bus_);
  for (uint64_t id = 1; id <= 5; ++id) ASSERT_TRUE(bus->PublishNotice(NoticeNumber(id)).ok());
  follower.Follow(*bus, 0);
  for (uint64_t id = 6; id <= 10; ++id) ASSERT_TRUE(bus->PublishNotice(NoticeNumber(id)).ok());
  EXPECT_EQ(follower.WaitFor(10), (std::vector<uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(*bus->LastNotice(), 10u);
  EXPECT_EQ(follower.missed, 0);
}

TEST_P(BusConformance, FollowerBeginsAfterItsPosition) {
  Follower follower;
  const std::unique_ptr<Bus> bus = std::move(bus_);
  EXPECT_EQ(*bus->LastNotice(), 0u);
  for (uint64_t id = 1; id <= 5; ++id) ASSERT_TRUE(bus->PublishNotice(NoticeNumber(id)).ok());
  follower.Follow(*bus, *bus->LastNotice());
  ASSERT_TRUE(bus->PublishNotice(NoticeNumber(6)).ok());
  EXPECT_EQ(follower.WaitFor(1), (std::vector<uint64_t>{6}));
}

TEST_P(BusConformance, NoticeIsTriedAgainUntilItIsHandled) {
  Follower follower;
  follower.failures_left = 3;
  const std::unique_ptr<Bus> bus = std::move(bus_);
  follower.Follow(*bus, 0);
  for (uint64_t id = 1; id <= 3; ++id) ASSERT_TRUE(bus->PublishNotice(NoticeNumber(id)).ok());
  EXPECT_EQ(follower.WaitFor(3), (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(follower.missed, 0);
}

TEST_P(BusConformance, PositionThatNeverWasIsMissed) {
  Follower follower;
  const std::unique_ptr<Bus> bus = std::move(bus_);
  ASSERT_TRUE(bus->PublishNotice(NoticeNumber(1)).ok());
  follower.Follow(*bus, 1000);
  EXPECT_EQ(follower.WaitFor(1), (std::vector<uint64_t>{1}));
  EXPECT_EQ(follower.missed, 1);
}

TEST_P(BusConformance, NoOneIsThereToBeTold) {
  WaitableMutex mutex;
  int heard = 0;
  const std::unique_ptr<Bus> bus = std::move(bus_);
  bus->OnMessage([&](v1::PeerMessage, Bus::Reply) {
    WaitableMutex::Lock lock(mutex);
    ++heard;
  });
  v1::PeerMessage message;
  message.mutable_agents_changed()->add_agent_ids("x");
  bus->Tell("", message);
  bus->Tell("nobody", message);
  bus->Tell("no body.*", message);
  for (const char* to : {"nobody", "", "a", "no body.>"}) {
    EXPECT_TRUE(absl::IsUnavailable(bus->Ask(to, message, absl::Seconds(2)).status())) << to;
  }
  WaitableMutex::Lock lock(mutex);
  EXPECT_EQ(heard, 0);
}

TEST_P(BusConformance, CanBeReached) { EXPECT_TRUE(bus_->state().ok()); }

// Whoever waits is told, at the latest when the bus goes.
TEST_P(BusConformance, EveryPublicationEndsOnce) {
  Publications publications;
  for (uint64_t sequence = 1; sequence <= 500; ++sequence) {
    publications.Publish(*bus_, TestRecord(AgentNumber(sequence % 50), sequence, 1000));
  }
  bus_.reset();
  EXPECT_TRUE(publications.WaitForAll());
  EXPECT_FALSE(publications.AnyTwice());
  for (const Publications::End& end : publications.Ends()) {
    EXPECT_TRUE(end.status.ok() || absl::IsUnavailable(end.status)) << end.status;
  }
}

}  // namespace dragnet::scheduler
