// What every Bus must do, whatever carries it. An implementation instantiates the suite
// with a factory:
//
//   INSTANTIATE_TEST_SUITE_P(InProcess, BusConformance, ::testing::Values(&NewFixture));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/mutex.h"
#include "scheduler/bus/bus.h"

namespace dragnet::scheduler {

// A store that is in memory, and outlives the buses that hand it records: a batch and the
// position after it are stored in one step, or not at all.
class MemoryWriter : public RecordWriter {
 public:
  absl::StatusOr<uint64_t> PositionOf(uint32_t partition) override;
  void Write(RecordBatch batch, Done done) override;

  // Asked before each batch: an error, and nothing is stored. Aborted: a batch of a
  // partition is stored nevertheless, as if another scheduler had been faster.
  void FailBy(std::function<absl::Status()> failure);
  // Batches wait until it is undone.
  void Hold(bool hold);

  std::vector<AgentRecord> Stored();
  std::vector<uint64_t> SequencesOf(const std::string& agent);
  std::vector<uint64_t> Positions(uint32_t partitions);
  // False if they don't come for minutes.
  bool WaitForRecords(size_t count);
  // Batches that don't go on where the last one ended, and records that came a second time
  // from a bus with positions, unless it may send some twice. Empty: none.
  std::string Faults();
  // From now on: what was published again, or sent again when its answer was lost, comes again.
  void AllowRepeats();

 private:
  absl::Status StoreLocked(RecordBatch& batch);

  WaitableMutex mutex_;
  std::function<absl::Status()> failure_;
  bool hold_ = false;
  bool may_repeat_ = false;
  std::map<uint32_t, uint64_t> positions_;
  std::vector<AgentRecord> stored_;
  std::set<std::string> keys_;
  std::string faults_;
};

// `done` calls, counted.
class Publications {
 public:
  // Publishes it and remembers how it ended.
  void Publish(Bus& bus, const AgentRecord& record);
  // How often each ended so far, in the order in which they ended.
  struct End {
    std::string agent;
    uint64_t sequence = 0;
    absl::Status status;
  };
  std::vector<End> Ends();
  bool WaitForAll();
  size_t published();
  // Ended more than once: none ever should.
  bool AnyTwice();

 private:
  struct State {
    WaitableMutex mutex;
    size_t published = 0;
    std::vector<End> ends;
    std::set<size_t> ended;
    bool twice = false;
  };
  // Held by each `done`, which may come late.
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

std::string AgentNumber(int number);
// With rows of so many bytes.
AgentRecord TestRecord(const std::string& agent, uint64_t sequence, size_t bytes = 100);
// Publishes until it is stored, as an agent does that sends from its spool.
void PublishUntilStored(Bus& bus, const AgentRecord& record);
// Asks every few milliseconds, for minutes.
bool Eventually(const std::function<bool()>& condition);

// The place of a bus, over several schedulers on it.
class BusFixture {
 public:
  virtual ~BusFixture() = default;
  // As scheduler `name`.
  virtual std::unique_ptr<Bus> Connect(std::string_view name) = 0;
};
using BusFixtureFactory = std::unique_ptr<BusFixture> (*)();

class BusConformance : public ::testing::TestWithParam<BusFixtureFactory> {
 protected:
  void SetUp() override;
  // All there are.
  std::set<uint32_t> AllPartitions() const;

  std::unique_ptr<BusFixture> fixture_;
  MemoryWriter writer_;
  // After the writer, so that it goes first. Reads all partitions.
  std::unique_ptr<Bus> bus_;
};

}  // namespace dragnet::scheduler
